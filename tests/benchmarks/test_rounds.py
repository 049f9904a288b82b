"""The order in which the clients of a measure have their turns, and how many rounds it has."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import cast

import pytest

from benchmarks.__main__ import parse, run_measure
from benchmarks.clients.names import AIOKAFKA, CONFLUENT, CONFLUENT_THREAD, OURS
from benchmarks.figures import Sample
from benchmarks.measures.base import Bench, Measure, each, half, once
from benchmarks.programs import RunFailedError
from benchmarks.shapes import MOCK

NO_BENCH = cast(Bench, None)  # nothing here looks at it


def measure(run: Callable[[Bench, str], Sample], rounds: Callable[[int], int]) -> Measure:
    clients = (OURS, AIOKAFKA, CONFLUENT)
    return Measure(name="m", title="", columns=(), brokers=(MOCK,), clients=clients, run=run, rounds=rounds)


@pytest.mark.parametrize(("rounds", "expected"), [(each, [1, 2, 3, 4]), (half, [1, 1, 2, 2]), (once, [1, 1, 1, 1])])
def test_a_measure_has_its_part_of_the_rounds(rounds: Callable[[int], int], expected: list[int]) -> None:
    taken = []

    def run(_bench: Bench, client: str) -> Sample:
        taken.append(client)
        return {"acknowledged": len(taken)}

    for asked, number in enumerate(expected, 1):
        taken.clear()
        plan = parse(["--rounds", str(asked)])
        outcomes = run_measure(measure(run, rounds), MOCK, lambda _measure: nullcontext(NO_BENCH), plan)
        assert [len(outcome) for outcome in outcomes.values()] == [number] * 3
        clients = [OURS, AIOKAFKA, CONFLUENT]
        assert taken == [clients[(first + turn) % 3] for first in range(number) for turn in range(3)]


def test_the_slow_have_every_other_turn() -> None:
    taken = []

    def run(_bench: Bench, client: str) -> Sample:
        taken.append(client)
        return {"acknowledged": 1}

    with_a_slow_one = replace(measure(run, each), clients=(OURS, CONFLUENT_THREAD, CONFLUENT))
    run_measure(with_a_slow_one, MOCK, lambda _measure: nullcontext(NO_BENCH), parse(["--rounds", "3"]))
    assert [taken.count(client) for client in (OURS, CONFLUENT_THREAD, CONFLUENT)] == [3, 2, 3]
    assert taken[:5] == [OURS, CONFLUENT_THREAD, CONFLUENT, CONFLUENT, OURS]


def test_who_fails_once_has_no_further_turn() -> None:
    turns = []

    def run(_bench: Bench, client: str) -> Sample:
        turns.append(client)
        if client == AIOKAFKA:
            raise RunFailedError("too slow")
        return {"acknowledged": 1}

    outcomes = run_measure(measure(run, each), MOCK, lambda _measure: nullcontext(NO_BENCH), parse(["--rounds", "3"]))
    assert outcomes[AIOKAFKA] == "FAILED in round 1 of 3: too slow"
    assert (turns.count(AIOKAFKA), len(outcomes[OURS]), len(outcomes[CONFLUENT])) == (1, 3, 3)
