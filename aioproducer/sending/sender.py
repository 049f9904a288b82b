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
from functools import partial
from typing import NamedTuple

from aioproducer.batching.accumulator import MOST_BATCHES, Accumulator
from aioproducer.batching.batch import Batch, State
from aioproducer.batching.node_queue import NodeQueue
from aioproducer.cluster.links import BrokerLink
from aioproducer.errors import ConnectionFailedError, KafkaError
from aioproducer.models import Acks
from aioproducer.network.connection import Connection
from aioproducer.protocol.messages.produce import NodeEndpoint, ProduceResponse
from aioproducer.protocol.schema import Response
from aioproducer.records.codecs import Codec
from aioproducer.sending.alarm import Alarm
from aioproducer.sending.produce import Answers, TopicIds, build_request, pick_version, read_response, topic_ids
from aioproducer.sending.settlement import Settlement
from aioproducer.sending.threads import Threads
from aioproducer.telemetry.counters import Counters
from aioproducer.telemetry.events import EventKind, OnEvent, ProducerEvent
from aioproducer.turns import Turn


class SenderOptions(NamedTuple):
    """Sizes in bytes, times in seconds. threads: where to compress what takes long; None: nothing is compressed."""

    acks: Acks
    codec: Codec
    max_in_flight: int
    max_request_size: int
    request_timeout: float
    threads: Threads | None


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
        turn: Turn,
        topic_id_of: Callable[[str], bytes],
        on_unreachable: Callable[[], None],
        on_response: Callable[[Answers, Sequence[NodeEndpoint]], None],
        emit: OnEvent,
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
        self._timeout_ms = int(options.request_timeout * 1000)
        self._topic_id_of = topic_id_of
        self._on_unreachable = on_unreachable
        self._on_response = on_response
        self._emit = emit
        self._clock = loop.time
        self._turn = turn
        self._alarm = Alarm(loop, turn.soon)
        node.wake = self._alarm.set

    def __repr__(self) -> str:
        return f"<Sender to broker {self.node_id}, {self.requests_in_flight} requests in flight>"

    async def run(self) -> None:
        """Send what is ready for this broker, until cancelled."""
        while True:
            await self._until_ready()
            try:
                connection = await self._link.connection()
            except KafkaError as error:
                self._settlement.unreachable(self.node_id, error)
                self._on_unreachable()
                # The link itself keeps the pause before its next attempt; but one that is closed for good refuses at
                # once, and the loop has to go on to cancel this task.
                await asyncio.sleep(0)
                continue
            self._settlement.reachable(self.node_id)
            await self._serve(connection)

    async def _until_ready(self) -> None:
        """Return when there is something to send: a connection that nobody needs is not made."""
        node = self._node
        while not any(queue.head for queue in node.ready):
            now, next_look = self._clock(), node.next_look
            if next_look is not None and next_look <= now:
                return
            if node.ready:
                # What was ready has been given up since, and is to be listed again when there is something new.
                self._accumulator.drain(node, now, 0)
            await self._alarm.wait(next_look)

    async def _serve(self, connection: Connection) -> None:
        """Send over this connection until it is closed."""
        connection.on_close(self._closed)
        connection.turn = self._turn
        # A slot belongs to a request from before it is put together until it is answered.
        slots = asyncio.Semaphore(self._options.max_in_flight)
        while True:
            await slots.acquire()
            batches = await self._next(connection)
            if not batches:
                return
            await self._transmit(connection, batches, slots)
            took_long = len(batches) == MOST_BATCHES or self._options.threads is not None
            del batches  # while the next ones are waited for, which can take hours
            if took_long:
                # Nothing else need suspend: the loop gets a turn before the next request takes it again. Several that
                # were compressed on the way took it for 4 ms.
                await asyncio.sleep(0)

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
        options = self._options
        if options.threads is not None:
            batches = await self._compressed(connection, batches, slots, options.threads)
            if not batches:
                return
        else:
            for batch in batches:
                if batch.records is None:
                    batch.load(batch.builder.build(), 0)
        ids = topic_ids(batches, self._topic_id_of)
        try:
            version = pick_version(connection.versions, ids, options.codec.name)
        except KafkaError as error:
            self._settlement.refused(batches, error, self._clock())
            slots.release()
            return
        request = build_request(batches, ids, acks=options.acks, timeout_ms=self._timeout_ms)
        answered = partial(self._answered, batches, ids, slots)
        for batch in batches:
            if batch.attempts:
                self._counters.records_retried += batch.count
                self._counters.batches_retried += 1
            batch.attempts += 1
            batch.written = True
        self._counters.requests_sent += 1
        self.requests_in_flight += 1
        if options.acks is Acks.NONE:
            connection.send_unanswered(request, version)
            await self._drain_unanswered(connection, answered)
            return
        connection.send(request, version, answered, timeout=options.request_timeout)
        try:
            await connection.drain()
        except KafkaError:
            pass  # the connection has told each of its requests itself

    async def _drain_unanswered(
        self, connection: Connection, answered: Callable[[Response | KafkaError | None], None]
    ) -> None:
        """With acks=0 a request is over when the kernel has it."""
        fate: KafkaError | None = ConnectionFailedError("the producer was closed while the request was written")
        try:
            await connection.drain()
            fate = None
        except KafkaError as error:
            fate = error
        finally:
            answered(fate)
        # Without answers to wait for, a full buffer would go out in one turn of the loop.
        await asyncio.sleep(0)

    async def _compressed(
        self, connection: Connection, batches: Sequence[Batch], slots: asyncio.Semaphore, threads: Threads
    ) -> Sequence[Batch]:
        """Those of the batches that are to be written, with their records as they go over the wire; if there are none,
        the slot is free again.
        """
        fresh = [batch for batch in batches if batch.records is None]
        if not fresh:
            return batches
        try:
            await self._compress(fresh, threads)
        except BaseException:  # also where this task is cancelled: what it has taken is held by nobody else
            slots.release()
            self._settlement.not_written(batches, self._clock())
            raise
        if connection.error is not None:
            slots.release()
            self._settlement.lost(batches, connection.error, self.node_id, self._clock())
            return ()
        # Some can have been given up meanwhile.
        late = [batch for batch in batches if batch.state is not State.IN_FLIGHT]
        if late:
            self._settlement.not_written(late, self._clock())
            batches = [batch for batch in batches if batch.state is State.IN_FLIGHT]
            if not batches:
                slots.release()
        return batches

    async def _compress(self, batches: Sequence[Batch], threads: Threads) -> None:
        """Bring the records of batches that are sent for the first time into the form they have on the wire."""
        codec = self._options.codec
        sections = [batch.builder.build() for batch in batches]
        # It is the sum that would keep the loop, and one visit to the thread is enough for all.
        if sum(map(len, sections)) > codec.inline_limit:
            compressed = await threads.run(_compress, codec, sections)
        else:
            compressed = _compress(codec, sections)
        for batch, section, smaller in zip(batches, sections, compressed, strict=True):
            self._accumulator.sizes.observe(batch.queue.topic, len(smaller) / len(section))
            if len(smaller) < len(section):
                batch.load(smaller, codec.id, codec.decompress)
            else:
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
            if answer.throttle_time_ms > 0:
                self._emit(
                    ProducerEvent(kind=EventKind.THROTTLE, broker=self.node_id, delay=answer.throttle_time_ms / 1000)
                )
            answers = read_response(answer, ids)
            self._settlement.answered(batches, answers, self.node_id, now)
            self._on_response(answers, answer.node_endpoints)
        else:
            assert isinstance(answer, KafkaError)
            self._settlement.lost(batches, answer, self.node_id, now)


def _compress(codec: Codec, sections: Sequence[bytes]) -> list[bytes]:
    return [codec.compress(section) for section in sections]
