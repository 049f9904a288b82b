"""The uniform sticky partitioner: a batch here, a batch there, keys or not."""

from __future__ import annotations

from collections import Counter
from itertools import count
from random import Random

from aioproducer.partitioning.base import Partitions
from aioproducer.partitioning.uniform_sticky import UniformStickyPartitioner


def test_it_stays_until_the_batch_is_full_whatever_the_key() -> None:
    partitioner = UniformStickyPartitioner(count(1).__next__)
    there = Partitions(4)
    assert [partitioner("t", key, None, there) for key in (b"a", None, b"b")] == [1, 1, 1]
    partitioner.on_new_batch("t", there, 1)
    assert [partitioner("t", key, None, there) for key in (b"a", None)] == [3, 3]


def test_a_batch_that_is_full_elsewhere_is_no_reason_to_go() -> None:
    partitioner = UniformStickyPartitioner(count(1).__next__)
    there = Partitions(4)
    assert partitioner("t", None, None, there) == 1
    partitioner.on_new_batch("t", there, 2)
    assert partitioner("t", None, None, there) == 1


def test_topics_do_not_disturb_each_other() -> None:
    partitioner = UniformStickyPartitioner(count().__next__)
    a, b = Partitions(3), Partitions(3)
    assert [partitioner("a", None, None, a), partitioner("b", None, None, b)] == [0, 1]
    partitioner.on_new_batch("b", b, 1)
    assert [partitioner("a", None, None, a), partitioner("b", None, None, b)] == [0, 0]


def test_a_partition_without_a_leader_is_left() -> None:
    partitioner = UniformStickyPartitioner(lambda: 0)
    assert partitioner("t", None, None, Partitions(3)) == 0
    assert partitioner("t", None, None, Partitions(3, (1, 2))) == 1
    assert partitioner("t", None, None, Partitions(3, ())) == 1, "none has one, so it stays"


def test_the_only_partition() -> None:
    partitioner = UniformStickyPartitioner()
    there = Partitions(1)
    assert partitioner("t", None, None, there) == 0
    partitioner.on_new_batch("t", there, 0)
    assert partitioner("t", None, None, there) == 0


def test_all_partitions_get_their_share() -> None:
    random = Random(4)
    partitioner = UniformStickyPartitioner(lambda: random.getrandbits(31))
    there = Partitions(5)
    visits: Counter[int] = Counter()
    for _ in range(10_000):
        partition = partitioner("t", None, None, there)
        visits[partition] += 1
        partitioner.on_new_batch("t", there, partition)
    # The statistic for 4 degrees of freedom; the seed is fixed.
    assert sum((visits[partition] - 2000) ** 2 / 2000 for partition in there) < 9.49
    assert repr(partitioner) == "UniformStickyPartitioner()"
