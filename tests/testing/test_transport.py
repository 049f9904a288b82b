from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from aioproducer.testing.transport import Stream, listen_on_sockets


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[Stream, asyncio.StreamReader, asyncio.StreamWriter]]:
    accepted: asyncio.Queue[Stream] = asyncio.Queue()
    listener = await listen_on_sockets("127.0.0.1", 0, accepted.put_nowait)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    stream = await accepted.get()
    try:
        yield stream, reader, writer
    finally:
        writer.close()
        stream.abort()
        await stream.wait_closed()
        await listener.close()


async def test_bytes_go_both_ways_and_the_end_is_empty() -> None:
    async with pair() as (stream, reader, writer):
        writer.write(b"in")
        assert await stream.read() == b"in"
        stream.write([b"o", memoryview(b"ut")])
        await stream.drain()
        assert await reader.readexactly(3) == b"out"
        writer.write_eof()
        assert await stream.read() == b""


async def test_closing_sends_what_was_written() -> None:
    async with pair() as (stream, reader, _):
        stream.write([b"last"])
        stream.close()
        await stream.wait_closed()
        assert await reader.read() == b"last"


async def test_after_a_reset_reads_are_empty_and_writes_go_nowhere() -> None:
    async with pair() as (stream, _, writer):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        writer.transport.abort()
        assert await stream.read() == b""
        stream.write([b"x"])
        await stream.drain()
        stream.close()
        await stream.wait_closed()


async def test_closing_does_not_wait_for_a_peer_that_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioproducer.testing.transport.CLOSING_TIME", 0.01)
    async with pair() as (stream, _, _writer):
        stream.write([bytes(64 * 1024 * 1024)])
        stream.close()
        async with asyncio.timeout(5):
            await stream.wait_closed()


async def test_a_closed_port_is_closed_and_can_be_opened_again() -> None:
    listener = await listen_on_sockets("127.0.0.1", 0, lambda stream: stream.abort())
    await listener.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", listener.port)
    again = await listen_on_sockets("127.0.0.1", listener.port, lambda stream: stream.abort())
    assert again.port == listener.port
    await again.close()


async def test_a_taken_port_is_an_error() -> None:
    listener = await listen_on_sockets("127.0.0.1", 0, lambda stream: stream.abort())
    with pytest.raises(OSError, match="in use"):
        await listen_on_sockets("127.0.0.1", listener.port, lambda stream: stream.abort())
    await listener.close()
