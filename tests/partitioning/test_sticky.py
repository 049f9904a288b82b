"""The sticky partition: when it moves on, and how often it goes where."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioproducer.partitioning.base import Partitions
from aioproducer.partitioning.sticky import longest_visit, visit_ends, weigh
from aioproducer.partitioning.uniform_sticky import UniformStickyPartitioner


def frequencies(partitions: Partitions, loads: list[int] | None, draws: int) -> Counter[int]:
    chances = weigh(partitions, loads)
    return Counter(chances.pick(random) for random in range(draws))


@pytest.mark.parametrize(
    ("produced", "batch_open", "ends"),
    [
        pytest.param(99, False, False, id="not a batch's worth yet"),
        pytest.param(100, False, True, id="a batch's worth"),
        pytest.param(100, True, False, id="an open batch is filled first"),
        pytest.param(199, True, False, id="that is respected"),
        pytest.param(200, True, True, id="up to twice the size"),
        pytest.param(120, False, True, id="a move that was put off is made as soon as it can be"),
    ],
)
def test_when_a_visit_ends(produced: int, batch_open: bool, ends: bool) -> None:
    assert visit_ends(produced, 100, batch_open=batch_open) is ends


@pytest.mark.parametrize("batch_size", [0, 1])
def test_batch_size_zero_moves_with_every_record(batch_size: int) -> None:
    assert visit_ends(1, batch_size, batch_open=False)


def test_uniform_without_loads() -> None:
    assert frequencies(Partitions(5), None, 500) == dict.fromkeys(range(5), 100)


def test_only_partitions_with_a_leader() -> None:
    assert frequencies(Partitions(5, (1, 4)), None, 100) == {1: 50, 4: 50}


def test_all_partitions_if_none_has_a_leader() -> None:
    assert frequencies(Partitions(4, ()), None, 100) == dict.fromkeys(range(4), 25)
    assert frequencies(Partitions(2, ()), [0, 1], 300) == {0: 200, 1: 100}


def test_frequencies_as_in_java() -> None:
    assert frequencies(Partitions(5), [5, 0, 3, 0, 1], 210) == {0: 10, 1: 60, 2: 30, 3: 60, 4: 50}
    assert frequencies(Partitions(3), [0, 3, 1], 80) == {0: 40, 1: 10, 2: 30}


def test_equal_loads_are_uniform() -> None:
    assert frequencies(Partitions(4), [7, 7, 7, 7], 100) == dict.fromkeys(range(4), 25)


def test_loads_count_only_where_there_is_a_leader() -> None:
    assert frequencies(Partitions(4, (0, 2)), [3, 0, 1, 9], 100) == {0: 25, 2: 75}


def test_the_own_rack_comes_first_while_it_leads_anything() -> None:
    there = Partitions(4, (0, 1, 3))
    assert {weigh(there, None, (1, 3)).pick(random) for random in range(100)} == {1, 3}
    weighted = weigh(there, [9, 0, 0, 2], (1, 3))
    assert Counter(weighted.pick(random) for random in range(100)) == {1: 75, 3: 25}
    assert {weigh(there, None, ()).pick(random) for random in range(100)} == {0, 1, 3}


def test_negative_loads_are_left_out() -> None:
    assert frequencies(Partitions(4), [0, -1, 1, 0], 100) == {0: 40, 2: 20, 3: 40}
    assert frequencies(Partitions(4), [-1, -1, 1, -1], 10) == {2: 10}


def test_uniform_if_all_are_left_out() -> None:
    assert frequencies(Partitions(4, (1, 3)), [-1, -1, -1, -1], 100) == {1: 50, 3: 50}


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
    chosen = weigh(Partitions(count, sorted(available)), loads).pick(random)
    assert chosen in (available or range(count))
    if loads is not None and any(loads[partition] >= 0 for partition in available or range(count)):
        assert loads[chosen] >= 0


@given(st.lists(st.tuples(st.integers(1, 250), st.booleans()), max_size=60))
def test_a_visit_is_one_to_two_batches_long(appends: list[tuple[int, bool]]) -> None:
    visit = 0
    for size, batch_open in appends:
        assert visit < longest_visit(100)
        visit += size
        switch = visit_ends(visit, 100, batch_open=batch_open)
        assert switch == (visit >= 200 or (visit >= 100 and not batch_open))
        if switch:
            visit = 0


RECORD = 10
FULL = 1000
TAKEN_AT = {0: FULL, 1: 300, 2: 300}
"""The bytes at which a batch leaves: a slow broker takes one only when it is full, the fast ones earlier."""


def test_partitions_stay_even_although_brokers_differ() -> None:
    random = Random(794)
    there = Partitions(len(TAKEN_AT))

    by_batches = UniformStickyPartitioner(lambda: random.getrandbits(31))
    drifted: Counter[int] = Counter()
    for _ in range(3000):
        partition = by_batches("t", None, None, there)
        drifted[partition] += TAKEN_AT[partition]
        by_batches.on_new_batch("t", there, partition)
    # Moving on with every batch (KIP-480) gives the slow broker its share of batches, and so most of the bytes.
    assert drifted[0] / drifted.total() > 0.55

    even: Counter[int] = Counter()
    for _ in range(3000):
        partition = weigh(there, None).pick(random.getrandbits(31))
        visit, batch, moved = 0, 0, False
        while not moved:
            batch = (batch + RECORD) % TAKEN_AT[partition]
            visit += RECORD
            moved = visit_ends(visit, FULL, batch_open=batch > 0)
        even[partition] += visit
    share = even.total() / len(there)
    assert all(abs(even[partition] - share) < share * 0.25 for partition in there)
