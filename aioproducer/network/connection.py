"""One connection to one broker: requests go out at once, one behind the other; answers are matched to them in order.

1. Every request gets exactly one answer or one error, in the order of the requests.
2. An answer is handled where its bytes arrive: all answers of a chunk in one go, without a turn of the loop between.
   But whoever awaits `call` decodes it himself, a large one in slices, so that nobody else waits for that.
3. Whatever ends the connection (the peer, a wrong answer, a request's time-out, `close`) ends it for all requests.
4. One timer, for the earliest deadline; one task, which reads.

It does not decide what to send, when to connect again, nor what an error in an answer means.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from operator import attrgetter
from typing import Any, TypeAlias, TypeVar

from aioproducer.configuration.addresses import Address
from aioproducer.errors import (
    ConnectionFailedError,
    ConnectTimeoutError,
    KafkaError,
    Persisted,
    ProtocolError,
    RequestTimeoutError,
)
from aioproducer.network.faults import explain, silence
from aioproducer.network.framing import FrameReader
from aioproducer.network.handshake import negotiate
from aioproducer.network.pending import OpenBody, Pending, decoded, decoding, undecoded
from aioproducer.network.stream import Dialer, Spawn, Stream
from aioproducer.network.throttle import throttle_seconds
from aioproducer.protocol.decoding import Takers
from aioproducer.protocol.headers import decode_response_header, encode_request
from aioproducer.protocol.schema import Request, Response, api_name
from aioproducer.protocol.versions import BrokerVersions
from aioproducer.slices import in_slices
from aioproducer.turns import Turn

_T = TypeVar("_T")

OnAnswer: TypeAlias = Callable[[Response | KafkaError], None]

# Java's client keeps the ids above for its authentication requests, and some brokers' logs and proxies tell them apart.
_LAST_CORRELATION_ID = 2147483639


async def open_connection(
    dial: Dialer,
    host: str,
    port: int,
    *,
    client_id: str,
    spawn: Spawn,
    clock: Callable[[], float],
    setup_timeout: float,
    name: str | None = None,
) -> Connection:
    """Dials, shakes hands and starts to read, all within `setup_timeout` seconds.

    name: what errors call the broker, `host:port` by default. clock: the loop's time, in seconds.
    Raises ConnectTimeoutError, ConnectionFailedError, ProtocolError, UnsupportedVersionError, BrokerError.
    """
    name = name or str(Address(host, port))
    stream: Stream | None = None
    limit = asyncio.timeout(setup_timeout)
    try:
        async with limit:
            stream = await dial(host, port)
            frames = FrameReader()
            answer, version = await negotiate(stream, frames, client_id=client_id)
            connection = Connection(stream, frames, BrokerVersions(answer), client_id=client_id, clock=clock, name=name)
            connection.throttle(throttle_seconds(answer, version))
            connection.start(spawn)
            return connection
    except BaseException as error:
        if stream is not None:
            stream.close()
            await stream.wait_closed()
        if isinstance(error, KafkaError):
            _put_name(error, name)
            raise
        if isinstance(error, TimeoutError) and limit.expired():
            raise ConnectTimeoutError(f"{name}: {silence(setup_timeout, connected=stream is not None)}") from error
        if isinstance(error, OSError):
            raise ConnectionFailedError(f"{name}: {explain(error)}") from error
        raise


class Connection:
    """A connection that is up. `open_connection` makes it.

    versions: what the broker speaks. throttled_until: the loop time before which the broker wants to be left alone
    (KIP-219); those who send look at it, `send` does not. last_used: the loop time of the last request or answer.
    answered: how many requests were answered. turn: where what comes of the answers in a chunk goes on at its end.
    """

    __slots__ = (
        "_bug",
        "_client_id",
        "_clock",
        "_error",
        "_frames",
        "_next_id",
        "_on_close",
        "_pending",
        "_reader",
        "_stream",
        "_timer",
        "_timer_at",
        "answered",
        "last_used",
        "name",
        "throttled_until",
        "turn",
        "versions",
    )

    def __init__(
        self,
        stream: Stream,
        frames: FrameReader,
        versions: BrokerVersions,
        *,
        client_id: str,
        clock: Callable[[], float],
        name: str,
    ) -> None:
        self.name = name
        self.versions = versions
        self.throttled_until = 0.0
        self.last_used = clock()
        self.answered = 0
        self._stream = stream
        self._frames = frames
        self._client_id = client_id
        self._clock = clock
        self._next_id = 2  # 0 and 1 belong to the handshake
        self._pending: deque[Pending[Any]] = deque()
        self._error: KafkaError | None = None
        self._bug: BaseException | None = None
        self._on_close: list[Callable[[KafkaError], None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._reader: asyncio.Task[None] | None = None
        self.turn: Turn | None = None

    def __repr__(self) -> str:
        state = "ready" if self._error is None else f"closed ({self._error})"
        return f"<Connection to {self.name}, {state}, {len(self._pending)} in flight>"

    @property
    def in_flight(self) -> int:
        """Requests whose answer has not come yet."""
        return len(self._pending)

    @property
    def closed(self) -> bool:
        return self._error is not None

    @property
    def error(self) -> KafkaError | None:
        """Why the connection ended, None while it has not."""
        return self._error

    def start(self, spawn: Spawn) -> None:
        """Starts to read. Once, by `open_connection`."""
        self._reader = spawn(self._watch())
        self._stream.on_data(self._received)

    def on_close(self, callback: Callable[[KafkaError], None]) -> None:
        """Calls `callback` with the reason when the connection ends, behind all `on_answer`; at once if it has."""
        if self._error is None:
            self._on_close.append(callback)
        else:
            callback(self._error)

    def send(self, request: Request, version: int, on_answer: OnAnswer, *, timeout: float) -> None:
        """Writes the request. `on_answer` is called once, in the order of the requests, never from within `send`:
        with the answer, or with what ended the connection.

        timeout: seconds from now within which the answer has to be there, else the connection is closed, and this and
        all other requests in flight get a RequestTimeoutError. Time for which the broker throttles does not count.
        Raises what `Message.encode` raises; then nothing was written and `on_answer` is not called.
        """
        if self._error is not None:
            asyncio.get_running_loop().call_soon(on_answer, self._error)
            return
        self._expect(request, version, decoded, on_answer, timeout)

    def send_unanswered(self, request: Request, version: int) -> None:
        """Writes a request that the broker does not answer: Produce with acks=0. Raises as `send`, and `error`."""
        if self._error is not None:
            raise self._error
        self._write(request, version)

    async def call(
        self, request: Request, *, timeout: float, at_most: int | None = None, takers: Takers | None = None
    ) -> Response:
        """The answer to `request`, in the highest version in common. Cancelling abandons the answer, nothing else.

        takers: who gets the structs in its arrays, as in `Message.decode_in_steps`.

        Raises UnsupportedVersionError, what `Message.encode` raises, and what ends the connection.
        """
        if self._error is not None:
            raise self._error
        version = self.versions.pick(type(request), at_most)
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def settle(outcome: bytes | KafkaError) -> None:
            if answer.done():
                return
            if isinstance(outcome, KafkaError):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)

        self._expect(request, version, undecoded, settle, timeout)
        body = await answer
        try:
            response = await in_slices(decoding(type(request), version, body, takers))
        except ProtocolError as error:
            _put_name(error, self.name)
            self.close(error)
            raise
        self.throttle(throttle_seconds(response, version))
        return response

    async def drain(self) -> None:
        """Returns when all that was written is in the kernel's hands. Raises what ends the connection before."""
        if self._error is None:
            try:
                await self._stream.drain()
            except OSError as error:
                self.close(self._lost(explain(error)))
        if self._error is not None:
            raise self._error

    def throttle(self, seconds: float) -> None:
        """Notes that the broker wants to be left alone for `seconds`; what is in flight gets that much more time."""
        if seconds <= 0:
            return
        now = self._clock()
        until = now + seconds
        more = until - max(now, self.throttled_until)
        if more > 0:
            self.throttled_until = until
            for pending in self._pending:
                pending.deadline += more

    def close(self, reason: KafkaError | None = None) -> None:
        """Ends the connection; all requests in flight get `reason`, in order. The second time it does nothing."""
        if self._error is not None:
            return
        self._error = reason or self._lost("closed by this client")
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._stream.close()
        # The queues are emptied one by one, because a callback may look at `in_flight`.
        while self._pending:
            self._tell(self._pending.popleft().on_answer, self._error)
        for callback in self._on_close:
            self._tell(callback, self._error)
        self._on_close.clear()

    async def wait_closed(self) -> None:
        """Returns when, after `close`, nothing is left of the connection: no task, no timer, no socket."""
        if self._reader is not None and self._reader is not asyncio.current_task():
            await asyncio.wait([self._reader])
        await self._stream.wait_closed()

    def _expect(
        self,
        request: Request,
        version: int,
        open_body: OpenBody[_T],
        on_answer: Callable[[_T | KafkaError], None],
        timeout: float,
    ) -> None:
        """Writes the request, and has `on_answer` called with what `open_body` makes of the answer."""
        correlation_id = self._write(request, version)
        deadline = self.last_used + timeout
        if self.throttled_until > self.last_used:
            deadline += self.throttled_until - self.last_used
        self._pending.append(Pending(type(request), version, correlation_id, open_body, on_answer, deadline))
        if self._timer is None or deadline < self._timer_at:
            self._arm(deadline)

    def _write(self, request: Request, version: int) -> int:
        correlation_id = self._next_id
        frame = encode_request(request, version=version, correlation_id=correlation_id, client_id=self._client_id)
        self._next_id = correlation_id + 1 if correlation_id < _LAST_CORRELATION_ID else 0
        self._stream.write(frame)
        self.last_used = self._clock()
        return correlation_id

    def _received(self, data: bytes) -> None:
        turn = self.turn
        if turn is None:
            self._read(data)
            return
        turn.begin()
        try:
            self._read(data)
        except BaseException:  # what ends the loop, and may be followed by another `run` that closes the producer
            turn.release()
            raise
        turn.end()

    def _read(self, data: bytes) -> None:
        try:
            for frame in self._frames.feed(data):
                if self._error is not None:
                    break
                self._answer(frame)
        except ProtocolError as error:
            _put_name(error, self.name)
            self.close(error)
        except Exception as bug:
            self._bug = self._bug or bug
        if self._bug is not None:
            self.close(self._lost("an error in this client, which is a bug"))

    async def _watch(self) -> None:
        """The connection's task: sees to its end, and dies of what went wrong with an answer in this client."""
        try:
            await self._stream.read()
            self.close(self._lost("closed by the broker"))
        except OSError as error:
            self.close(self._lost(explain(error)))
        finally:
            # The end of all background tasks: whoever waits for an answer still hears about it.
            self.close(self._lost("nothing reads from it any more"))
        await self._stream.wait_closed()
        if self._bug is not None:
            raise self._bug

    def _answer(self, frame: memoryview) -> None:
        if not self._pending:
            raise ProtocolError("it sent an answer although nothing was asked")
        pending = self._pending[0]
        correlation_id, body = decode_response_header(frame, pending.request_type, pending.version)
        if correlation_id != pending.correlation_id:
            raise ProtocolError(
                f"it answered request {correlation_id} where the answer to {pending.correlation_id} "
                f"({api_name(pending.request_type)}) was due; the connection can not be trusted and is closed"
            )
        answer = pending.open_body(pending.request_type, pending.version, body)
        self._pending.popleft()
        self.answered += 1
        self.last_used = self._clock()
        if isinstance(answer, Response) and (seconds := throttle_seconds(answer, pending.version)):
            self.throttle(seconds)
        self._tell(pending.on_answer, answer)

    def _arm(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = asyncio.get_running_loop().call_later(max(0.0, deadline - self._clock()), self._expire)

    def _expire(self) -> None:
        """The timer is not moved with every answer; here it is seen whether a request has really run out of time."""
        self._timer = None
        if not self._pending:
            return
        late = min(self._pending, key=attrgetter("deadline"))
        if late.deadline > self._clock():
            self._arm(late.deadline)
            return
        self.close(
            RequestTimeoutError(
                f"{self.name} left a {api_name(late.request_type)} request unanswered for its time-out "
                "(request_timeout_ms), so the connection was closed"
            )
        )

    def _lost(self, why: str) -> ConnectionFailedError:
        persisted = Persisted.MAYBE if self._pending else Persisted.NO
        return ConnectionFailedError(f"connection to {self.name} lost: {why}", persisted=persisted)

    def _tell(self, callback: Callable[[_T], None], news: _T) -> None:
        """Calls back. A bug in there must not keep the news from the others; the reading task dies of it afterwards."""
        try:
            callback(news)
        except Exception as bug:
            self._bug = self._bug or bug


def _put_name(error: KafkaError, name: str) -> None:
    """Puts the broker's name in front of an error that was made where it is not known, and that nobody has seen yet."""
    error.args = (f"{name}: {error}",)
