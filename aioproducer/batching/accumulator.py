"""The record accumulator: the memory of the producer, and its batches from the first record to the sender.

It decides whether there is room, when a batch is full, what is ready for a broker, and what is too old. Where a
record goes, and who waits when there is no room, is `intake`'s; what may be in flight together is the gate's.

1. `available` is `buffer_memory` less the bytes of all batches that are not over: reserved record by record, given
   back batch by batch.
2. Only the last batch of a partition takes records, also when it is full, as long as no sender has taken it. One that
   was taken comes back in front of everything younger.
3. A partition is ready when its oldest batch is sealed or urgent, as a full one is and one that has lingered; and its
   retry time has come; and the gate is open.
4. A change to a partition looks at that partition alone, and lists it with its leader's `NodeQueue` if it is ready;
   nobody goes through the others.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from math import inf
from typing import TYPE_CHECKING, Protocol

from aioproducer.batching.batch import Batch, State
from aioproducer.batching.node_queue import NodeQueue
from aioproducer.batching.partition_queue import NO_LEADER, PartitionQueue
from aioproducer.batching.sizes import BatchSizes
from aioproducer.records.batch import HEADER_SIZE
from aioproducer.records.builder import CHEAP_RECORDS, RecordsBuilder
from aioproducer.trim import trim

if TYPE_CHECKING:
    from aioproducer.outcome import Outcome
    from aioproducer.waiting import Place


MOST_BATCHES = 500
"""In a request. To put it together takes the loop a few milliseconds, and thousands of partitions may be ready."""


class Gate(Protocol):
    """What `sending` says about order: whether the oldest batch of a partition may go now, and under which sequence it
    goes.
    """

    def may_send(self, queue: PartitionQueue) -> bool: ...

    def stamp(self, batch: Batch) -> None: ...


class OutcomeFactory(Protocol):
    def __call__(self, queue: PartitionQueue, base_timestamp: int, deltas: Sequence[int]) -> Outcome: ...


class Accumulator:
    def __init__(
        self,
        *,
        buffer_memory: int,
        sizes: BatchSizes,
        linger: float,
        strict_linger: bool,
        delivery_timeout: float,
        gate: Gate,
        new_outcome: OutcomeFactory,
        on_node: Callable[[NodeQueue], None],
        on_moved: Callable[[PartitionQueue], None],
    ) -> None:
        """Times in seconds. `on_node` is told of each broker that leads a partition for the first time, `on_moved` of a
        partition with batches that got another leader.
        """
        self.buffer_memory = buffer_memory
        self.available = buffer_memory
        self.sizes = sizes
        self.unsettled: OrderedDict[Batch, None] = OrderedDict()
        self._linger = linger
        self._strict_linger = strict_linger
        self._delivery_timeout = delivery_timeout
        # So long a batch begins new fills: its delivery time counts from its first record, and is that of all.
        self._youth = delivery_timeout / 10
        self._gate = gate
        self._new_outcome = new_outcome
        self._on_node = on_node
        self._on_moved = on_moved
        self._nodes: dict[int, NodeQueue] = {}
        # By the outcome of the open batch. One function for all, since thousands may be open, and what each has of its
        # own goes through the garbage collector's hands.
        self._open: dict[Place, PartitionQueue] = {}
        self._on_wanted = self._wanted
        self._hurries = 0

    def __repr__(self) -> str:
        return f"<Accumulator: {self.buffered} of {self.buffer_memory} bytes in {len(self.unsettled)} batches>"

    @property
    def buffered(self) -> int:
        """Bytes of `buffer_memory` in use."""
        return self.buffer_memory - self.available

    # Records in

    def append(
        self, queue: PartitionQueue, key: bytes | None, value: bytes | None, tail: bytes, timestamp_ms: int
    ) -> int:
        """Add a record to the partition's open batch. Returns the bytes it took, or 0 if there is no such batch, or no
        room.
        """
        batch = queue.open
        if batch is None:
            return 0
        size = batch.builder.append(key, value, tail, timestamp_ms, self.available)
        self.available -= size
        return size

    def open_batch(
        self, queue: PartitionQueue, key: bytes | None, value: bytes | None, tail: bytes, timestamp_ms: int, now: float
    ) -> int:
        """Add a record as the first of a new batch, and seal the one before. Returns the bytes taken, header included;
        0: no room.
        """
        builder = RecordsBuilder()
        size = builder.append(key, value, tail, timestamp_ms, self.available - HEADER_SIZE)
        if not size:
            return 0
        # Only now: a first record may be larger than a batch is to be.
        builder.limit = self.sizes.step(queue.topic)
        self.available -= size + HEADER_SIZE
        self.seal(queue)
        outcome = self._new_outcome(queue, builder.base_timestamp, builder.deltas)
        batch = Batch(queue.sealed, queue, builder, outcome, created_at=now)
        if self._linger <= 0:
            batch.urgent = True
        elif not self._strict_linger:
            outcome.on_wanted = self._on_wanted
        queue.open = batch
        self._open[outcome] = queue
        queue.add(batch)
        self.unsettled[batch] = None
        self._arm(queue)
        self._look(queue)
        return size + HEADER_SIZE

    def grow(
        self, queue: PartitionQueue, key: bytes | None, value: bytes | None, tail: bytes, timestamp_ms: int, now: float
    ) -> int:
        """Add a record to the open batch although that is full, for it is still here (KIP-782), and have it take so
        many more as a new one would. Returns the bytes taken; 0 if there is no such batch, it is too old or too large
        for that, or there is no room.
        """
        batch, most = queue.open, self.sizes.most(queue.topic)
        if batch is None or batch.created_at + self._youth <= now:
            return 0
        builder, before = batch.builder, batch.builder.limit
        if before >= most or builder.count >= CHEAP_RECORDS:
            return 0
        # With the header that another batch would have had: to the sticky partitioner a fill is `batch_size`, too.
        fill = builder.size + HEADER_SIZE + self.sizes.step(queue.topic)
        builder.limit = most  # its first record may be larger, as that of a batch may
        size = builder.append(key, value, tail, timestamp_ms, self.available)
        builder.limit = min(fill, most) if size else before
        if not size:
            return 0
        self.available -= size
        queue.grew(batch)
        self.ripen(queue)
        return size

    def ripen(self, queue: PartitionQueue) -> None:
        """The open batch does not linger: it is ready, and takes more records until it goes."""
        if queue.open is not None:
            queue.open.urgent = True
            self._look(queue)

    def seal(self, queue: PartitionQueue) -> None:
        """Let the open batch take no more records; it is ready then."""
        if queue.open is not None:
            self._close(queue.open)
            self._look(queue)

    def _close(self, batch: Batch) -> None:
        batch.queue.open = None
        batch.queue.sealed += batch.count
        batch.outcome.on_wanted = None
        batch.move(State.QUEUED)
        del self._open[batch.outcome]
        trim(self._open)

    def _wanted(self, outcome: Place) -> None:
        """Somebody waits for a record of the open batch: it does not sit out its linger."""
        outcome.on_wanted = None
        self.ripen(self._open[outcome])

    def hurry(self) -> None:
        """Make everything ready, now and until `relax`: somebody flushes, or waits for room. Calls nest."""
        self._hurries += 1
        for queue in tuple(self._open.values()):
            self._look(queue)

    def relax(self) -> None:
        """Take one `hurry` back."""
        self._hurries -= 1

    def seal_all(self) -> None:
        """Seal every open batch, so that what is sent later is not waited for."""
        for queue in tuple(self._open.values()):
            self.seal(queue)

    # Batches out

    def drain(self, node: NodeQueue, now: float, limit: int) -> list[Batch]:
        """Take the next request's batches for a broker: of each ready partition its oldest, up to `limit` bytes and
        MOST_BATCHES together.

        A batch that alone is larger goes alone. One batch per partition, for brokers accept no more in a request.
        """
        for queue in node.due(now):
            self._timer_came(node, queue, now)
        taken: list[Batch] = []
        size = 0
        for _ in range(len(node.ready)):
            if len(taken) == MOST_BATCHES:
                break
            queue = node.next_ready()
            if not self._is_ready(node, queue):
                node.strike(queue)
                continue
            batch = queue.head
            assert batch is not None
            size += batch.wire_size
            if taken and size > limit:
                break
            node.strike(queue)
            if batch is queue.open:
                self._close(batch)
            batch.move(State.IN_FLIGHT)
            queue.take()
            self._gate.stamp(batch)
            taken.append(batch)
        if taken:
            node.drained_at = now
        for batch in taken:
            self._look(batch.queue)
        return taken

    def answered(self, batch: Batch) -> None:
        """A sender has no more to do with the batch: answered, or its connection is over."""
        batch.queue.release(batch)

    def requeue(self, batch: Batch, retry_at: float) -> None:
        """Queue a batch to be sent again, not before `retry_at`."""
        batch.move(State.QUEUED)
        queue = batch.queue
        queue.put_back(batch)
        if queue.node is not None:
            queue.node.retries[queue] = max(queue.node.retries.get(queue, retry_at), retry_at)
        self._arm(queue)

    def settle(self, batch: Batch) -> None:
        """The batch is over: its bytes are given back. Its outcome is settled by the caller.

        One that a sender has is abandoned instead, and is settled when the sender has no more to do with it.
        """
        if batch in batch.queue.taken:
            self.abandon(batch)
            return
        if batch.state is State.OPEN:
            self._close(batch)
        if batch.state is State.QUEUED:
            batch.queue.drop(batch)
        self.unsettled.pop(batch, None)
        trim(self.unsettled)
        batch.move(State.SETTLED)
        batch.records = None
        self.available += batch.reserved
        self._look(batch.queue)

    def split(self, batch: Batch, builders: Sequence[RecordsBuilder]) -> list[Batch]:
        """Put a batch for each builder in the place of one that was too large, with its age, to be sent at once.

        Their headers may take `buffer_memory` a little beyond its limit, for nobody can be asked to wait here.
        """
        queue = batch.queue
        pieces = []
        number = batch.number
        for builder in builders:
            outcome = self._new_outcome(queue, builder.base_timestamp, builder.deltas)
            piece = Batch(number, queue, builder, outcome, created_at=batch.created_at)
            piece.last_error = batch.last_error
            piece.move(State.QUEUED)
            queue.put_back(piece)
            self.available -= piece.reserved
            number += builder.count
            pieces.append(piece)
        batch.outcome.split([piece.outcome for piece in pieces])
        # Expiry goes by the order of `unsettled`, so the pieces take the place of the whole.
        older_first = [each for other in self.unsettled for each in (pieces if other is batch else (other,))]
        self.unsettled = OrderedDict.fromkeys(older_first)
        self.sizes.too_large(queue.topic, batch.wire_size - HEADER_SIZE)
        self.settle(batch)
        return pieces

    def abandon(self, batch: Batch) -> None:
        """The callers have their error, but a sender has the batch: the bytes stay in use until it is `answered`."""
        self.unsettled.pop(batch, None)
        batch.move(State.ABANDONED)

    def expired(self, now: float) -> list[Batch]:
        """The batches whose delivery time is over, oldest first; nothing is changed."""
        batches = []
        for batch in self.unsettled:
            if batch.created_at + self._delivery_timeout > now:
                break
            batches.append(batch)
        return batches

    @property
    def next_expiry(self) -> float | None:
        for batch in self.unsettled:
            return batch.created_at + self._delivery_timeout
        return None

    # Leaders

    def new_queue(self, topic: str, partition: int, leader: int) -> PartitionQueue:
        queue = PartitionQueue(topic, partition)
        self.lead(queue, leader)
        return queue

    def lead(self, queue: PartitionQueue, leader: int) -> None:
        """The partition has this leader now, -1 for none. A new one is tried at once, without the backoff of the old
        (KIP-951).
        """
        if leader == queue.leader:
            return
        if queue.node is not None:
            queue.node.forget(queue)
        queue.accepted_by = None
        queue.node = None if leader == NO_LEADER else self._node(leader)
        self._arm(queue)
        self._look(queue)
        if leader != NO_LEADER and not queue.idle:
            self._on_moved(queue)

    def look_again(self, queue: PartitionQueue) -> None:
        """Something the gate goes by has changed for this partition."""
        self._look(queue)

    def has_older(self, batch: Batch) -> bool:
        """Whether a batch of the same partition that was opened earlier is not over yet."""
        queue = batch.queue
        if queue.head is not None and queue.head.number < batch.number:
            return True
        return any(other.number < batch.number and other.state is State.IN_FLIGHT for other in queue.taken)

    def look_at_all(self) -> None:
        """Something the gate goes by has changed for every partition."""
        for batch in tuple(self.unsettled):
            self._look(batch.queue)

    def _node(self, node_id: int) -> NodeQueue:
        node = self._nodes.get(node_id)
        if node is None:
            node = self._nodes[node_id] = NodeQueue(node_id)
            self._on_node(node)
        return node

    # What is ready

    def _is_ready(self, node: NodeQueue, queue: PartitionQueue) -> bool:
        head = queue.head
        if head is None or queue in node.retries:
            return False
        if head is queue.open and not head.urgent and not self._hurries:
            return False
        return self._gate.may_send(queue)

    def _look(self, queue: PartitionQueue) -> None:
        """List the partition with its leader if it is ready."""
        node = queue.node
        if queue.head is not None and node is not None and queue not in node.ready and self._is_ready(node, queue):
            node.put(queue)

    def _arm(self, queue: PartitionQueue) -> None:
        """Have the partition looked at when the time comes that it waits for: its retry, or the end of its linger."""
        node, batch = queue.node, queue.open
        if node is None:
            return
        if queue in node.retries:
            node.look_at(queue, node.retries[queue])
        elif batch is not None and not batch.urgent:
            node.look_at(queue, batch.created_at + self._linger)

    def _timer_came(self, node: NodeQueue, queue: PartitionQueue, now: float) -> None:
        if node.retries.get(queue, inf) <= now:
            del node.retries[queue]
            trim(node.retries)
        batch = queue.open
        if batch is not None and batch.created_at + self._linger <= now:
            batch.urgent = True
        self._arm(queue)
        self._look(queue)
