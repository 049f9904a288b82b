"""The built-in choice for records without a key: stay on a partition for a batch's worth of bytes (KIP-794).

It decides where such records go, and when to move on. Queue lengths, counted bytes and random numbers come in; what is
kept of a topic is the topic's, and batches are the accumulator's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from aioproducer.partitioning.base import Partitions


class Chances(NamedTuple):
    """The partitions that have a chance, and their cumulative weights; none if all are alike."""

    candidates: Sequence[int]
    weights: Sequence[int] = ()

    def pick(self, random: int) -> int:
        """A partition. `random` is any number from 0 up, evenly distributed over a range much larger than the number
        of partitions.
        """
        candidates, weights = self.candidates, self.weights
        return candidates[bisect_right(weights, random % weights[-1]) if weights else random % len(candidates)]


def weigh(partitions: Partitions, loads: Sequence[int] | None, near: Sequence[int] = ()) -> Chances:
    """The chances of each partition, as Java's cumulative frequencies: as many as its queue is below the longest, and
    one.

    `loads`: the batches that wait per partition, by its id, negative where it is not to be chosen now; None: all are
    alike. Partitions without a leader are chosen only if there is none with one. `near`: those with a leader in the
    producer's own rack; where there are any, none but these is chosen (KIP-1123).
    """
    candidates = near or partitions.available or partitions
    if loads is None:
        return Chances(candidates)
    chosen = [partition for partition in candidates if loads[partition] >= 0]
    if not chosen:
        return Chances(candidates)
    ceiling = max(loads[partition] for partition in chosen) + 1
    weights = list(accumulate(ceiling - loads[partition] for partition in chosen))
    return Chances(chosen, weights if weights[-1] > len(weights) else ())


def longest_visit(batch_size: int) -> int:
    """The bytes after which records go to another partition in any case."""
    return 2 * batch_size


def visit_ends(produced: int, batch_size: int, *, batch_open: bool) -> bool:
    """Whether `produced` bytes are enough for one partition.

    `batch_open` tells that its last batch has still room, and so is worth being filled; that is respected up to the
    longest visit.
    """
    return produced >= batch_size and (not batch_open or produced >= longest_visit(batch_size))
