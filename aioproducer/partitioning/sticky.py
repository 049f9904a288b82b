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
    produced: the bytes of this visit, of which there may be `most` while a batch is open, whoever counts them.
    """

    __slots__ = ("_candidates", "_chances", "_loads", "_sticky_size", "_weights", "most", "partition", "produced")

    def __init__(self, batch_size: int) -> None:
        self.partition = -1
        self.produced = 0
        self.most = 2 * batch_size
        self._sticky_size = batch_size
        # What the weights were made of; those who have a chance, and their cumulative weights if these are not alike.
        # In tuples, which the garbage collector leaves alone when they hold numbers: there may be thousands of topics.
        self._candidates: Sequence[int] = ()
        self._loads: Sequence[int] | None = None
        self._chances: Sequence[int] = ()
        self._weights: Sequence[int] = ()

    def __repr__(self) -> str:
        return f"<StickyPartition on {self.partition}: {self.produced} of {self._sticky_size} bytes>"

    def choose(self, partitions: Partitions, loads: Sequence[int] | None, random: int, near: Sequence[int] = ()) -> int:
        """Moves on to another partition, and returns it.

        `random` is any number from 0 up, evenly distributed over a range much larger than the number of partitions.
        With `loads`, the batches that wait per partition (by its id; negative: not to be chosen now), a partition is
        the more likely the shorter its queue is; without, all are alike. The same `loads` object again stands for the
        same loads, and costs the less the more partitions there are. Partitions without a leader are chosen only
        if there is none with one. `near`: those with a leader in the producer's own rack; where there are any, none but
        these is chosen (KIP-1123).
        """
        candidates = near or partitions.available or partitions
        if loads is not self._loads or candidates is not self._candidates:
            self._weigh(candidates, loads)
        chances, weights = self._chances, self._weights
        at = bisect_right(weights, random % weights[-1]) if weights else random % len(chances)
        self.partition = partition = chances[at]
        self.produced = 0
        return partition

    def appended(self, size: int, batch_open: bool) -> bool:
        """Counts `size` bytes of keyless records for the current partition; true means: `choose` again before the next.

        `batch_open` tells that its last batch has still room, and so is worth being filled; that is respected up to
        twice the batch size.
        """
        self.produced += size
        return self.produced >= self._sticky_size and (not batch_open or self.produced >= self.most)

    def _weigh(self, candidates: Sequence[int], loads: Sequence[int] | None) -> None:
        """Java's cumulative frequencies: each has as many chances as its queue is below the longest and one."""
        self._candidates, self._loads = candidates, loads
        self._chances, self._weights = candidates, ()
        if loads is None:
            return
        chances = tuple(partition for partition in candidates if loads[partition] >= 0)
        if not chances:
            return
        if len(chances) < len(candidates):
            self._chances = chances
        ceiling = max(loads[partition] for partition in chances) + 1
        weights = tuple(accumulate(ceiling - loads[partition] for partition in chances))
        if weights[-1] > len(weights):
            self._weights = weights
