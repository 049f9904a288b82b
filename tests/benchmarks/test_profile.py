"""Stages of the profile: every place it names exists, and stacks are told apart."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from benchmarks.profile.__main__ import drawn
from benchmarks.profile.sampler import Sampler
from benchmarks.profile.stages import (
    APPENDING,
    KEEPING,
    LOOP,
    PLACING,
    PROGRAM,
    SEALING,
    STAGES,
    TABLE,
    WRITING,
    stage_of,
)

PACKAGE = Path(__file__).parent.parent.parent / "aioproducer"


@pytest.mark.parametrize(("module", "functions", "stage"), TABLE)
def test_what_the_table_names_is_there(module: str, functions: frozenset[str] | None, stage: str) -> None:
    assert stage in STAGES
    path = PACKAGE / module.replace(".", "/")
    if path.is_dir():
        assert functions is None
        return
    source = path.with_suffix(".py").read_text()
    defined = {
        each.name for each in ast.walk(ast.parse(source)) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert (functions or set()) <= defined


def test_the_innermost_frame_that_is_ours_decides() -> None:
    write = ("asyncio.selector_events", "write")
    assert stage_of([write, ("aioproducer.network.sockets", "write"), ("asyncio.events", "_run")]) == WRITING
    assert stage_of([("aioproducer.records.builder", "append"), ("aioproducer.producer", "send")]) == APPENDING
    assert stage_of([("aioproducer.records.builder", "build")]) == SEALING
    assert stage_of([("aioproducer.producer", "send"), ("__main__", "main")]) == PLACING
    assert stage_of([("aioproducer.runtime", "whatever")]) == KEEPING


def test_without_a_frame_of_ours_it_is_the_loop_or_the_program() -> None:
    assert stage_of([("selectors", "select"), ("asyncio.base_events", "_run_once")]) == LOOP
    assert stage_of([("benchmarks.clients.ours", "plain"), ("asyncio.events", "_run")]) == PROGRAM
    assert stage_of([]) == PROGRAM


def test_samples_are_taken_while_it_computes() -> None:
    with Sampler() as sampler:
        total = 0
        while not sampler.stages:
            total += sum(range(1_000))
    assert set(sampler.stages) == {PROGRAM}


def test_bars_are_shares_of_the_cost_of_a_record() -> None:
    lines = drawn({PLACING: 40, LOOP: 10}, records=1_000_000, cpu=5.0)
    by_stage = {line.split("  ")[0].strip(): line for line in lines}
    assert "4.00 us   80.0 %" in by_stage[PLACING]
    assert by_stage[PLACING].count("█") == 4 * by_stage[LOOP].count("█")
    assert "5.00 us" in by_stage["all"]
