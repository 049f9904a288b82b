"""One embedded broker: it takes connections, reads requests, asks the handlers, and sends the answers. The shell.

Rules:
1. One task per connection. A connection's requests are handled strictly one after another, as Kafka does: the next is
   read when the last is answered. Connections do not wait for each other.
2. What a real broker answers by closing the connection ends it here too, and is noted in `complaints`.
3. The faults of a request are taken once, when it has been read; those of a connection when it comes in.
4. `stop()` leaves no task and no socket behind, whatever the peers do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from aioproducer.errors import ProtocolError
from aioproducer.protocol.messages.api_versions import ApiVersionsRequest
from aioproducer.protocol.requests import REQUESTS
from aioproducer.protocol.schema import Response, api_name
from aioproducer.protocol.serving import decode_request_header, encode_response
from aioproducer.protocol.structs import replaced
from aioproducer.testing.faults import CONNECT, Fault, Faults, Kind, Plan, Subject
from aioproducer.testing.frames import FrameError, Framer, start_of
from aioproducer.testing.handlers import HANDLERS
from aioproducer.testing.handlers.api_versions import unsupported
from aioproducer.testing.handlers.base import Call, Instruction, Wait
from aioproducer.testing.releases import API_VERSIONS, Release
from aioproducer.testing.state import BrokerState, ClusterState
from aioproducer.testing.transport import Listen, Listener, Stream

GARBAGE_SIZE = 64


class RequestEntry(NamedTuple):
    """One request that a broker has read. `at` is the cluster's clock, in seconds; `connection` counts from 1."""

    api: str
    version: int
    broker: int
    connection: int
    client_id: str | None
    correlation_id: int
    partitions: tuple[Subject, ...]
    size: int
    at: float


class Changes:
    """Wakes whoever waits for the state to change."""

    def __init__(self) -> None:
        # In the order of their coming: a set would wake them in that of their addresses, another one in each run.
        self._waiting: dict[asyncio.Future[None], None] = {}

    def notify(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, seconds: float) -> None:
        """Returns at the next change, or when the time is over."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiting[waiter] = None
        timer = loop.call_later(max(seconds, 0.0), _wake, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            del self._waiting[waiter]


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


@dataclass(slots=True, kw_only=True)
class Surroundings:
    """What all brokers of a cluster share."""

    state: ClusterState
    release: Release
    faults: Faults
    changes: Changes
    listen: Listen
    log_request: Callable[[RequestEntry], None]
    complain: Callable[[str], None]
    crashed: Callable[[BaseException], None]
    next_connection: Callable[[], int]


class Broker:
    """A broker that can be started and stopped any number of times."""

    def __init__(self, node: BrokerState, shared: Surroundings) -> None:
        self._node = node
        self._shared = shared
        self._listener: Listener | None = None
        self._accepting = False
        self._tasks: dict[asyncio.Task[None], Stream] = {}

    def __repr__(self) -> str:
        doing = "running" if self._listener else "stopped"
        return f"<Broker {self._node.node_id} {doing} port={self._node.port} connections={len(self._tasks)}>"

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._tasks)

    async def start(self, port: int) -> None:
        """Listens. Raises OSError if the port is taken."""
        # Connections may come in before the call returns.
        self._accepting = True
        try:
            self._listener = await self._shared.listen(self._node.host, port, self._accept)
        except BaseException:
            self._accepting = False
            raise
        self._node.port = self._listener.port

    async def stop(self) -> None:
        """Closes the port and cuts all connections, as if the process had died."""
        self._accepting = False
        if self._listener is not None:
            listener, self._listener = self._listener, None
            await listener.close()
        await self.cut_connections()

    async def cut_connections(self) -> None:
        """Ends all connections there are; returns when their tasks have ended."""
        tasks = list(self._tasks)
        for task, stream in list(self._tasks.items()):
            stream.abort()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self, stream: Stream) -> None:
        if not self._accepting:
            stream.abort()
            return
        task = asyncio.get_running_loop().create_task(
            self._serve(stream, self._shared.next_connection()), name=f"embedded broker {self._node.node_id}"
        )
        self._tasks[task] = stream
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if not task.cancelled() and task.exception() is not None:
            self._shared.crashed(task.exception() or RuntimeError("unreachable"))

    async def _serve(self, stream: Stream, connection: int) -> None:
        try:
            plan = self._shared.faults.plan(CONNECT, self._node.node_id, ())
            if (delay := plan.any(Kind.DELAY)) is not None:
                await asyncio.sleep(delay.seconds)
            if plan.any(Kind.SILENCE) is not None:
                await _listen_only(stream)
            elif (garbage := plan.any(Kind.GARBAGE)) is not None:
                stream.write([garbage.data or self._random_bytes()])
                await stream.drain()
            elif plan.any(Kind.DISCONNECT) is None:
                await _Conversation(self._node.node_id, self._shared, stream, connection).run()
        finally:
            stream.close()
            await stream.wait_closed()

    def _random_bytes(self) -> bytes:
        return self._shared.state.randomness.randbytes(GARBAGE_SIZE)


class _Conversation:
    """One connection: requests in, answers out, until one side ends it."""

    def __init__(self, broker: int, shared: Surroundings, stream: Stream, connection: int) -> None:
        self._broker = broker
        self._shared = shared
        self._stream = stream
        self._connection = connection
        self._framer = Framer()
        self._kept: list[bytes] = []

    async def run(self) -> None:
        going = True
        while going:
            frame = await self._next_frame()
            going = frame is not None and await self._answer(frame)

    async def _next_frame(self) -> bytes | None:
        try:
            while (frame := self._framer.next_frame()) is None:
                data = await self._stream.read()
                if not data:
                    return None
                self._framer.feed(data)
        except FrameError as error:
            self._complain(str(error))
            return None
        return frame

    def _complain(self, what: str) -> None:
        self._shared.complain(f"broker {self._broker} closed connection {self._connection}: {what}")

    async def _answer(self, frame: bytes) -> bool:
        """Handles one request. Returns whether the connection goes on."""
        shared = self._shared
        start = start_of(frame)
        if not shared.release.serves(start.api_key, start.api_version):
            return await self._answer_unserved(start.api_key, start.api_version, start.correlation_id)
        request_type = REQUESTS[start.api_key]
        try:
            header, body = decode_request_header(frame)
            request = request_type.decode(body, start.api_version)
        except ProtocolError as error:
            self._complain(str(error))
            return False
        handler = HANDLERS[start.api_key]
        subjects = handler.subjects(request, shared.state)
        shared.log_request(
            RequestEntry(
                api_name(request_type),
                start.api_version,
                self._broker,
                self._connection,
                header.client_id,
                start.correlation_id,
                tuple(subjects),
                len(frame),
                shared.state.clock(),
            )
        )
        plan = shared.faults.plan(start.api_key, self._broker, subjects)
        if not await self._suffer(plan, after=False):
            return False
        call = Call(shared.state, shared.release, self._broker, start.api_version, plan)
        outcome = handler.handle(request, call)
        if isinstance(outcome, Wait):
            outcome = await self._wait(outcome)
        if not await self._suffer(plan, after=True):
            return False
        if isinstance(outcome, Instruction):
            return outcome is Instruction.NO_ANSWER
        throttle = plan.any(Kind.THROTTLE)
        if throttle is not None:
            outcome = _throttled(outcome, throttle.milliseconds)
        chunks = encode_response(outcome, request_type, version=start.api_version, correlation_id=start.correlation_id)
        if not await self._send(chunks, plan, start.correlation_id):
            return False
        if throttle is not None:
            # KIP-219: the answer goes out at once, and the broker does not read on until the time is over.
            await asyncio.sleep(throttle.milliseconds / 1000)
        return True

    async def _answer_unserved(self, api_key: int, version: int, correlation_id: int) -> bool:
        if api_key != API_VERSIONS:
            known = REQUESTS.get(api_key)
            name = api_name(known) if known else f"API {api_key}"
            self._complain(f"{name} version {version} is not served by release {self._shared.release.name}")
            return False
        answer = unsupported(self._shared.release)
        self._stream.write(encode_response(answer, ApiVersionsRequest, version=0, correlation_id=correlation_id))
        await self._stream.drain()
        return True

    async def _suffer(self, plan: Plan, *, after: bool) -> bool:
        """Acts out delay, silence and disconnect. Returns whether the connection goes on."""
        if not plan.others:
            return True
        fault = plan.after if after else plan.before
        if (delay := fault(Kind.DELAY)) is not None:
            await asyncio.sleep(delay.seconds)
        if fault(Kind.SILENCE) is not None:
            await _listen_only(self._stream)
            return False
        return fault(Kind.DISCONNECT) is None

    async def _wait(self, wait: Wait) -> Response:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait.seconds
        while True:
            left = deadline - loop.time()
            answer = wait.attempt(left <= 0)
            if answer is not None:
                return answer
            await self._shared.changes.wait(left)

    async def _send(self, chunks: Sequence[bytes | memoryview], plan: Plan, correlation_id: int) -> bool:
        garbage = plan.any(Kind.GARBAGE)
        if garbage is not None:
            chunks = [garbage.data if garbage.data is not None else self._garbage(correlation_id)]
        cut = plan.any(Kind.CUT_FRAME)
        if cut is not None:
            return await self._send_part(b"".join(chunks), cut)
        if plan.any(Kind.LATE) is not None:
            self._kept.append(b"".join(chunks))
            return True
        if plan.any(Kind.TWICE) is not None:
            chunks = [*chunks, *chunks]
        # What was kept back is out of order now.
        self._stream.write([*chunks, *self._kept])
        self._kept.clear()
        await self._stream.drain()
        return True

    async def _send_part(self, frame: bytes, cut: Fault) -> bool:
        self._stream.write([frame[: len(frame) // 2 if cut.at is None else cut.at]])
        await self._stream.drain()
        if cut.stall:
            await _listen_only(self._stream)
        return False

    def _garbage(self, correlation_id: int) -> bytes:
        """A frame that has a right length and a right correlation id, and then no sense."""
        body = correlation_id.to_bytes(4, "big", signed=True) + self._shared.state.randomness.randbytes(GARBAGE_SIZE)
        return len(body).to_bytes(4, "big") + body


async def _listen_only(stream: Stream) -> None:
    """Takes what the peer sends, and never answers, until the peer goes."""
    while await stream.read():
        pass


def _throttled(response: Response, milliseconds: int) -> Response:
    return replaced(response, throttle_time_ms=milliseconds)
