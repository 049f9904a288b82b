"""The task per broker connection: takes batches that are ready, compresses them, writes requests, and hands answers
on.

It is a thin shell. What is ready is the accumulator's, what an answer means is `settlement`'s, how a connection is
made is `cluster`'s. At most `max_in_flight_requests_per_connection` requests are unanswered, by a semaphore per
connection; answers are handled in request order because the connection gives them in that order. Nothing sleeps here
but on the alarm: backoffs, lingers and throttling are deadlines.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import anyio.to_thread

from aioproducer.batching.accumulator import Accumulator
from aioproducer.batching.batch import Batch, State
from aioproducer.batching.node_queue import NodeQueue
from aioproducer.cluster.links import BrokerLink
from aioproducer.errors import KafkaError, ProtocolError
from aioproducer.models import Acks
from aioproducer.network.connection import Connection
from aioproducer.protocol.messages.produce import NodeEndpoint, ProduceResponse
from aioproducer.protocol.schema import Response
from aioproducer.records.codecs import Codec
from aioproducer.sending.alarm import Alarm
from aioproducer.sending.produce import Answers, TopicIds, build_request, pick_version, read_response, topic_ids
from aioproducer.sending.settlement import Settlement
from aioproducer.telemetry.counters import Counters


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderOptions:
    """Sizes in bytes, times in seconds."""

    acks: Acks
    codec: Codec
    max_in_flight: int
    max_request_size: int
    request_timeout: float


class Sender:
    def __init__(
        self,
        node: NodeQueue,
        link: BrokerLink,
        accumulator: Accumulator,
        settlement: Settlement,
        counters: Counters,
        options: SenderOptions,
        *,
        loop: asyncio.AbstractEventLoop,
        topic_id_of: Callable[[str], UUID],
        on_unreachable: Callable[[], None],
        on_response: Callable[[Answers, Sequence[NodeEndpoint]], None],
    ) -> None:
        """`on_unreachable` has the metadata asked for: perhaps the partitions are led by another broker by now.
        `on_response` looks for new leaders in an answer (KIP-951)."""
        self.node_id = node.node_id
        self.requests_in_flight = 0
        self._node = node
        self._link = link
        self._accumulator = accumulator
        self._settlement = settlement
        self._counters = counters
        self._options = options
        self._topic_id_of = topic_id_of
        self._on_unreachable = on_unreachable
        self._on_response = on_response
        self._clock = loop.time
        self._alarm = Alarm(loop)
        node.wake = self._alarm.set

    def __repr__(self) -> str:
        return f"<Sender to broker {self.node_id}, {self.requests_in_flight} requests in flight>"

    async def run(self) -> None:
        """Send what is ready for this broker, until cancelled."""
        while True:
            await self._until_ready()
            try:
                connection = await self._link.connection()
            except KafkaError:
                # The link itself keeps the pause before its next attempt.
                self._on_unreachable()
                continue
            await self._serve(connection)

    async def _until_ready(self) -> None:
        """Return when there is something to send: a connection that nobody needs is not made."""
        node = self._node
        while not node.ready:
            next_look = node.next_look
            if next_look is not None and next_look <= self._clock():
                return
            await self._alarm.wait(next_look)

    async def _serve(self, connection: Connection) -> None:
        """Send over this connection until it is closed."""
        connection.on_close(self._closed)
        # A slot belongs to a request from before it is put together until it is answered.
        slots = asyncio.Semaphore(self._options.max_in_flight)
        while True:
            await slots.acquire()
            batches = await self._next(connection)
            if not batches:
                return
            await self._transmit(connection, batches, slots)

    def _closed(self, _reason: KafkaError) -> None:
        self._alarm.set()

    async def _next(self, connection: Connection) -> list[Batch]:
        """The batches of the next request, as soon as there are any; none when the connection is closed."""
        while not connection.closed:
            now = self._clock()
            if connection.throttled_until > now:
                until: float | None = connection.throttled_until
            else:
                batches = self._accumulator.drain(self._node, now, self._options.max_request_size)
                if batches:
                    return batches
                until = self._node.next_look
            await self._alarm.wait(until)
        return []

    async def _transmit(self, connection: Connection, batches: Sequence[Batch], slots: asyncio.Semaphore) -> None:
        for batch in batches:
            if batch.records is None:
                await self._encode(batch)
        if connection.closed:
            self._lost(batches, connection)
            return
        options = self._options
        # A batch can have expired while it was compressed.
        late = [batch for batch in batches if batch.state is not State.IN_FLIGHT]
        if late:
            self._settlement.lost(late, ProtocolError("expired before it was written"), self.node_id, self._clock())
            batches = [batch for batch in batches if batch.state is State.IN_FLIGHT]
        ids = topic_ids(batches, self._topic_id_of)
        try:
            version = pick_version(connection.versions, ids, options.codec.name)
        except KafkaError as error:
            self._settlement.refused(batches, error, self._clock())
            slots.release()
            return
        request = build_request(batches, ids, acks=options.acks, timeout_ms=int(options.request_timeout * 1000))
        answered = partial(self._answered, batches, ids, slots)
        for batch in batches:
            batch.attempts += 1
            batch.written = True
        self._counters.requests_sent += 1
        self.requests_in_flight += 1
        if options.acks is Acks.NONE:
            connection.send_unanswered(request, version)
        else:
            connection.send(request, version, answered, timeout=options.request_timeout)
        try:
            await connection.drain()
        except KafkaError as error:
            # With an answer to come the connection has told each of its requests itself.
            if options.acks is Acks.NONE:
                answered(error)
        else:
            if options.acks is Acks.NONE:
                answered(None)

    async def _encode(self, batch: Batch) -> None:
        codec = self._options.codec
        section = batch.builder.build()
        if codec.id:
            if len(section) > codec.inline_limit:
                compressed = await anyio.to_thread.run_sync(codec.compress, section)
            else:
                compressed = codec.compress(section)
            self._accumulator.ratios.observe(batch.queue.topic, len(compressed) / len(section))
            if len(compressed) < len(section):
                batch.load(compressed, codec.id)
                return
        batch.load(section, 0)

    def _answered(
        self, batches: Sequence[Batch], ids: TopicIds, slots: asyncio.Semaphore, answer: Response | KafkaError | None
    ) -> None:
        """The fate of a request: its response, what ended its connection, or None if it was written and needs no
        answer.
        """
        self.requests_in_flight -= 1
        slots.release()
        now = self._clock()
        if answer is None:
            self._settlement.written_unanswered(batches, now)
        elif isinstance(answer, ProduceResponse):
            answers = read_response(answer, ids)
            self._settlement.answered(batches, answers, self.node_id, now)
            self._on_response(answers, answer.node_endpoints)
        else:
            assert isinstance(answer, KafkaError)
            self._settlement.lost(batches, answer, self.node_id, now)

    def _lost(self, batches: Sequence[Batch], connection: Connection) -> None:
        assert connection.error is not None
        self._settlement.lost(batches, connection.error, self.node_id, self._clock())
