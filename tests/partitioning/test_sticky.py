"""The sticky partition: when it moves on, and how often it goes where."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioproducer.partitioning.base import Partitions
from aioproducer.partitioning.sticky import StickyPartition
from aioproducer.partitioning.uniform_sticky import UniformStickyPartitioner


def frequencies(partitions: Partitions, loads: list[int] | None, draws: int) -> Counter[int]:
    sticky = StickyPartition(100)
    return Counter(sticky.choose(partitions, loads, random) for random in range(draws))


def test_nothing_is_chosen_at_first() -> None:
    sticky = StickyPartition(16384)
    assert sticky.partition == -1
    assert repr(sticky) == "<StickyPartition on -1: 0 of 16384 bytes>"


def test_choice_is_kept() -> None:
    sticky = StickyPartition(16384)
    assert sticky.choose(Partitions("t", 6), None, 8) == 2
    assert sticky.partition == 2


def test_moves_on_after_a_batch() -> None:
    sticky = StickyPartition(100)
    sticky.choose(Partitions("t", 6), None, 0)
    assert not sticky.appended(60, batch_open=False)
    assert not sticky.appended(39, batch_open=False)
    assert sticky.appended(1, batch_open=False)


def test_an_open_batch_is_filled_first_up_to_twice_the_size() -> None:
    sticky = StickyPartition(100)
    sticky.choose(Partitions("t", 6), None, 0)
    assert not sticky.appended(150, batch_open=True)
    assert not sticky.appended(49, batch_open=True)
    assert sticky.appended(1, batch_open=True)


def test_a_suppressed_move_is_made_at_the_next_append() -> None:
    sticky = StickyPartition(100)
    sticky.choose(Partitions("t", 6), None, 0)
    assert not sticky.appended(120, batch_open=True)
    assert sticky.appended(1, batch_open=False)


def test_choosing_starts_counting_anew() -> None:
    sticky = StickyPartition(100)
    sticky.choose(Partitions("t", 6), None, 0)
    assert sticky.appended(100, batch_open=False)
    sticky.choose(Partitions("t", 6), None, 1)
    assert repr(sticky) == "<StickyPartition on 1: 0 of 100 bytes>"
    assert not sticky.appended(99, batch_open=False)


@pytest.mark.parametrize("batch_size", [0, 1])
def test_batch_size_zero_moves_with_every_record(batch_size: int) -> None:
    sticky = StickyPartition(batch_size)
    sticky.choose(Partitions("t", 6), None, 0)
    assert sticky.appended(1, batch_open=False)


def test_uniform_without_loads() -> None:
    assert frequencies(Partitions("t", 5), None, 500) == dict.fromkeys(range(5), 100)


def test_only_partitions_with_a_leader() -> None:
    assert frequencies(Partitions("t", 5, (1, 4)), None, 100) == {1: 50, 4: 50}


def test_all_partitions_if_none_has_a_leader() -> None:
    assert frequencies(Partitions("t", 4, ()), None, 100) == dict.fromkeys(range(4), 25)
    assert frequencies(Partitions("t", 2, ()), [0, 1], 300) == {0: 200, 1: 100}


def test_frequencies_as_in_java() -> None:
    assert frequencies(Partitions("t", 5), [5, 0, 3, 0, 1], 210) == {0: 10, 1: 60, 2: 30, 3: 60, 4: 50}
    assert frequencies(Partitions("t", 3), [0, 3, 1], 80) == {0: 40, 1: 10, 2: 30}


def test_equal_loads_are_uniform() -> None:
    assert frequencies(Partitions("t", 4), [7, 7, 7, 7], 100) == dict.fromkeys(range(4), 25)


def test_loads_count_only_where_there_is_a_leader() -> None:
    assert frequencies(Partitions("t", 4, (0, 2)), [3, 0, 1, 9], 100) == {0: 25, 2: 75}


def test_the_own_rack_comes_first_while_it_leads_anything() -> None:
    sticky, there = StickyPartition(100), Partitions("t", 4, (0, 1, 3))
    assert {sticky.choose(there, None, random, (1, 3)) for random in range(100)} == {1, 3}
    weighted = Counter(sticky.choose(there, [9, 0, 0, 2], random, (1, 3)) for random in range(100))
    assert weighted == {1: 75, 3: 25}
    assert {sticky.choose(there, None, random, ()) for random in range(100)} == {0, 1, 3}


def test_negative_loads_are_left_out() -> None:
    assert frequencies(Partitions("t", 4), [0, -1, 1, 0], 100) == {0: 40, 2: 20, 3: 40}
    assert frequencies(Partitions("t", 4), [-1, -1, 1, -1], 10) == {2: 10}


def test_uniform_if_all_are_left_out() -> None:
    assert frequencies(Partitions("t", 4, (1, 3)), [-1, -1, -1, -1], 100) == {1: 50, 3: 50}


@given(
    st.integers(1, 12).flatmap(
        lambda count: st.tuples(
            st.just(count),
            st.sets(st.integers(0, count - 1)),
            st.none() | st.lists(st.integers(-1, 50), min_size=count, max_size=count),
            st.integers(0, 1 << 31),
        )
    )
)
def test_always_a_partition(case: tuple[int, set[int], list[int] | None, int]) -> None:
    count, available, loads, random = case
    chosen = StickyPartition(1).choose(Partitions("t", count, sorted(available)), loads, random)
    assert chosen in (available or range(count))
    if loads is not None and any(loads[partition] >= 0 for partition in available or range(count)):
        assert loads[chosen] >= 0


@given(st.lists(st.tuples(st.integers(1, 250), st.booleans()), max_size=60))
def test_a_visit_is_one_to_two_batches_long(appends: list[tuple[int, bool]]) -> None:
    sticky = StickyPartition(100)
    sticky.choose(Partitions("t", 3), None, 0)
    visit = 0
    for size, batch_open in appends:
        before = visit
        visit += size
        switch = sticky.appended(size, batch_open)
        assert before < 200
        assert switch == (visit >= 200 or (visit >= 100 and not batch_open))
        if switch:
            sticky.choose(Partitions("t", 3), None, 1)
            visit = 0


RECORD = 10
FULL = 1000
TAKEN_AT = {0: FULL, 1: 300, 2: 300}
"""The bytes at which a batch leaves: a slow broker takes one only when it is full, the fast ones earlier."""


def test_partitions_stay_even_although_brokers_differ() -> None:
    random = Random(794)
    there = Partitions("t", len(TAKEN_AT))

    by_batches = UniformStickyPartitioner(lambda: random.getrandbits(31))
    drifted: Counter[int] = Counter()
    for _ in range(3000):
        partition = by_batches("t", None, None, there)
        drifted[partition] += TAKEN_AT[partition]
        by_batches.on_new_batch("t", there, partition)
    # Moving on with every batch (KIP-480) gives the slow broker its share of batches, and so most of the bytes.
    assert drifted[0] / drifted.total() > 0.55

    by_bytes = StickyPartition(FULL)
    even: Counter[int] = Counter()
    for _ in range(3000):
        partition = by_bytes.choose(there, None, random.getrandbits(31))
        batch, moved = 0, False
        while not moved:
            batch = (batch + RECORD) % TAKEN_AT[partition]
            even[partition] += RECORD
            moved = by_bytes.appended(RECORD, batch_open=batch > 0)
    share = even.total() / len(there)
    assert all(abs(even[partition] - share) < share * 0.25 for partition in there)
