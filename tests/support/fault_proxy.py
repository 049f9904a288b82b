"""A TCP proxy that goes wrong: it stands before a broker, passes Kafka's frames on, and spoils those a test orders.

Of a frame it understands the length, of a request's header API key and correlation id, and of an answer's the
correlation id; what the rest means is the broker's and the client's matter. It lives on the test's loop.

1. A rule hits requests of one API, whichever connection they come on: the first `skip` pass, the next `times` are hit.
2. A connection passes frames in order, each direction for itself, one at a time: a delayed frame delays those behind.
3. While it is frozen nothing passes, and connections are accepted all the same, as by the kernel of a stopped process.
   What came in meanwhile goes its way afterwards, also if the client has given it up.
4. `close()` leaves no task and no socket behind, whatever the peers do.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from types import TracebackType
from typing import Literal, NamedTuple, Self

_HOST = "127.0.0.1"
_LENGTH = struct.Struct(">i")
_REQUEST = struct.Struct(">hhi")
_CORRELATION = struct.Struct(">i")
_LONGEST_FRAME = 104_857_600
_MOST_CONNECTIONS = 200
_MOST_EVENTS = 100_000
_CLOSING_TIME = 1.0
_LINGER_OFF = struct.pack("ii", 1, 0)
_PLACE_OF_RECORDS = -4
"""From the end of a Produce request for one partition: behind its records are three counts of tagged fields, all 0."""


class Act(Enum):
    CUT_BEFORE = auto()
    """The request does not reach the broker; the connection is cut."""
    SPOIL_REQUEST = auto()
    """One bit of the records arrives flipped, for Produce from version 9 with one partition."""
    LOSE_ANSWER = auto()
    """The broker gets the request, its answer is swallowed, and the connection is cut."""
    SKIP_ANSWER = auto()
    """… and the connection goes on: the next answer follows."""
    SILENCE = auto()
    """… and nothing comes from the broker any more on this connection, which stays open."""
    CUT_ANSWER = auto()
    """Half of the answer arrives, then the connection is cut."""
    STALL_ANSWER = auto()
    """Half of the answer arrives, then nothing."""
    DELAY_ANSWER = auto()
    """The answer, and those behind it, come `seconds` later."""
    SWAP_ANSWER = auto()
    """The answer comes behind the next one of its connection."""
    REPEAT_ANSWER = auto()
    """The answer comes twice."""


@dataclass(slots=True, kw_only=True, eq=False)
class Rule:
    """What goes wrong with which requests. `hits` counts those it has hit; times=None is all from now on.

    reset: whether a cut is one by RST, with which the client loses what it had not read, or by FIN.
    """

    act: Act
    api: int
    times: int | None = 1
    skip: int = 0
    seconds: float = 0.0
    reset: bool = False
    hits: int = 0

    def remove(self) -> None:
        """Nothing is hit any more."""
        self.times = self.hits


class Event(NamedTuple):
    """A request has come to the proxy, or an answer goes on to the client. `connection` counts from 1, `at` is the
    loop's time in seconds.
    """

    kind: Literal["request", "answer"]
    api: int
    connection: int
    correlation_id: int
    at: float


class FaultProxy:
    """Forwards any number of ports, all under the same rules. What has come in is in `events`, oldest first."""

    def __init__(self) -> None:
        self.events: deque[Event] = deque(maxlen=_MOST_EVENTS)
        self.one_byte_at_a_time = False
        self._rules: list[Rule] = []
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._servers: dict[int, asyncio.Server] = {}
        self._targets: dict[int, int] = {}
        self._passages: dict[asyncio.Task[None], _Passage] = {}
        self._count = 0
        self._bugs: list[BaseException] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def connections(self) -> int:
        """How many are open now."""
        return len(self._passages)

    async def forward(self, front: int, behind: int) -> int:
        """Listens on port `front`, 0 for any, for what listens on `behind`; returns the port. Raises OSError."""

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._accept(reader, writer, behind)

        server = await asyncio.start_server(accept, _HOST, front)
        port: int = server.sockets[0].getsockname()[1]
        self._servers[port] = server
        self._targets[port] = behind
        return port

    async def close(self) -> None:
        """Stops to listen, and ends all connections. Raises what a connection died of, if that was a bug in here."""
        for port in tuple(self._servers):
            self.stop(port)
        self._targets.clear()
        await self.cut()
        if self._bugs:
            raise self._bugs.pop()

    def stop(self, front: int) -> None:
        """Takes no more connections on that port; those that are there stay."""
        # Not waited for: from Python 3.12 on that would wait for the connections too.
        self._servers.pop(front).close()

    # -- faults

    def order(
        self,
        act: Act,
        api: int,
        *,
        times: int | None = 1,
        skip: int = 0,
        seconds: float = 0.0,
        reset: bool = False,
    ) -> Rule:
        """From now on, requests of that API are hit; of several rules that match, the oldest."""
        rule = Rule(act=act, api=api, times=times, skip=skip, seconds=seconds, reset=reset)
        self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Nothing that was ordered hits any more."""
        for rule in self._rules:
            rule.remove()
        self._rules.clear()

    async def refuse(self) -> None:
        """Connections are cut, and new ones refused."""
        for port in tuple(self._servers):
            self.stop(port)
        await self.cut()

    async def accept(self) -> None:
        """The ports that were forwarded are open again."""
        for port, behind in tuple(self._targets.items()):
            if port not in self._servers:
                await self.forward(port, behind)

    def freeze(self) -> None:
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    async def cut(self) -> None:
        """Resets all connections there are; returns when nothing is left of them."""
        tasks = list(self._passages)
        for task, passage in list(self._passages.items()):
            passage.reset = True
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- for its connections

    async def passing(self) -> None:
        """Returns when it is not frozen."""
        await self._flowing.wait()

    def rule_for(self, api: int) -> Rule | None:
        """The rule that this request is hit by."""
        for rule in self._rules:
            if rule.api != api or (rule.times is not None and rule.hits >= rule.times):
                continue
            if rule.skip:
                rule.skip -= 1
                continue
            rule.hits += 1
            return rule
        return None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, behind: int) -> None:
        if len(self._passages) >= _MOST_CONNECTIONS:
            writer.transport.abort()
            return
        self._count += 1
        passage = _Passage(self, self._count, reader, writer)
        task = asyncio.get_running_loop().create_task(passage.run(behind), name=f"fault proxy to port {behind}")
        self._passages[task] = passage
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        # One that was cancelled before it began has not closed anything.
        self._passages.pop(task).abort()
        if not task.cancelled() and (bug := task.exception()) is not None:
            self._bugs.append(bug)


class _Passage:
    """One connection: a client's, and its own to the broker."""

    def __init__(
        self, proxy: FaultProxy, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reset = False
        self._proxy = proxy
        self._number = number
        self._from_client = reader
        self._to_client = writer
        self._writers = [writer]
        self._asked: dict[int, tuple[int, Rule | None]] = {}

    def abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def run(self, behind: int) -> None:
        try:
            from_broker, to_broker = await asyncio.open_connection(_HOST, behind)
            self._writers.append(to_broker)
            await self._run(from_broker, to_broker)
        except OSError:
            pass
        finally:
            if self.reset:
                _reset_on_close(self._to_client)
            await _end(self._writers)

    async def _run(self, from_broker: asyncio.StreamReader, to_broker: asyncio.StreamWriter) -> None:
        ways = [
            asyncio.ensure_future(self._requests(to_broker)),
            asyncio.ensure_future(self._answers(from_broker)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for outcome in await asyncio.gather(*ways, return_exceptions=True):
                if isinstance(outcome, Exception) and not isinstance(outcome, OSError):
                    raise outcome

    async def _requests(self, to_broker: asyncio.StreamWriter) -> None:
        while (frame := await _next_frame(self._from_client, _REQUEST.size)) is not None:
            api, _version, correlation_id = _REQUEST.unpack_from(frame, _LENGTH.size)
            rule = self._proxy.rule_for(api)
            self._note("request", api, correlation_id)
            await self._proxy.passing()
            if rule is not None and rule.act is Act.CUT_BEFORE:
                self.reset = rule.reset
                return
            if rule is not None and rule.act is Act.SPOIL_REQUEST:
                frame = _spoilt(frame)
            self._asked[correlation_id] = api, rule
            await self._pass_on(to_broker, frame)

    async def _answers(self, from_broker: asyncio.StreamReader) -> None:
        held_back = b""
        while (frame := await _next_frame(from_broker)) is not None:
            (correlation_id,) = _CORRELATION.unpack_from(frame, _LENGTH.size)
            api, rule = self._asked.pop(correlation_id, (-1, None))
            await self._proxy.passing()
            act = None if rule is None else rule.act
            half = frame[: len(frame) // 2]
            if act is Act.SKIP_ANSWER:
                continue
            if act is Act.SWAP_ANSWER:
                held_back = frame
                continue
            if act is Act.DELAY_ANSWER and rule is not None:
                await asyncio.sleep(rule.seconds)
            if act in (Act.LOSE_ANSWER, Act.CUT_ANSWER) and rule is not None:
                if act is Act.CUT_ANSWER:
                    await self._pass_on(self._to_client, half)
                self.reset = rule.reset
                return
            if act in (Act.SILENCE, Act.STALL_ANSWER):
                if act is Act.STALL_ANSWER:
                    await self._pass_on(self._to_client, half)
                while await _next_frame(from_broker) is not None:
                    pass
                return
            self._note("answer", api, correlation_id)
            await self._pass_on(self._to_client, frame + held_back + (frame if act is Act.REPEAT_ANSWER else b""))
            held_back = b""

    async def _pass_on(self, writer: asyncio.StreamWriter, frame: bytes) -> None:
        if not self._proxy.one_byte_at_a_time:
            writer.write(frame)
            await writer.drain()
            return
        for place in range(len(frame)):
            writer.write(frame[place : place + 1])
            await writer.drain()
            # Time for the other side to read it on its own.
            await asyncio.sleep(0)

    def _note(self, kind: Literal["request", "answer"], api: int, correlation_id: int) -> None:
        now = asyncio.get_running_loop().time()
        self._proxy.events.append(Event(kind, api, self._number, correlation_id, now))


def most_in_flight(events: Iterable[Event], api: int) -> int:
    """How many requests of an API were unanswered at once, on any one connection, if no answer was swapped."""
    most = 0
    in_flight: dict[int, int] = {}
    for event in events:
        if event.api == api:
            in_flight[event.connection] = in_flight.get(event.connection, 0) + (1 if event.kind == "request" else -1)
            most = max(most, in_flight[event.connection])
    return most


async def _next_frame(reader: asyncio.StreamReader, shortest: int = _CORRELATION.size) -> bytes | None:
    """A frame with its length, or None at the end, whichever way it came, and for what can be no frame."""
    try:
        head = await reader.readexactly(_LENGTH.size)
        (length,) = _LENGTH.unpack(head)
        if not shortest <= length <= _LONGEST_FRAME:
            return None
        return head + await reader.readexactly(length)
    except (asyncio.IncompleteReadError, OSError):
        return None


def _spoilt(frame: bytes) -> bytes:
    changed = bytearray(frame)
    changed[_PLACE_OF_RECORDS] ^= 1
    return bytes(changed)


def _reset_on_close(writer: asyncio.StreamWriter) -> None:
    handle = writer.get_extra_info("socket")
    if handle is not None and handle.fileno() >= 0:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_OFF)
    writer.transport.abort()


async def _end(writers: Iterable[asyncio.StreamWriter]) -> None:
    for writer in writers:
        writer.close()
        try:
            await asyncio.wait_for(writer.wait_closed(), _CLOSING_TIME)
        except (OSError, TimeoutError):
            writer.transport.abort()
