"""How evenly records are spread, by the chi-square test over fixed seeds: the same figures in each run.

`uneven` is held against rules that are a little wrong, so that it is known to find them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from random import Random
from statistics import NormalDist

import pytest

from aioproducer.partitioning.base import Partitions
from aioproducer.partitioning.foreign import Fnv1aPartitioner
from aioproducer.partitioning.keyless import StickyByTopic
from aioproducer.partitioning.murmur2 import partition_for_key
from aioproducer.partitioning.sticky import weigh

SEEDS = range(20)
DRAWS = 4000


def statistic(observed: Mapping[int, int], weights: Mapping[int, int]) -> float:
    """Pearson's, of what was observed against what the weights let expect."""
    assert observed.keys() <= weights.keys(), "one was chosen that has no weight"
    total, share = sum(observed.values()), sum(weights.values())
    expected = {each: total * weight / share for each, weight in weights.items()}
    return sum((observed.get(each, 0) - wanted) ** 2 / wanted for each, wanted in expected.items())


def quantile(probability: float, freedom: int) -> float:
    """Of the chi-square distribution, by Wilson and Hilferty; right to some thousandths from 2 degrees on."""
    step = 2 / (9 * freedom)
    return float(freedom * (1 - step + NormalDist().inv_cdf(probability) * step**0.5) ** 3)


def uneven(runs: Sequence[Mapping[int, int]], weights: Mapping[int, int]) -> bool:
    """Whether chance would hardly bring that about: one of the runs, or all together, or all are too even to be by
    chance. Sums of the statistic have the sum of the freedoms.
    """
    freedom = len(weights) - 1
    found = [statistic(run, weights) for run in runs]
    together = freedom * len(runs)
    return (
        max(found) > quantile(0.9999, freedom)
        or sum(found) > quantile(0.999, together)
        or sum(found) < quantile(0.001, together)
    )


def drawn(choose: Callable[[int], int]) -> list[Counter[int]]:
    """A run per seed: how often `choose`, given the numbers that a producer draws, chose what."""
    runs = []
    for seed in SEEDS:
        random = Random(seed)
        runs.append(Counter(choose(random.getrandbits(31)) for _ in range(DRAWS)))
    return runs


def test_the_quantiles() -> None:
    # From the tables.
    assert quantile(0.95, 4) == pytest.approx(9.488, rel=0.01)
    assert quantile(0.999, 10) == pytest.approx(29.588, rel=0.01)
    assert quantile(0.001, 100) == pytest.approx(61.918, rel=0.01)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda random: min(random % 8, 6), id="one twice as often"),
        pytest.param(lambda random: random % 100 % 7, id="two of seven by a fourteenth more often"),
        pytest.param(lambda random: 0 if random % 60 == 0 else random % 7, id="one by a tenth more often"),
    ],
)
def test_rules_that_are_a_little_wrong_are_found(wrong: Callable[[int], int]) -> None:
    assert uneven(drawn(wrong), dict.fromkeys(range(7), 1))


def test_what_is_no_chance_at_all_is_found() -> None:
    turns = iter(range(len(SEEDS) * DRAWS))
    assert uneven(drawn(lambda _random: next(turns) % 7), dict.fromkeys(range(7), 1))


@pytest.mark.parametrize("count", [3, 7, 50])
def test_without_loads_all_partitions_are_alike(count: int) -> None:
    assert not uneven(drawn(weigh(Partitions(count), None).pick), dict.fromkeys(range(count), 1))


@pytest.mark.parametrize(
    ("loads", "available", "near", "weights"),
    [
        # Java's own examples; a weight is the longest queue plus one, less the partition's own.
        ([0, 3, 1], None, (), {0: 4, 1: 1, 2: 3}),
        ([5, 0, 3, 0, 1], None, (), {0: 1, 1: 6, 2: 3, 3: 6, 4: 5}),
        ([4, 4, 4, 4], None, (), {0: 1, 1: 1, 2: 1, 3: 1}),
        # A slow broker is left out, and so is what has no leader, however short its queue.
        ([2, -1, 0, 1], None, (), {0: 1, 2: 3, 3: 2}),
        ([2, 0, 9, 1], (0, 1, 3), (), {0: 1, 1: 3, 3: 2}),
        # The own rack alone, by the weights among its own.
        ([0, 3, 7, 1], None, (0, 1, 3), {0: 4, 1: 1, 3: 3}),
        ([-1, -1, -1, -1], (0, 1, 3), (), {0: 1, 1: 1, 3: 1}),
    ],
)
def test_adaptive_weights(
    loads: Sequence[int], available: Sequence[int] | None, near: Sequence[int], weights: dict[int, int]
) -> None:
    assert not uneven(drawn(weigh(Partitions(len(loads), available), loads, near).pick), weights)


def test_weights_follow_queues_of_any_length() -> None:
    lengths = Random(3)
    for _ in range(5):
        loads = [lengths.randrange(12) for _ in range(9)]
        weights = {partition: max(loads) + 1 - load for partition, load in enumerate(loads)}
        assert not uneven(drawn(weigh(Partitions(len(loads)), loads).pick), weights)


KEYS: dict[str, Callable[[int, Random], bytes]] = {
    "numbers": lambda number, _random: b"%d" % number,
    "names": lambda number, _random: b"customer-%07d" % number,
    "integers": lambda number, _random: number.to_bytes(8, "big"),
    "uuids": lambda _number, random: random.randbytes(16).hex().encode(),
}


@pytest.mark.parametrize("partitions", [3, 12, 50])
@pytest.mark.parametrize("kind", KEYS)
def test_keys_are_spread_evenly(kind: str, partitions: int) -> None:
    """Each run has keys that the others have not."""
    random = Random(7)
    keys = [[KEYS[kind](run * DRAWS + each, random) for each in range(DRAWS)] for run in SEEDS]
    runs = [Counter(partition_for_key(key, partitions) for key in run) for run in keys]
    assert not uneven(runs, dict.fromkeys(range(partitions), 1))


@pytest.mark.parametrize("partitions", [3, 12, 50])
def test_keys_are_spread_evenly_by_fnv_too(partitions: int) -> None:
    random = Random(8)
    there, partitioner = Partitions(partitions), Fnv1aPartitioner()
    runs = [Counter(partitioner("t", random.randbytes(16), None, there) for _ in range(DRAWS)) for _ in SEEDS]
    assert not uneven(runs, dict.fromkeys(range(partitions), 1))


def test_moving_on_visits_all_the_others_alike() -> None:
    there = Partitions(5, (0, 1, 3, 4))
    runs = []
    for seed in SEEDS:
        random = Random(seed)
        sticky = StickyByTopic(lambda random=random: random.getrandbits(31))  # type: ignore[misc]  # bound now
        visits: Counter[int] = Counter()
        for _ in range(DRAWS):
            before = sticky.choose("t", there)
            sticky.move_on("t", there, before)
            after = sticky.choose("t", there)
            visits[[partition for partition in there.available if partition != before].index(after)] += 1
        runs.append(visits)
    assert not uneven(runs, dict.fromkeys(range(3), 1))
