"""The batches of one partition, in call order, and what has to be known to pick the next one.

It keeps the order; what may be sent is decided by the accumulator, and by the gate that `sending` puts in front of
it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aioproducer.batching.batch import Batch

if TYPE_CHECKING:
    from aioproducer.batching.node_queue import NodeQueue

NO_LEADER = -1


class PartitionQueue:
    """Thousands may be idle, so one that has nothing to do holds no container of its own, and what few of them have at
    a time is kept where it is used: who is ready or waits for its retry by the node, gaps by the gate.

    node: what its leader has to be sent, None without a leader. queued: how many batches there are that no sender has;
    open: the last of them while it takes records; fills: how many they would be if none had grown. taken: those that
    senders have, in the order in which they were taken. sealed: how many records have been in the batches, but for the
    open one.

    For the gate: accepted_by, the leader that acknowledged a batch since it became leader, None before it has; places,
    how many batches got a sequence; identity, the (producer id, epoch) that `next_sequence` counts for.
    """

    __slots__ = (
        "_tail",
        "accepted_by",
        "fills",
        "identity",
        "next_sequence",
        "node",
        "open",
        "partition",
        "places",
        "queued",
        "sealed",
        "taken",
        "topic",
    )

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.node: NodeQueue | None = None
        self.open: Batch | None = None
        self.queued = 0
        self.fills = 0
        # The youngest. The batches are linked by their `behind`, from the oldest on, and in a ring: so one reference
        # leads to both ends.
        self._tail: Batch | None = None
        # A tuple, for they are few.
        self.taken: tuple[Batch, ...] = ()
        self.sealed = 0
        self.accepted_by: int | None = None
        self.identity: tuple[int, int] | None = None
        self.next_sequence = 0
        self.places = 0

    def __repr__(self) -> str:
        return (
            f"<PartitionQueue {self.topic}[{self.partition}]: {self.queued} batches queued, "
            f"{self.in_flight} in flight, leader {self.leader}>"
        )

    @property
    def leader(self) -> int:
        """The id of the broker that leads the partition, NO_LEADER if there is none."""
        return NO_LEADER if self.node is None else self.node.node_id

    @property
    def head(self) -> Batch | None:
        """The oldest batch that no sender has."""
        return None if self._tail is None else self._tail.behind

    def batches(self) -> Iterator[Batch]:
        """Those that no sender has, oldest first."""
        batch = self.head
        for _ in range(self.queued):
            assert batch is not None
            yield batch
            batch = batch.behind

    @property
    def in_flight(self) -> int:
        """How many batches senders have."""
        return len(self.taken)

    @property
    def idle(self) -> bool:
        """Whether nothing of it is on its way."""
        return not self.queued and not self.taken

    @property
    def buffered(self) -> int:
        """Records that are queued or in flight."""
        return sum(batch.count for batch in (*self.batches(), *self.taken))

    def stalled(self, now: float, patience: float) -> bool:
        """Whether a batch that could go has waited for `patience` seconds, and the leader has taken nothing for as
        long, from any partition (KIP-794). Also where the gate is shut: it is because of what is unanswered.
        """
        head = self.head
        if self.node is None or head is None or (head is self.open and not head.urgent):
            return False
        return now - max(self.node.drained_at, head.created_at) > patience

    def grew(self, batch: Batch) -> None:
        """A queued batch takes another `batch_size`."""
        batch.fills += 1
        self.fills += 1

    def add(self, batch: Batch) -> None:
        """Queue the youngest batch."""
        self._insert(self._tail, batch)
        self._tail = batch

    def take(self) -> Batch:
        """Give the oldest batch to a sender, until `release`."""
        assert self._tail is not None
        batch = self._remove_behind(self._tail)
        self.taken = (*self.taken, batch)
        return batch

    def release(self, batch: Batch) -> None:
        """The sender has no more to do with it."""
        assert batch in self.taken
        self.taken = tuple(other for other in self.taken if other is not batch)

    def put_back(self, batch: Batch) -> None:
        """Queue a batch again where it belongs: before everything younger."""
        before = self._tail
        if before is None or before.number < batch.number:
            self.add(batch)
            return
        for other in self.batches():
            if other.number > batch.number:
                break
            before = other
        self._insert(before, batch)

    def drop(self, batch: Batch) -> None:
        """Take a batch that is over out of the queue."""
        before = self._tail
        for other in self.batches():
            if other is batch:
                break
            before = other
        assert before is not None
        assert before.behind is batch
        self._remove_behind(before)

    def _insert(self, before: Batch | None, batch: Batch) -> None:
        """Link a batch in behind another; alone it is behind itself."""
        if before is None:
            batch.behind = batch
        else:
            batch.behind, before.behind = before.behind, batch
        self.queued += 1
        self.fills += batch.fills

    def _remove_behind(self, before: Batch) -> Batch:
        batch = before.behind
        assert batch is not None
        before.behind, batch.behind = batch.behind, None
        if batch is self._tail:
            self._tail = None if batch is before else before
        self.queued -= 1
        self.fills -= batch.fills
        return batch
