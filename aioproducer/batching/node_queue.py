"""What one broker has to be sent: the partitions that are ready now, and when to look at the others again.

Linger and retry backoff are entries of one heap, so that a sender has one timer, and a partition has one entry that
counts: the one whose time is in `_looks`. The others are void. What counts as ready is the accumulator's rule.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from math import inf

from aioproducer.batching.partition_queue import PartitionQueue
from aioproducer.trim import trim


def _nobody() -> None:
    """The wake-up of a node that has no sender yet."""


class NodeQueue:
    """`ready` is served from its begin and refilled at its end, which is fair among the partitions; `retries` are those
    that go on at a time, in loop seconds, and not before. `wake` is called when there is something new to look at: a
    partition became ready, or the next timer moved forward.
    """

    __slots__ = ("_looks", "_numbers", "_timers", "drained_at", "node_id", "ready", "retries", "wake")

    def __init__(self, node_id: int) -> None:
        self.node_id = node_id
        self.drained_at = 0.0
        self.ready: OrderedDict[PartitionQueue, None] = OrderedDict()
        self.retries: dict[PartitionQueue, float] = {}
        self.wake: Callable[[], None] = _nobody
        self._looks: dict[PartitionQueue, float] = {}
        self._timers: list[tuple[float, int, PartitionQueue]] = []
        self._numbers = count()

    def __repr__(self) -> str:
        return f"<NodeQueue of broker {self.node_id}: {len(self.ready)} ready, {len(self._timers)} timers>"

    @property
    def next_look(self) -> float | None:
        """When a timer is due, in loop seconds; None without one."""
        timers = self._timers
        while timers:
            when, _, queue = timers[0]
            if self._looks.get(queue) == when:
                return when
            heappop(timers)
        return None

    def put(self, queue: PartitionQueue) -> None:
        """List a partition as ready, at the end."""
        self.ready[queue] = None
        if len(self.ready) == 1:
            self.wake()

    def next_ready(self) -> PartitionQueue:
        """The ready partition whose turn it is. It stays listed."""
        return next(iter(self.ready))

    def strike(self, queue: PartitionQueue) -> None:
        """Take a partition off the ready ones."""
        del self.ready[queue]
        trim(self.ready)

    def forget(self, queue: PartitionQueue) -> None:
        """The partition is not this broker's any more."""
        self.ready.pop(queue, None)
        self.retries.pop(queue, None)
        self._looks.pop(queue, None)

    def look_at(self, queue: PartitionQueue, when: float) -> None:
        """Have this partition looked at again at `when`, or before if it has a timer that comes first."""
        if self._looks.get(queue, inf) <= when:
            return
        self._looks[queue] = when
        entry = (when, next(self._numbers), queue)
        heappush(self._timers, entry)
        if self._timers[0] is entry:
            self.wake()

    def due(self, now: float) -> list[PartitionQueue]:
        """The partitions whose timers have come. They have none any more."""
        queues: list[PartitionQueue] = []
        while self._timers and (when := self.next_look) is not None and when <= now:
            queue = heappop(self._timers)[2]
            del self._looks[queue]
            queues.append(queue)
        trim(self._looks)
        return queues
