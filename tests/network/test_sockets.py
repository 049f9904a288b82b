"""Real sockets on 127.0.0.1: options, draining, endings, names; the same under uvloop where it is installed."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import socket
import time
from random import Random

import pytest

from aioproducer.errors import ConnectionFailedError, KafkaError, ProtocolError
from aioproducer.network.connection import Connection, open_connection
from aioproducer.network.sockets import SocketDialer, SocketStream, in_pieces
from aioproducer.network.stream import Dialer
from aioproducer.protocol.messages.metadata import MetadataRequest, MetadataResponse
from aioproducer.protocol.schema import Response
from tests.support.scripted_peer import ScriptedPeer
from tests.support.virtual_time import Background

pytestmark = pytest.mark.usefixtures("no_leaks")


async def connect(port: int, background: Background, *, dial: Dialer | None = None) -> Connection:
    return await open_connection(
        dial or SocketDialer(),
        "127.0.0.1",
        port,
        client_id="test",
        spawn=background.spawn,
        clock=asyncio.get_running_loop().time,
        setup_timeout=5.0,
    )


async def exchange() -> None:
    """A handshake, pipelined requests, a broken connection: everything once."""
    background = Background()
    async with ScriptedPeer() as peer:
        peer.broker.script[MetadataRequest] = lambda _: MetadataResponse(controller_id=7)
        connection = await connect(peer.port, background)
        calls = [connection.call(MetadataRequest(), timeout=5) for _ in range(20)]
        answers = await asyncio.gather(*calls)
        assert {answer.controller_id for answer in answers if isinstance(answer, MetadataResponse)} == {7}
        await connection.drain()
        outcomes: list[Response | KafkaError] = []
        peer.broker.script[MetadataRequest] = lambda _: None
        connection.send(MetadataRequest(), 9, outcomes.append, timeout=5)
        peer.drop()
        await connection.wait_closed()
        assert [type(outcome) for outcome in outcomes] == [ConnectionFailedError]
    await background.end()


async def test_an_exchange_over_tcp() -> None:
    await exchange()


@pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed")
def test_an_exchange_over_tcp_under_uvloop() -> None:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop, debug=True) as runner:
        runner.run(exchange())


async def test_the_options_are_set_before_the_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    connect = loop.sock_connect
    options: dict[str, int] = {}

    async def recording(sock: socket.socket, address: tuple[str, int]) -> None:
        options["nodelay"] = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        options["keepalive"] = sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        options["send"] = sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        options["receive"] = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        await connect(sock, address)

    monkeypatch.setattr(loop, "sock_connect", recording)
    async with ScriptedPeer() as peer:
        stream = await SocketDialer(send_buffer_bytes=50_000, receive_buffer_bytes=40_000)("127.0.0.1", peer.port)
        assert isinstance(stream, SocketStream)
        stream.close()
        await stream.wait_closed()
    assert options["nodelay"]
    assert options["keepalive"]
    assert options["send"] in (50_000, 100_000)  # Linux doubles it
    assert options["receive"] in (40_000, 80_000)


async def test_drain_means_handed_to_the_kernel_and_close_does_not_wait_for_the_peer() -> None:
    release = asyncio.Event()
    held: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        await release.wait()
        writer.close()

    # A limit that the reader reaches at once, so that the peer stops reading soon.
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1024)
    port = server.sockets[0].getsockname()[1]
    stream = await SocketDialer(send_buffer_bytes=10_000)("127.0.0.1", port)
    stream.write([b"small"])
    await asyncio.wait_for(stream.drain(), 5)
    stream.write([bytes(20_000_000), memoryview(b"end")])
    draining = asyncio.create_task(stream.drain())
    await asyncio.sleep(0.02)
    assert not draining.done()
    begin = time.monotonic()
    stream.close()
    await stream.wait_closed()
    assert time.monotonic() - begin < 1.0
    await asyncio.wait([draining])
    draining.exception()
    assert await stream.read() == b""
    stream.write([b"too late"])
    release.set()
    server.close()
    await server.wait_closed()
    for writer in held:
        writer.close()


@pytest.mark.parametrize("sizes", [[], [0], [10, 20], [64, 1], [65], [200, 3, 3], [3, 64, 128, 129, 1]])
def test_pieces_are_the_same_bytes_and_small(sizes: list[int]) -> None:
    chunks = [bytes([number]) * size for number, size in enumerate(sizes)]
    pieces = list(in_pieces(chunks, 64))
    assert b"".join(pieces) == b"".join(chunks)
    assert max(map(len, pieces), default=0) <= 64
    assert len(pieces) <= 2 * len(chunks) + sum(sizes) // 64


async def test_large_requests_arrive_whole_and_in_order_however_slowly_they_are_read() -> None:
    arrived = hashlib.sha256()
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(50_000):
            arrived.update(data)
            await asyncio.sleep(0)
        writer.close()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=10_000)
    try:
        stream = await SocketDialer(send_buffer_bytes=20_000)("127.0.0.1", server.sockets[0].getsockname()[1])
        sent = hashlib.sha256()
        random = Random(1)
        for _ in range(20):
            chunks = [random.randbytes(random.choice((4, 61, 3000, 200_000))) for _ in range(random.randrange(1, 8))]
            stream.write(chunks)
            sent.update(b"".join(chunks))
            if random.random() < 0.5:
                await stream.drain()
        await stream.drain()
        stream.close()
        await asyncio.wait_for(ended.wait(), 20)
        await stream.wait_closed()
        assert arrived.digest() == sent.digest()
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("leave", [False, True])
async def test_the_loop_turns_while_the_kernel_takes_much(monkeypatch: pytest.MonkeyPatch, leave: bool) -> None:
    """The transport is one whose kernel takes 64 KiB in 0.2 ms, without end."""
    loop = asyncio.get_running_loop()
    stream, now, turns, written = SocketStream(), 0.0, 0, bytearray()
    monkeypatch.setattr(loop, "time", lambda: now)

    class Transport(asyncio.Transport):
        closing = False

        def write(self, data: bytes | bytearray | memoryview) -> None:
            nonlocal now
            now += 0.0002
            written.extend(data)

        def is_closing(self) -> bool:
            return self.closing

        def close(self) -> None:
            self.closing = True

        abort = close

        def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
            assert high == 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        if turns < 100:
            loop.call_soon(turn)

    stream.connection_made(Transport())
    sent = bytes(range(256)) * 4096
    loop.call_soon(turn)
    stream.write([sent])
    assert len(written) == 3 * 65_536
    stream.write([b"behind"])
    assert len(written) == 3 * 65_536, "not more in the same turn"
    if leave:
        stream.close()
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(written) == 3 * 65_536
    else:
        await stream.drain()
        assert written == sent + b"behind"
        assert turns == 6, "five to write in, and one for who drains"


async def test_more_than_a_buffer_arrives_whole_and_in_order() -> None:
    sent = bytes(range(256)) * 2_000

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    stream = await SocketDialer()("127.0.0.1", server.sockets[0].getsockname()[1])
    arrived = bytearray()
    stream.on_data(arrived.extend)
    assert await stream.read() == b""
    assert arrived == sent
    stream.close()
    await stream.wait_closed()
    server.close()
    await server.wait_closed()


async def test_an_http_server_is_recognised() -> None:
    background = Background()
    async with ScriptedPeer(hello=b"HTTP/1.1 400 Bad Request\r\n\r\n") as peer:
        with pytest.raises(ProtocolError, match=f"127.0.0.1:{peer.port}: .*looks like an HTTP server"):
            await connect(peer.port, background)
    assert background.tasks == []


async def test_nobody_listens() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionFailedError, match="connection refused"):
            await connect(held.getsockname()[1], Background())


async def test_a_name_is_resolved_and_all_its_addresses_are_tried() -> None:
    async with ScriptedPeer() as peer:
        # Where "localhost" is ::1 first, nobody listens there.
        stream = await SocketDialer()("localhost", peer.port)
        stream.close()
        await stream.wait_closed()


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".test"])
async def test_what_is_no_name_is_an_oserror(host: str) -> None:
    with pytest.raises(OSError, match="not a host name"):
        await SocketDialer()(host, 9092)
