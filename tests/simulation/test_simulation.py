"""Thousands of schedules of faults, each from one seed, without a violation; and each of them the same every time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.__main__ import report
from tests.simulation.mutations import MUTATIONS, put_in
from tests.simulation.pool import many
from tests.simulation.run import Result, draw_plan, simulate

ROOT = Path(__file__).parents[2]
SEEDS = 2_000
_SHOWN = 3


def test_whatever_happens_every_promise_is_kept() -> None:
    ran = 0
    failed: list[Result] = []
    for number, bad in many(range(SEEDS)):
        ran += number
        failed += bad
    seeds = [result.seed for result in failed]
    assert not failed, "\n\n".join([*map(report, failed[:_SHOWN]), f"seeds that failed: {seeds}"])
    assert ran == SEEDS


def test_every_kind_of_fault_is_drawn() -> None:
    from tests.simulation.faults import KINDS

    drawn = {fault.kind for seed in range(SEEDS) for fault in draw_plan(seed).faults}
    assert drawn == KINDS.keys()


@pytest.mark.parametrize("seed", [3, 14, 36])
def test_a_seed_is_the_same_run_again(seed: int) -> None:
    first, other, again = simulate(seed), simulate(seed + 1), simulate(seed)
    assert first.story == again.story
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_a_seed_is_the_same_run_in_any_process() -> None:
    code = (
        "import json; from tests.simulation.run import simulate; "
        "print(json.dumps([simulate(seed).fingerprint for seed in range(12)]))"
    )
    found = []
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=environment, check=True, capture_output=True, timeout=60
        )
        found.append(json.loads(done.stdout))
    assert found[0] == found[1] == [simulate(seed).fingerprint for seed in range(12)]


def test_a_run_that_fails_says_what_happened_and_how_to_play_it_again() -> None:
    with put_in(MUTATIONS["a byte is not given back"]):
        failed = next(result for seed in range(50) if (result := simulate(seed)).wrong)
    told = report(failed)
    assert "WRONG: not at rest" in told
    assert f"again: make simulate SEED={failed.seed}" in told
    for part in ("options {", "fault at", "work ", "Produce", "#0 to "):
        assert part in told
