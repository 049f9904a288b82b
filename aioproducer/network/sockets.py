"""The real network: TCP sockets under asyncio's streams, with the buffer sizes of the configuration.

No time-out, no retry and no choice among several brokers happens here.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any, TypeAlias

from aioproducer.network.stream import Stream

READ_SIZE = 256 * 1024
"""How many bytes are read in one go: asyncio's own size of a `recv`."""

_AddressInfo: TypeAlias = tuple[int, int, int, str, Any]  # what getaddrinfo gives; the last part is the kernel's form


class SocketStream:
    """A `Stream` over asyncio's reader and writer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._transport = writer.transport
        # Any byte that waits counts as "above the limit", so that `drain` means "handed to the kernel".
        self._transport.set_write_buffer_limits(high=0)

    async def read(self) -> bytes:
        return await self._reader.read(READ_SIZE)

    def write(self, chunks: Sequence[bytes | memoryview]) -> None:
        if self._transport.is_closing():
            return
        self._writer.writelines(chunks)
        # `writelines` of CPython 3.12.0 to 3.12.8 and 3.13.0 to 3.13.1 does not look at the limit, this call does.
        self._transport.set_write_buffer_limits(high=0)

    async def drain(self) -> None:
        await self._writer.drain()

    def close(self) -> None:
        # A transport whose peer reads no more would wait for ever to send the rest of its buffer.
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._writer.close()

    async def wait_closed(self) -> None:
        try:
            await self._writer.wait_closed()
        except OSError:
            pass  # why it broke has been seen by `read`


class SocketDialer:
    """A `Dialer` for TCP. Sizes are in bytes; -1 leaves them to the operating system."""

    def __init__(self, *, send_buffer_bytes: int = -1, receive_buffer_bytes: int = -1) -> None:
        self._send_buffer_bytes = send_buffer_bytes
        self._receive_buffer_bytes = receive_buffer_bytes

    async def __call__(self, host: str, port: int) -> Stream:
        """Tries the addresses of `host` one after another. Raises the OSError of the last one."""
        failure: OSError = OSError(f"{host} has no address")
        for family, kind, protocol, _, address in await _addresses(host, port):
            try:
                return await self._connect(family, kind, protocol, address)
            except OSError as error:
                failure = error
        raise failure

    async def _connect(self, family: int, kind: int, protocol: int, address: Any) -> Stream:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            # Before the connect, because the window that TCP offers depends on the size of the buffer by then.
            if self._send_buffer_bytes >= 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._send_buffer_bytes)
            if self._receive_buffer_bytes >= 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer_bytes)
            await asyncio.get_running_loop().sock_connect(sock, address)
            reader, writer = await asyncio.open_connection(sock=sock, limit=READ_SIZE)
        except BaseException:
            sock.close()
            raise
        return SocketStream(reader, writer)


async def _addresses(host: str, port: int) -> Sequence[_AddressInfo]:
    try:
        # An IP address needs no resolver, and so neither a thread nor a turn of the loop.
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except ValueError as error:  # what Python says of names with empty or too long parts, or with a null character
        raise socket.gaierror(socket.EAI_NONAME, f"not a host name: {error}") from error
    except socket.gaierror:
        return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
