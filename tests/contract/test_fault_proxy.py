"""The tests' own fault proxy, with a client and a broker of a few lines: what each act does to which frame, and that it
leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator

import pytest

from tests.support.fault_proxy import Act, FaultProxy, most_in_flight
from tests.support.faulty import until

pytestmark = pytest.mark.usefixtures("no_leaks")

API, OTHER = 0, 3


class EchoBroker:
    """Answers each request with its correlation id and its own bytes; `received` is all requests."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        self._server = await asyncio.start_server(accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                frame = await read_frame(reader)
                self.received.append(frame)
                body = frame[4:]
                writer.write(struct.pack(">i", len(body)) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    (length,) = struct.unpack(">i", await reader.readexactly(4))
    return await reader.readexactly(length)


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def ask(self, correlation_id: int, text: bytes = b"x", api: int = API) -> None:
        body = struct.pack(">hhi", api, 9, correlation_id) + text
        self._writer.write(struct.pack(">i", len(body)) + body)

    async def answer(self) -> tuple[int, bytes]:
        async with asyncio.timeout(5):
            frame = await read_frame(self._reader)
        return struct.unpack_from(">i", frame)[0], frame[4:]

    async def rest(self) -> bytes:
        """What comes until the end."""
        async with asyncio.timeout(5):
            return await self._reader.read()

    async def close(self) -> None:
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except OSError:
            pass


@pytest.fixture
async def broker() -> AsyncIterator[EchoBroker]:
    opened = EchoBroker()
    await opened.start()
    yield opened
    await opened.close()


@pytest.fixture
async def proxy() -> AsyncIterator[FaultProxy]:
    async with FaultProxy() as opened:
        yield opened


@pytest.fixture
async def front(proxy: FaultProxy, broker: EchoBroker) -> int:
    return await proxy.forward(0, broker.port)


@pytest.fixture
async def client(front: int) -> AsyncIterator[Client]:
    opened = await connect(front)
    yield opened
    await opened.close()


async def connect(port: int) -> Client:
    return Client(*await asyncio.open_connection("127.0.0.1", port))


async def test_frames_pass_unharmed(proxy: FaultProxy, client: Client) -> None:
    for number in range(5):
        client.ask(number, b"%d" % number * 70_000)
    assert [await client.answer() for _ in range(5)] == [(number, b"%d" % number * 70_000) for number in range(5)]
    assert [(event.kind, event.api, event.connection) for event in proxy.events].count(("request", API, 1)) == 5
    assert proxy.connections == 1


async def test_a_rule_hits_its_api_after_skip_and_as_often_as_it_says(proxy: FaultProxy, client: Client) -> None:
    rule = proxy.order(Act.SKIP_ANSWER, API, skip=1, times=2)
    client.ask(0, api=OTHER)
    for number in range(1, 6):
        client.ask(number)
    assert [(await client.answer())[0] for _ in range(4)] == [0, 1, 4, 5]
    assert rule.hits == 2


async def test_rules_that_are_taken_back(proxy: FaultProxy, client: Client) -> None:
    proxy.order(Act.CUT_BEFORE, API, times=None).remove()
    proxy.order(Act.CUT_BEFORE, API)
    proxy.clear()
    client.ask(1)
    assert await client.answer() == (1, b"x")


@pytest.mark.parametrize("reset", [False, True])
async def test_cut_before(proxy: FaultProxy, broker: EchoBroker, client: Client, reset: bool) -> None:
    proxy.order(Act.CUT_BEFORE, API, skip=1, reset=reset)
    client.ask(1)
    await client.answer()
    client.ask(2)
    if reset:
        with pytest.raises(ConnectionResetError):
            await client.rest()
    else:
        assert await client.rest() == b""
    assert len(broker.received) == 1


async def test_lose_answer(proxy: FaultProxy, broker: EchoBroker, client: Client) -> None:
    proxy.order(Act.LOSE_ANSWER, API)
    client.ask(1)
    assert await client.rest() == b""
    assert len(broker.received) == 1


async def test_cut_answer(proxy: FaultProxy, client: Client) -> None:
    proxy.order(Act.CUT_ANSWER, API)
    client.ask(1, b"12345678")
    assert await client.rest() == struct.pack(">ii", 12, 1)


@pytest.mark.parametrize("act", [Act.SILENCE, Act.STALL_ANSWER])
async def test_silence(proxy: FaultProxy, broker: EchoBroker, front: int, act: Act) -> None:
    proxy.order(act, API)
    client = await connect(front)
    client.ask(1, b"12345678")
    client.ask(2)
    await until(lambda: len(broker.received) == 2)
    rest = asyncio.ensure_future(client.rest())
    await asyncio.sleep(0.02)
    assert not rest.done()
    await proxy.cut()
    with pytest.raises(ConnectionResetError):
        await rest
    assert proxy.connections == 0
    await client.close()


async def test_delay_answer(proxy: FaultProxy, client: Client) -> None:
    proxy.order(Act.DELAY_ANSWER, API, seconds=0.05)
    client.ask(1)
    client.ask(2)
    assert [(await client.answer())[0] for _ in range(2)] == [1, 2]
    asked = next(event for event in proxy.events if event.kind == "request")
    answered = next(event for event in proxy.events if event.kind == "answer")
    assert round(answered.at - asked.at, 6) >= 0.05  # what floats lose of uvloop's whole milliseconds
    assert most_in_flight(proxy.events, API) == 2


async def test_swap_and_repeat(proxy: FaultProxy, client: Client) -> None:
    proxy.order(Act.SWAP_ANSWER, API)
    proxy.order(Act.REPEAT_ANSWER, API, skip=1)
    for number in range(1, 4):
        client.ask(number)
    assert [(await client.answer())[0] for _ in range(4)] == [2, 1, 3, 3]


async def test_spoil_request_changes_one_bit_of_the_records(
    proxy: FaultProxy, broker: EchoBroker, client: Client
) -> None:
    proxy.order(Act.SPOIL_REQUEST, API)
    client.ask(1, b"records\x00\x00\x00")
    assert await client.answer() == (1, b"recordr\x00\x00\x00")


async def test_one_byte_at_a_time(proxy: FaultProxy, client: Client) -> None:
    proxy.one_byte_at_a_time = True
    client.ask(1, b"slowly")
    assert await client.answer() == (1, b"slowly")


async def test_frozen_nothing_passes_and_thawed_everything(
    proxy: FaultProxy, broker: EchoBroker, front: int, client: Client
) -> None:
    proxy.freeze()
    client.ask(1)
    gone = await connect(front)
    gone.ask(2)
    await until(lambda: len(proxy.events) == 2)
    await gone.close()
    assert not broker.received
    proxy.thaw()
    assert await client.answer() == (1, b"x")
    # Also what was written by somebody who has gone meanwhile.
    await until(lambda: len(broker.received) == 2)
    await until(lambda: proxy.connections == 1)


async def test_closed_while_frozen(broker: EchoBroker) -> None:
    async with FaultProxy() as proxy:
        client = await connect(await proxy.forward(0, broker.port))
        proxy.freeze()
        client.ask(1)
        await until(lambda: proxy.events)
    with pytest.raises(ConnectionResetError):
        await client.rest()
    await client.close()
    assert not broker.received


async def test_cut_before_a_connection_has_begun(proxy: FaultProxy, front: int) -> None:
    client = await connect(front)
    for _ in range(10):
        await proxy.cut()
        await asyncio.sleep(0)
    with pytest.raises(ConnectionResetError):
        await client.rest()
    await client.close()
    await until(lambda: not proxy.connections)


async def test_refuse_and_accept(proxy: FaultProxy, front: int, client: Client) -> None:
    client.ask(1)
    await client.answer()
    await proxy.refuse()
    with pytest.raises(ConnectionResetError):
        await client.rest()
    with pytest.raises(ConnectionRefusedError):
        await connect(front)
    await proxy.accept()
    again = await connect(front)
    again.ask(1)
    assert await again.answer() == (1, b"x")
    await again.close()


async def test_no_broker_behind_it(proxy: FaultProxy, broker: EchoBroker) -> None:
    await broker.close()
    client = await connect(await proxy.forward(0, broker.port))
    assert await client.rest() == b""
    await client.close()
    assert proxy.connections == 0


async def test_what_is_no_frame_ends_the_connection(proxy: FaultProxy, front: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", front)
    writer.write(struct.pack(">i", -5) + b"nonsense")
    async with asyncio.timeout(5):
        try:
            assert await reader.read() == b""
        except ConnectionResetError:
            pass
    writer.close()
    await until(lambda: not proxy.connections)
