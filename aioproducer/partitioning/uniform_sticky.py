"""A partitioner that fills a batch on one partition, then one on another chosen by chance, whatever the keys (KIP-480).

All partitions are alike to it, also those of slow brokers, and it is not aligned to bytes; the built-in choice for
records without a key is (KIP-794). It is for those who have keys, and want them to have no say.
"""

from __future__ import annotations

from collections.abc import Callable

from aioproducer.partitioning.base import Partitions
from aioproducer.partitioning.keyless import StickyByTopic, chance


class UniformStickyPartitioner:
    """`random` returns any int from 0 up, evenly distributed; by default it has a source of chance of its own."""

    __slots__ = ("_sticky",)

    def __init__(self, random: Callable[[], int] | None = None) -> None:
        self._sticky = StickyByTopic(random or chance())

    def __repr__(self) -> str:
        return "UniformStickyPartitioner()"

    def __call__(self, topic: str, _key: bytes | None, _value: bytes | None, partitions: Partitions, /) -> int:
        """The partition whose batch is being filled."""
        return self._sticky.choose(topic, partitions)

    def on_new_batch(self, topic: str, partitions: Partitions, previous: int) -> None:
        """The batch on `previous` is full."""
        self._sticky.move_on(topic, partitions, previous)
