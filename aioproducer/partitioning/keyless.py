"""Where shipped partitioners put records without a key: on one partition until its batch is full, then on another.

It keeps a partition per topic. That a batch is full is told from outside, and chance comes from a function.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from aioproducer.partitioning.base import Partitions


def chance() -> Callable[[], int]:
    """A source of chance of its own: any int from 0 up, evenly distributed."""
    random = Random()
    return lambda: random.getrandbits(31)


class StickyByTopic:
    """The partition of each topic that is being filled. `random` returns any int from 0 up, evenly distributed."""

    __slots__ = ("_current", "_random")

    def __init__(self, random: Callable[[], int]) -> None:
        self._random = random
        self._current: dict[str, int] = {}

    def choose(self, topic: str, partitions: Partitions) -> int:
        """The partition to go on with. One that has lost its leader, or is gone, is left."""
        candidates = partitions.available or partitions
        current = self._current.get(topic, -1)
        if current not in candidates:
            current = self._current[topic] = candidates[self._random() % len(candidates)]
        return current

    def move_on(self, topic: str, partitions: Partitions, previous: int) -> None:
        """The batch on `previous` is full: another partition next, if there is one."""
        if self._current.get(topic, previous) != previous:
            return
        others = [partition for partition in partitions.available or partitions if partition != previous]
        if others:
            self._current[topic] = others[self._random() % len(others)]
