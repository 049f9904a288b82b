"""A partitioner that takes the available partitions of a topic in turn, whatever the key.

It evens out records, not bytes, and makes many thin batches: use it where an even count matters more than throughput.
"""

from __future__ import annotations

from aioproducer.partitioning.base import Partitions


class RoundRobinPartitioner:
    """Keeps a position per topic. It moves on by one with every record, so that new batches do not skip a partition."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next: dict[str, int] = {}

    def __repr__(self) -> str:
        return "RoundRobinPartitioner()"

    def __call__(self, topic: str, _key: bytes | None, _value: bytes | None, partitions: Partitions, /) -> int:
        """The next partition that has a leader; of all, if none has."""
        position = self._next.get(topic, 0)
        self._next[topic] = position + 1
        candidates = partitions.available or partitions
        return candidates[position % len(candidates)]
