"""The round robin over available partitions."""

from __future__ import annotations

from aioproducer.partitioning.base import Partitioner, Partitions, choose
from aioproducer.partitioning.round_robin import RoundRobinPartitioner


def turns(partitioner: Partitioner, partitions: Partitions, count: int, topic: str = "t") -> list[int]:
    return [choose(partitioner, topic, b"same key", None, partitions) for _ in range(count)]


def test_every_partition_in_turn() -> None:
    assert turns(RoundRobinPartitioner(), Partitions(3), 7) == [0, 1, 2, 0, 1, 2, 0]


def test_topics_do_not_disturb_each_other() -> None:
    partitioner = RoundRobinPartitioner()
    assert turns(partitioner, Partitions(3), 2, "a") == [0, 1]
    assert turns(partitioner, Partitions(2), 3, "b") == [0, 1, 0]
    assert turns(partitioner, Partitions(3), 2, "a") == [2, 0]


def test_partitions_without_a_leader_are_passed_over() -> None:
    assert turns(RoundRobinPartitioner(), Partitions(4, (1, 3)), 4) == [1, 3, 1, 3]


def test_all_partitions_if_none_has_a_leader() -> None:
    assert turns(RoundRobinPartitioner(), Partitions(2, ()), 3) == [0, 1, 0]


def test_repr() -> None:
    assert repr(RoundRobinPartitioner()) == "RoundRobinPartitioner()"
