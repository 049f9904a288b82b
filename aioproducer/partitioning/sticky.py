"""The built-in choice for records without a key: stay on a partition for a batch's worth of bytes (KIP-794).

It decides where keyless records of one topic go and when to move on. Queue lengths and random numbers come in; batches
are the accumulator's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from aioproducer.partitioning.base import Partitions


class StickyPartition:
    """The state of one topic. `partition` is where its keyless records go now, or -1 before the first `choose`;
    produced: the bytes of this visit, of which there may be `most`.
    """

    __slots__ = ("_sticky_size", "most", "partition", "produced")

    def __init__(self, batch_size: int) -> None:
        self.partition = -1
        self.produced = 0
        self.most = 2 * batch_size
        self._sticky_size = batch_size

    def __repr__(self) -> str:
        return f"<StickyPartition on {self.partition}: {self.produced} of {self._sticky_size} bytes>"

    def choose(self, partitions: Partitions, loads: Sequence[int] | None, random: int, near: Sequence[int] = ()) -> int:
        """Moves on to another partition, and returns it.

        `random` is any number from 0 up, evenly distributed over a range much larger than the number of partitions.
        With `loads`, the batches that wait per partition (by its id; negative: not to be chosen now), a partition is
        the more likely the shorter its queue is; without, all are alike. Partitions without a leader are chosen only
        if there is none with one. `near`: those with a leader in the producer's own rack; where there are any, none but
        these is chosen (KIP-1123).
        """
        candidates = near or partitions.available or partitions
        partition = -1
        if loads is not None:
            partition = _weighted(candidates, loads, random)
        if partition < 0:
            partition = candidates[random % len(candidates)]
        self.partition = partition
        self.produced = 0
        return partition

    def appended(self, size: int, batch_open: bool) -> bool:
        """Counts `size` bytes of keyless records for the current partition; true means: `choose` again before the next.

        `batch_open` tells that its last batch has still room, and so is worth being filled; that is respected up to
        twice the batch size.
        """
        self.produced += size
        return self.produced >= self._sticky_size and (not batch_open or self.produced >= self.most)


def _weighted(candidates: Sequence[int], loads: Sequence[int], random: int) -> int:
    queues = [(partition, loads[partition]) for partition in candidates if loads[partition] >= 0]
    if not queues:
        return -1
    ceiling = max(load for _, load in queues) + 1
    weights = list(accumulate(ceiling - load for _, load in queues))
    return queues[bisect_right(weights, random % weights[-1])][0]
