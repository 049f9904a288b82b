"""The batches of one partition, in call order, and what has to be known to pick the next one.

It keeps the order; what may be sent is decided by the accumulator, and by the gate that `sending` puts in front of
it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from aioproducer.batching.batch import Batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioproducer.batching.node_queue import NodeQueue
    from aioproducer.outcome import Outcome

NO_LEADER = -1
NO_GAP = -1


class PartitionQueue:
    """`batches` are those that no sender has, oldest first; `open` is the last of them while it takes records.

    taken: the batches that senders have; in_flight: how many. listed: it stands in its node's `ready`. retry_at: not
    before this time (loop seconds), 0 for at once. timer_at: when its node looks at it again, None without a timer.
    sealed: how many records have been in its batches, but for the open one. reports: the outcomes that owe
    `on_delivery` calls, in call order. wanted: is called when somebody waits for the open batch. For the gate:
    accepted_by, the leader that acknowledged a batch since it became leader, None before it has; places, how many
    batches got a sequence; identity, the (producer id, epoch) that `next_sequence` counts for; gap, the number of the
    youngest batch that was given up with a sequence of that identity, NO_GAP without one.
    """

    __slots__ = (
        "accepted_by",
        "batches",
        "gap",
        "identity",
        "in_flight",
        "leader",
        "listed",
        "next_sequence",
        "node",
        "open",
        "partition",
        "places",
        "reports",
        "retry_at",
        "sealed",
        "taken",
        "timer_at",
        "topic",
        "wanted",
    )

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.leader = NO_LEADER
        self.node: NodeQueue | None = None
        self.batches: deque[Batch] = deque()
        self.open: Batch | None = None
        self.sealed = 0
        self.taken: dict[Batch, None] = {}
        self.in_flight = 0
        self.accepted_by: int | None = None
        self.retry_at = 0.0
        self.listed = False
        self.timer_at: float | None = None
        self.reports: deque[Outcome] = deque()
        self.wanted: Callable[[], None] | None = None
        self.identity: tuple[int, int] | None = None
        self.next_sequence = 0
        self.places = 0
        self.gap = NO_GAP

    def __repr__(self) -> str:
        return (
            f"<PartitionQueue {self.topic}[{self.partition}]: {len(self.batches)} batches queued, "
            f"{self.in_flight} in flight, leader {self.leader}>"
        )

    @property
    def buffered(self) -> int:
        """Records that are queued or in flight."""
        return sum(batch.count for batch in (*self.batches, *self.taken))

    def stalled(self, now: float, patience: float) -> bool:
        """Whether a batch that could go has waited for `patience` seconds, and the leader has taken nothing for as
        long, from any partition (KIP-794). Also where the gate is shut: it is because of what is unanswered.
        """
        head = self.batches[0] if self.batches else None
        if self.node is None or head is None or (head is self.open and not head.urgent):
            return False
        return now - max(self.node.drained_at, head.created_at) > patience

    def put_back(self, batch: Batch) -> None:
        """Queue a batch again where it belongs: before everything younger."""
        batches = self.batches
        position = 0
        for other in batches:
            if other.number > batch.number:
                break
            position += 1
        batches.insert(position, batch)
