"""The arithmetic, the tables and the picture of the growth benchmark, and the meter of pauses. Nothing is timed."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import asdict
from itertools import groupby
from typing import Any

import pytest

from benchmarks.growth.__main__ import parse
from benchmarks.growth.chart import COLOURS, draw
from benchmarks.growth.clients import CLIENTS
from benchmarks.growth.goals import GOALS
from benchmarks.growth.loads import (
    DRAIN_SIZES,
    FULL_BATCH,
    LOADS,
    SMALL_BATCH,
    SMALL_BATCH_SIZE,
    VALUE,
    Kind,
    Load,
    load_named,
    loads_of,
)
from benchmarks.growth.pauses import PauseMeter
from benchmarks.growth.report import Outcomes, batch_cost, outcomes_of, per_topic_and_partition, tables
from benchmarks.growth.worker import Sample
from benchmarks.pages.growth import pages
from tests.support.batching import CollectingLoop, Core

SVG = "{http://www.w3.org/2000/svg}"


def sample(**figures: float) -> Sample:
    return Sample(acknowledged=1, figures=figures)


def costs(kind: Kind, client: str, *cpu: float) -> dict[str, dict[str, list[Sample] | str]]:
    per_batch = FULL_BATCH if kind is Kind.RUNS else SMALL_BATCH
    return {
        load.name: {client: [sample(cpu_us_per_record=each, records_per_batch=per_batch)]}
        for load, each in zip(loads_of(kind), cpu, strict=True)
    }


@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.name)
def test_a_load_is_found_by_its_name_and_names_all_its_topics(load: Load) -> None:
    assert load_named(load.name) is load
    assert len(set(load.names)) == load.topics == len(load.specs)


def test_an_unknown_load_names_those_there_are() -> None:
    with pytest.raises(ValueError, match="first-send-5000x2"):
        load_named("sideways")


def test_in_runs_a_topic_gets_a_batch_for_each_partition_and_then_comes_the_next() -> None:
    load = Load(kind=Kind.RUNS, topics=3, partitions=2)
    runs = [(target, len(list(run))) for target, run in groupby(load.targets(2 * FULL_BATCH * 4))]
    assert runs == [((name, None), 2 * FULL_BATCH) for name in (*load.names, load.names[0])]


def test_in_turns_each_record_goes_to_another_topic() -> None:
    load = Load(kind=Kind.TURNS, topics=3, partitions=2)
    targets = list(load.targets(9))
    assert targets[:4] == [(name, None) for name in (*load.names, load.names[0])]
    assert set(Counter(targets).values()) == {3}


def test_a_slice_of_turns_fills_each_partition_of_the_largest_load() -> None:
    largest = loads_of(Kind.TURNS)[-1]
    assert largest.slice_size == largest.topics * largest.partitions * SMALL_BATCH
    assert all(load.count(quick=False) % load.slice_size == 0 for load in loads_of(Kind.TURNS))
    assert all(load.count(quick=True) >= load.slice_size for load in loads_of(Kind.RUNS) + loads_of(Kind.TURNS))


def test_the_largest_load_of_runs_visits_every_topic() -> None:
    largest = loads_of(Kind.RUNS)[-1]
    assert largest.count(quick=False) >= largest.topics * largest.partitions * FULL_BATCH


@pytest.mark.parametrize("delta_ms", [0, 60_000])
def test_a_small_batch_is_full_with_its_records_however_far_apart_they_are(delta_ms: int) -> None:
    core = Core(batch_size=SMALL_BATCH_SIZE)
    core.know("orders", 0)
    for number in range(SMALL_BATCH + 1):
        core.send(value=VALUE, partition=0, timestamp_ms=1_700_000_000_000 + min(number, 1) * delta_ms)
    assert [batch.count for batch in core.queue().batches()] == [SMALL_BATCH, 1]


def test_everywhere_is_each_partition_once() -> None:
    assert len(set(Load(kind=Kind.DRAIN, topics=5, partitions=3).everywhere())) == 15
    drain = loads_of(Kind.DRAIN)[0]
    assert drain.topics * drain.partitions == DRAIN_SIZES[-1]
    assert all(DRAIN_SIZES[-1] % size == 0 for size in DRAIN_SIZES)


def test_what_a_batch_costs_is_told_apart_from_what_a_record_costs() -> None:
    record, batch = 2.0, 30.0
    assert batch_cost((record + batch / 150, 150), (record + batch / 20, 20)) == pytest.approx((record, batch))


def test_what_a_topic_takes_is_told_apart_from_what_a_partition_takes() -> None:
    topic, partition = 700.0, 50.0
    wide, many = loads_of(Kind.KNOWN)
    taken = [load.topics * topic + load.topics * load.partitions * partition for load in (wide, many)]
    assert per_topic_and_partition(taken[0], taken[1], wide, many) == pytest.approx((topic, partition))


def test_the_table_of_costs_has_medians_ranges_and_growth() -> None:
    outcomes = costs(Kind.RUNS, "aioproducer", 2.0, 2.1, 2.2)
    outcomes[loads_of(Kind.RUNS)[0].name]["aioproducer"] = [
        sample(cpu_us_per_record=cpu, records_per_batch=FULL_BATCH) for cpu in (1.5, 2.0, 4.0)
    ]
    row = tables(outcomes).splitlines()[2]
    assert row.split() == (
        [
            "aioproducer",
            "2.00",
            "(1.50-4.00)",
            "130",
            "2.10",
            "(2.10-2.10)",
            "130",
            "2.20",
            "(2.20-2.20)",
            "130",
            "1.10",
        ]
    )


def test_a_client_without_figures_has_a_row_and_a_sentence() -> None:
    (load,) = loads_of(Kind.FIRST_SEND)
    lines = tables({load.name: {"aiokafka": "FAILED in round 1: not done after 60 s"}}).splitlines()
    assert lines[2].split() == ["aiokafka", "-", "-", "-", "-"]
    assert lines[3] == "aiokafka, 5,000 x 2: FAILED in round 1: not done after 60 s"


def test_every_load_has_its_place_in_the_tables() -> None:
    figures = {
        Kind.DRAIN: {
            f"{what}_{size}": 7.0
            for what in ("buffer_cpu_us_per_record", "drain_cpu_us_per_record", "drain_ms")
            for size in DRAIN_SIZES
        },
        Kind.KNOWN: {"bytes": 1e6},
        Kind.WRITTEN: {"bytes": 2e6},
        Kind.METADATA: {
            f"{what}_{unit}": 3.0 for what in ("idle", "first", "refresh") for unit in ("pause_ms", "pause_cpu_ms")
        },
        Kind.FIRST_SEND: {"seconds": 1.0, "cpu_us_per_record": 50.0, "pause_ms": 20.0, "pause_cpu_ms": 10.0},
        Kind.RUNS: {"cpu_us_per_record": 2.0, "records_per_batch": 130.0},
        Kind.TURNS: {"cpu_us_per_record": 4.0, "records_per_batch": 20.0},
    }
    kept = {load.name: {"aioproducer": [asdict(sample(**figures[load.kind]))]} for load in LOADS}
    parts = tables(outcomes_of(kept)).split("\n\n")
    assert len(parts) == 7
    assert all(" - " not in line and not line.endswith(" -") for part in parts for line in part.splitlines()[2:])


def test_the_pause_is_the_longest_turn_and_only_of_its_time() -> None:
    loop = CollectingLoop()
    wall = iter([0.0, 0.1, 0.5, 0.6, 10.0, 10.2])
    cpu = iter([0.0, 0.1, 0.2, 0.3, 1.0, 1.1])
    meter = PauseMeter(loop, wall_clock=wall.__next__, cpu_clock=cpu.__next__)
    meter.start()
    loop.turn()
    loop.turn()
    meter.stop()
    assert (meter.wall, meter.cpu) == pytest.approx((0.4, 0.1))
    loop.turn()
    assert not loop.calls
    meter.start()
    meter.stop()
    assert (meter.wall, meter.cpu) == pytest.approx((0.2, 0.1))


def test_the_picture_has_a_line_for_each_client_and_kind() -> None:
    outcomes = costs(Kind.RUNS, "aioproducer", 2.0, 2.0, 2.0)
    for load, clients in costs(Kind.RUNS, "aiokafka", 10.0, 20.0, 40.0).items():
        outcomes[load].update(clients)
    outcomes |= costs(Kind.TURNS, "aioproducer", 4.0, 4.0, 4.4)
    text = draw(outcomes)
    assert text == draw(outcomes)
    root = ET.fromstring(text)
    lines = {(each.get("stroke"), each.get("stroke-dasharray")): each for each in root.iter(f"{SVG}polyline")}
    ours, theirs = COLOURS["aioproducer"], COLOURS["aiokafka"]
    assert set(lines) == {(ours, None), (theirs, None), (ours, "5 4")}
    heights = {
        key: [float(point.split(",")[1]) for point in (each.get("points") or "").split()] for key, each in lines.items()
    }
    assert len(set(heights[ours, None])) == 1
    up = heights[theirs, None]
    assert up[0] - up[1] == pytest.approx(up[1] - up[2], abs=0.2)
    labels = [each.text for each in root.iter(f"{SVG}text")]
    assert "4.4 us: aioproducer, batches of 20" in labels


def test_the_picture_of_nothing_has_its_axes() -> None:
    root = ET.fromstring(draw({}))
    assert not list(root.iter(f"{SVG}polyline"))
    assert [each.text for each in root.iter(f"{SVG}text")][-1] == "us of CPU per record"


def test_arguments() -> None:
    assert parse([]).loads == list(LOADS)
    assert parse([]).clients == list(CLIENTS)
    assert (parse([]).rounds, parse(["--quick"]).rounds) == (3, 1)
    with pytest.raises(SystemExit):
        parse(["--loads", "sideways"])
    with pytest.raises(SystemExit):
        parse(["--clients", "sideways"])


def test_goals_are_held_against_the_medians() -> None:
    wide, many = loads_of(Kind.WRITTEN)
    outcomes: Outcomes = {
        **costs(Kind.RUNS, "aioproducer", 3.0, 3.1, 3.6),
        wide.name: {"aioproducer": [sample(bytes=1_000.0 + 190 * 10_000)]},
        many.name: {"aioproducer": [sample(bytes=1_000.0 * 5_000 + 190 * 10_000)]},
        loads_of(Kind.METADATA)[0].name: {"aioproducer": [sample(first_pause_ms=7.0, refresh_pause_ms=2.0)]},
    }
    figures = {goal.says: goal.of(outcomes, "aioproducer") for goal in GOALS}
    assert figures["CPU per record at 5,000 x 2 over that at 1 x 6, full batches"] == pytest.approx(1.2)
    assert figures["bytes of an idle topic, written to"] == pytest.approx(1_000)
    assert figures["bytes of an idle partition, written to"] == pytest.approx(190)
    assert figures["longest pause at the first answer for 10,000 partitions, ms"] == 7.0
    assert figures["longest pause at a refresh of 10,000 partitions, ms"] == 2.0
    assert figures["the same, batches of 20"] is None
    assert all(goal.of(outcomes, "aiokafka") is None for goal in GOALS)


def test_the_page_says_which_goals_are_met() -> None:
    ran = {**costs(Kind.RUNS, "aioproducer", 3, 3, 3), **costs(Kind.TURNS, "aioproducer", 5, 6, 7)}
    content: dict[str, Any] = {
        "command": "python -m benchmarks.growth",
        "time": "now",
        "rounds": 3,
        "broker": "a mock",
        "machine": {"versions": {"python": "3.11"}, "cores": 2, "system": "Linux"},
        "results": {
            name: {
                client: [asdict(each) for each in samples if isinstance(each, Sample)]
                for client, samples in clients.items()
            }
            for name, clients in ran.items()
        },
    }
    made = pages(content, "run.json")
    page = made["docs/growth.md"]
    assert "| CPU per record at 5,000 x 2 over that at 1 x 6, full batches | 1.1 | 1.00 | - | yes |" in page
    assert "| the same, batches of 20 | 1.1 | 1.40 | - | **no** |" in page
    assert "| draining, CPU per record, 10,000 partitions over 1,250 | 1.1 | - | - | not measured |" in page
    assert tables(outcomes_of(content["results"])) in page
    assert made["docs/charts/growth.svg"] == draw(outcomes_of(content["results"]))
