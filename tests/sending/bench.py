"""The parts of `sending` that decide, around a real accumulator: no loop, no socket, and a clock that a test sets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

from aioproducer.batching.accumulator import Accumulator
from aioproducer.batching.batch import Batch
from aioproducer.batching.node_queue import NodeQueue
from aioproducer.batching.partition_queue import PartitionQueue
from aioproducer.batching.sizes import BatchSizes
from aioproducer.errors import ConnectionFailedError, KafkaError
from aioproducer.outcome import Outcome, Owed
from aioproducer.protocol.messages.produce import BatchIndexAndErrorMessage, PartitionProduceResponse
from aioproducer.records.headers import NO_HEADERS
from aioproducer.sending.sequences import Sequencer
from aioproducer.sending.settlement import Settlement
from aioproducer.telemetry.counters import Counters
from aioproducer.telemetry.events import ProducerEvent
from aioproducer.turns import Turn

BACKOFF = 0.1
FOREVER = 2**31 - 1


class Bench:
    """One producer without I/O. `now` is in seconds; `stale`, `room`, `exhausted` count calls, `fatal` holds errors."""

    def __init__(
        self,
        *,
        idempotent: bool = True,
        max_in_flight: int = 5,
        retries: int = FOREVER,
        delivery_timeout: float = 120.0,
        loop: asyncio.AbstractEventLoop | None = None,
        compressing: bool = False,
    ) -> None:
        self.now = 1000.0
        self.stale = self.room = self.exhausted = 0
        self.fatal: list[KafkaError] = []
        self.events: list[ProducerEvent] = []
        self.bumped: list[PartitionQueue] = []
        self.moved: list[PartitionQueue] = []
        self.loop = loop or cast(asyncio.AbstractEventLoop, None)  # nobody waits, so nobody is called
        self.turn = Turn(self.loop, lambda: not self.accumulator.unsettled)
        self.counters = Counters()
        self.sequencer = Sequencer(
            idempotent=idempotent,
            max_in_flight=max_in_flight,
            on_exhausted=self._on_exhausted,
            on_bump=self.bumped.append,
        )
        if idempotent:
            self.sequencer.identity = (7, 0)
        self.nodes: list[NodeQueue] = []
        self.owed: Owed = {}
        self.accumulator = Accumulator(
            buffer_memory=10_000_000,
            sizes=BatchSizes(
                batch_size=1_000_000, batch_max_size=1_000_000, max_request_size=1_000_000, compressing=compressing
            ),
            linger=0.0,
            strict_linger=False,
            delivery_timeout=delivery_timeout,
            gate=self.sequencer,
            new_outcome=lambda queue, base, deltas: Outcome(
                self.loop, queue.topic, queue.partition, base, deltas, self.owed, self.turn.soon
            ),
            on_node=self.nodes.append,
            on_moved=self.moved.append,
        )
        self._retries = retries
        self._delivery_timeout = delivery_timeout
        self.settlement = self.settlement_with(on_room=self._on_room)

    def settlement_with(self, *, on_room: Callable[[float], None]) -> Settlement:
        return Settlement(
            self.accumulator,
            self.sequencer,
            self.counters,
            retries=self._retries,
            delivery_timeout=self._delivery_timeout,
            backoff=lambda attempts: BACKOFF * attempts,
            on_stale_metadata=self._on_stale,
            on_room=on_room,
            on_fatal=self.fatal.append,
            emit=self.events.append,
        )

    def _on_exhausted(self) -> None:
        self.exhausted += 1

    def _on_stale(self) -> None:
        self.stale += 1

    def _on_room(self, _now: float) -> None:
        self.room += 1

    def queue(self, partition: int = 0, leader: int = 1, topic: str = "t") -> PartitionQueue:
        return self.accumulator.new_queue(topic, partition, leader)

    def batch(self, queue: PartitionQueue, count: int = 1, value: bytes = b"v") -> Batch:
        """A new sealed batch of `count` records at the end of the queue."""
        self.accumulator.open_batch(queue, None, value, NO_HEADERS, 1, self.now)
        batch = queue.open
        assert batch is not None
        for _ in range(count - 1):
            assert self.accumulator.append(queue, None, value, NO_HEADERS, 1)
        self.accumulator.seal(queue)
        return batch

    def node(self, node_id: int = 1) -> NodeQueue:
        return next(node for node in self.nodes if node.node_id == node_id)

    def drain(self, node_id: int = 1, limit: int = 1_000_000) -> list[Batch]:
        return self.accumulator.drain(self.node(node_id), self.now, limit)

    def write(self, node_id: int = 1) -> list[Batch]:
        """Take what is ready for a broker, and write it."""
        batches = self.drain(node_id)
        for batch in batches:
            if batch.records is None:
                batch.load(batch.builder.build(), 0)
            batch.attempts += 1
            batch.written = True
        return batches

    def write_one(self, node_id: int = 1) -> Batch:
        [batch] = self.write(node_id)
        return batch

    def answer(
        self,
        batch: Batch,
        code: int = 0,
        *,
        offset: int = 0,
        node_id: int = 1,
        message: str | None = None,
        records: Sequence[tuple[int, str | None]] = (),
    ) -> None:
        response = PartitionProduceResponse(
            index=batch.queue.partition,
            error_code=code,
            base_offset=-1 if code else offset,
            error_message=message,
            record_errors=tuple(
                BatchIndexAndErrorMessage(batch_index=index, batch_index_error_message=text) for index, text in records
            ),
        )
        self.settlement.answered([batch], {(batch.queue.topic, batch.queue.partition): response}, node_id, self.now)

    def lose(self, *batches: Batch, node_id: int = 1, error: KafkaError | None = None) -> None:
        """The connection with these batches has ended."""
        self.settlement.lost(batches, error or ConnectionFailedError("cut"), node_id, self.now)

    def expire(self, seconds: float) -> None:
        """Let time pass, and what is too old by then fail."""
        self.now += seconds
        self.settlement.expire(self.now)


def error_of(batch: Batch, index: int = 0) -> KafkaError:
    """The error that a caller gets; asking also keeps it out of the log."""
    for other in range(batch.count):
        batch.outcome.error_of(other)
    error = batch.outcome.error_of(index)
    assert error is not None
    return error
