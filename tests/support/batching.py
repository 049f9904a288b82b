"""The core of a producer without a loop and without time: intake, accumulator, and a loop that only collects.

Whoever uses it says what time it is, takes batches out, and settles them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import TYPE_CHECKING, Any, TypeVarTuple, Unpack

from aioproducer.batching.accumulator import Accumulator, Gate
from aioproducer.batching.batch import Batch
from aioproducer.batching.intake import Intake
from aioproducer.batching.node_queue import NodeQueue
from aioproducer.batching.partition_queue import PartitionQueue
from aioproducer.batching.sizes import BatchSizes
from aioproducer.batching.topic import Layout, Placement
from aioproducer.delivery import Delivery, Parked
from aioproducer.models import Headers
from aioproducer.outcome import OnDelivery, Outcome, Owed
from aioproducer.partitioning.base import Partitioner
from aioproducer.records.headers import NO_HEADERS, encode_headers

Ts = TypeVarTuple("Ts")

TIMESTAMP = 1_700_000_000_000


if TYPE_CHECKING:
    LoopBase = asyncio.SelectorEventLoop
else:
    # Nothing of a loop is opened; what is not implemented here is not to be used.
    LoopBase = asyncio.AbstractEventLoop


class CollectingLoop(LoopBase):
    """Remembers what it is to call, until `turn`."""

    def __init__(self) -> None:
        self.calls: list[tuple[Callable[..., object], tuple[Any, ...], Context | None]] = []

    def get_debug(self) -> bool:
        return False

    def call_soon(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        self.calls.append((callback, args, context))
        return asyncio.Handle(callback, args, self, context)

    def turn(self) -> None:
        """Make the calls collected so far."""
        calls, self.calls = self.calls, []
        for callback, args, context in calls:
            if context is None:
                callback(*args)
            else:
                context.run(callback, *args)


class OpenGate:
    """Lets everything through; remembers the order in which batches were taken."""

    def __init__(self) -> None:
        self.open = True
        self.stamped: list[Batch] = []

    def may_send(self, queue: PartitionQueue) -> bool:
        return self.open

    def stamp(self, batch: Batch) -> None:
        self.stamped.append(batch)


class Core:
    """`nodes` are the brokers that were heard of, `asked` the topics that metadata was asked for."""

    def __init__(
        self,
        *,
        gate: Gate | None = None,
        buffer_memory: int = 1 << 20,
        batch_size: int = 1000,
        batch_max_size: int = 0,
        max_request_size: int = 1 << 20,
        linger: float = 1.0,
        strict_linger: bool = False,
        delivery_timeout: float = 120.0,
        compressing: bool = False,
        max_block: float = 60.0,
        partitioner: Partitioner | None = None,
        ignore_keys: bool = False,
        adaptive: bool = False,
        patience: float = 0.0,
        random: Callable[[], int] = lambda: 0,
    ) -> None:
        self.loop = CollectingLoop()
        self.now = 0.0
        self.nodes: dict[int, NodeQueue] = {}
        self.moved: list[PartitionQueue] = []
        self.new_partitions: list[str] = []
        self.grown: list[tuple[str, int, int]] = []
        self.asked: list[str] = []
        self.parkings = 0
        self.all_accepted = 0
        self.owed: Owed = {}
        self.gate = gate or OpenGate()
        self.accumulator = Accumulator(
            buffer_memory=buffer_memory,
            sizes=BatchSizes(
                batch_size=batch_size,
                batch_max_size=max(batch_size, batch_max_size),
                max_request_size=max_request_size,
                compressing=compressing,
            ),
            linger=linger,
            strict_linger=strict_linger,
            delivery_timeout=delivery_timeout,
            gate=self.gate,
            new_outcome=self._new_outcome,
            on_node=self._on_node,
            on_moved=self.moved.append,
        )
        self.placement = Placement(
            partitioner=partitioner,
            ignore_keys=ignore_keys,
            adaptive=adaptive,
            patience=patience,
            batch_size=batch_size,
            random=random,
        )
        self.intake = Intake(
            self.accumulator,
            self.placement,
            max_block=max_block,
            delivery_timeout=delivery_timeout,
            park=self._park,
            refuse=self._refuse,
            on_new_partition=self.new_partitions.append,
            on_grown=lambda name, before, now: self.grown.append((name, before, now)),
            on_unknown_topic=self.asked.append,
            on_parked=self._on_parked,
            on_all_accepted=self._on_all_accepted,
        )

    def know(self, topic: str, *leaders: int) -> None:
        """The metadata tells of a topic, which is in use from now on."""
        self.intake.topic(topic)
        self.intake.topic_known(topic, Layout(leaders), self.now)

    def send(
        self,
        topic: str = "orders",
        value: bytes | None = b"",
        *,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int | None = None,
        timestamp_ms: int = TIMESTAMP,
        on_delivery: OnDelivery | None = None,
    ) -> Delivery:
        """What `Producer.send` does once the arguments are checked."""
        intake = self.intake
        known = intake.topic(topic)
        tail = encode_headers(headers) if headers else NO_HEADERS
        outcome = intake.append(known, key, value, tail, partition, timestamp_ms)
        if outcome is None:
            return intake.accept(known, key, value, tail, partition, timestamp_ms, on_delivery, self.now)
        index = len(outcome.deltas) - 1
        if on_delivery is not None:
            outcome.report(index, on_delivery)
        return Delivery(outcome, index)

    def queue(self, topic: str = "orders", partition: int = 0) -> PartitionQueue:
        return self.intake.topics[topic].queue(partition)

    def drain(self, node_id: int = 0, limit: int = 1 << 20) -> list[Batch]:
        """What the sender to a broker takes for a request."""
        node = self.nodes.get(node_id)
        return [] if node is None else self.accumulator.drain(node, self.now, limit)

    def acknowledge(self, *batches: Batch, base_offset: int = 0) -> None:
        """What becomes of batches when their answer comes."""
        for batch in batches:
            self.accumulator.answered(batch)
            self.accumulator.settle(batch)
            batch.outcome.succeed(base_offset)
        self.intake.advance(self.now)

    def _new_outcome(self, queue: PartitionQueue, base_timestamp: int, deltas: Sequence[int]) -> Outcome:
        return Outcome(self.loop, queue.topic, queue.partition, base_timestamp, deltas, self.owed)

    def _refuse(self, topic: str, timestamps: Sequence[int]) -> Outcome:
        return Outcome(self.loop, topic, -1, 0, timestamps, {})

    def _park(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        tail: bytes,
        partition: int | None,
        timestamp_ms: int,
        on_delivery: OnDelivery | None,
    ) -> Parked:
        return Parked(self.loop, topic, key, value, tail, partition, timestamp_ms, on_delivery)

    def _on_node(self, node: NodeQueue) -> None:
        self.nodes[node.node_id] = node

    def _on_parked(self) -> None:
        self.parkings += 1

    def _on_all_accepted(self) -> None:
        self.all_accepted += 1
