"""From samples to the tables of growth: medians, spread, and how much more the largest load costs. Text only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from benchmarks.clients import TITLES
from benchmarks.growth.loads import DRAIN_SIZES, Kind, Load, loads_of
from benchmarks.growth.worker import Sample
from benchmarks.report import ABSENT, Spread, ratio

Outcomes: TypeAlias = Mapping[str, Mapping[str, Sequence[Sample] | str]]
"""By load and client: the samples of the rounds, or in words why there are none."""

CPU = "cpu_us_per_record"
PER_BATCH = "records_per_batch"

_TITLES = {
    Kind.RUNS: "CPU per record, pipelined, 100 B, in runs per topic: full batches (us; records per batch)",
    Kind.TURNS: "CPU per record, pipelined, 100 B, each record to another topic: batches of 20 (us; records per batch)",
}


def outcomes_of(results: Mapping[str, Any]) -> Outcomes:
    """What a report's JSON has under `results`."""
    return {
        load: {
            client: kept if isinstance(kept, str) else [Sample(**sample) for sample in kept]
            for client, kept in clients.items()
        }
        for load, clients in results.items()
    }


def spread(outcomes: Outcomes, load: Load, client: str, figure: str) -> Spread | None:
    """That figure over the rounds; None where there is no sample."""
    samples = outcomes.get(load.name, {}).get(client, ())
    if isinstance(samples, str) or not samples:
        return None
    return Spread.of([sample.figures[figure] for sample in samples])


def batch_cost(full: tuple[float, float], small: tuple[float, float]) -> tuple[float, float]:
    """What a record and what a batch cost, from (cost per record, records per batch) of two loads."""
    (full_cost, full_count), (small_cost, small_count) = full, small
    batch = (small_cost - full_cost) / (1 / small_count - 1 / full_count)
    return full_cost - batch / full_count, batch


def per_topic_and_partition(wide: float, many: float, wide_load: Load, many_load: Load) -> tuple[float, float]:
    """What a topic and what a partition take, of what the topics of two loads take together."""
    (wide_topics, wide_all), (many_topics, many_all) = (
        (load.topics, load.topics * load.partitions) for load in (wide_load, many_load)
    )
    topic = (many * wide_all - wide * many_all) / (many_topics * wide_all - wide_topics * many_all)
    return topic, (wide - topic * wide_topics) / wide_all


def tables(outcomes: Outcomes) -> str:
    """All tables that there is something for."""
    parts = [
        *(_records(outcomes, kind) for kind in (Kind.RUNS, Kind.TURNS)),
        _batches(outcomes),
        _drain(outcomes),
        _memory(outcomes),
        _pauses(outcomes),
        _first_send(outcomes),
    ]
    return "\n\n".join(part for part in parts if part)


def _clients(outcomes: Outcomes, loads: Sequence[Load]) -> list[str]:
    return list(dict.fromkeys(client for load in loads for client in outcomes.get(load.name, ())))


def _table(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], outcomes: Outcomes, loads: Sequence[Load]
) -> str:
    """Rows under their header, and why a client has no figures; empty if nothing was run."""
    if not rows:
        return ""
    every = [header, *rows]
    widths = [max(len(row[column]) for row in every) for column in range(len(header))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in every
    ]
    notes = [
        f"{TITLES[client]}, {load.size}: {outcome}"
        for load in loads
        for client, outcome in outcomes.get(load.name, {}).items()
        if isinstance(outcome, str)
    ]
    return "\n".join([title, *lines, *notes])


def _cell(value: Spread | None, decimals: int = 2) -> str:
    if value is None:
        return ABSENT
    return f"{value.median:.{decimals}f} ({value.low:.{decimals}f}-{value.high:.{decimals}f})"


def _growth(first: Spread | None, last: Spread | None) -> str:
    return ABSENT if first is None or last is None else ratio(last.median, first.median)


def _records(outcomes: Outcomes, kind: Kind) -> str:
    loads = loads_of(kind)
    rows = []
    for client in _clients(outcomes, loads):
        row = [TITLES[client]]
        costs = [spread(outcomes, load, client, CPU) for load in loads]
        for load, cost in zip(loads, costs, strict=True):
            count = spread(outcomes, load, client, PER_BATCH)
            row += [_cell(cost), ABSENT if count is None else f"{count.median:.0f}"]
        rows.append([*row, _growth(costs[0], costs[-1])])
    header = ["", *(cell for load in loads for cell in (load.size, "/batch")), "last/first"]
    return _table(_TITLES[kind], header, rows, outcomes, loads)


def _batches(outcomes: Outcomes) -> str:
    pairs = list(zip(loads_of(Kind.RUNS), loads_of(Kind.TURNS), strict=True))
    header = ["", *(f"{what}, {full.size}" for full, _ in pairs for what in ("record", "batch"))]
    rows = []
    for client in _clients(outcomes, [load for pair in pairs for load in pair]):
        row = [TITLES[client]]
        for pair in pairs:
            points = [
                (cost.median, count.median)
                for load in pair
                if (cost := spread(outcomes, load, client, CPU))
                and (count := spread(outcomes, load, client, PER_BATCH))
            ]
            if len(points) == 2 and points[0][1] != points[1][1]:
                record, batch = batch_cost(points[0], points[1])
                row += [f"{record:.2f}", f"{batch:.1f}"]
            else:
                row += [ABSENT, ABSENT]
        if any(cell != ABSENT for cell in row[1:]):
            rows.append(row)
    return _table("Of these: what a record and what a batch cost (us of CPU)", header, rows, outcomes, ())


def _drain(outcomes: Outcomes) -> str:
    (load,) = loads_of(Kind.DRAIN)
    rows = []
    for client in _clients(outcomes, [load]):
        for title, figure, decimals in (
            ("buffering, us CPU/record", "buffer_cpu_us_per_record", 1),
            ("draining, us CPU/record", "drain_cpu_us_per_record", 1),
            ("draining, ms", "drain_ms", 0),
        ):
            values = [spread(outcomes, load, client, f"{figure}_{size}") for size in DRAIN_SIZES]
            cells = [_cell(value, decimals) for value in values]
            if any(values):
                rows.append([f"{TITLES[client]}: {title}", *cells, _growth(values[0], values[-1])])
        if isinstance(outcomes[load.name][client], str):
            rows.append([TITLES[client], *(ABSENT for _ in DRAIN_SIZES), ABSENT])
    header = ["", *(f"{size:,}" for size in DRAIN_SIZES), "last/first"]
    return _table("A record in each of so many partitions, then all out", header, rows, outcomes, [load])


def _memory(outcomes: Outcomes) -> str:
    rows = []
    kinds = (Kind.KNOWN, Kind.WRITTEN)
    loads = [load for kind in kinds for load in loads_of(kind)]
    for client in _clients(outcomes, loads):
        row = [TITLES[client]]
        for kind in kinds:
            wide_load, many_load = loads_of(kind)
            wide, many = (spread(outcomes, load, client, "bytes") for load in (wide_load, many_load))
            if wide is None or many is None:
                row += [ABSENT, ABSENT]
            else:
                shares = per_topic_and_partition(wide.median, many.median, wide_load, many_load)
                row += [f"{share:.0f}" for share in shares]
        rows.append(row)
    header = ["", "topic, known", "partition, known", "topic, written once", "partition, written once"]
    return _table("Memory of what is idle (bytes)", header, rows, outcomes, loads)


def _pauses(outcomes: Outcomes) -> str:
    loads = loads_of(Kind.METADATA)
    rows = []
    for client in _clients(outcomes, loads):
        for title, unit in (("", "pause_ms"), (", of CPU", "pause_cpu_ms")):
            cells = [
                _cell(spread(outcomes, load, client, f"{what}_{unit}"), 1)
                for load in loads
                for what in ("idle", "first", "refresh")
            ]
            rows.append([TITLES[client] + title, *cells])
    header = ["", *(f"{load.size}: {what}" for load in loads for what in ("idle", "first answer", "refresh"))]
    return _table("Longest pause of the loop while metadata comes (ms)", header, rows, outcomes, loads)


def _first_send(outcomes: Outcomes) -> str:
    (load,) = loads_of(Kind.FIRST_SEND)
    rows = [
        [TITLES[client], *(_cell(spread(outcomes, load, client, figure), decimals) for figure, decimals in _FIRST)]
        for client in _clients(outcomes, [load])
    ]
    header = ["", "s until all are acknowledged", "us CPU/record", "longest pause, ms", "of CPU, ms"]
    return _table(f"First record to each of {load.topics:,} unknown topics at once", header, rows, outcomes, [load])


_FIRST = (("seconds", 2), (CPU, 1), ("pause_ms", 1), ("pause_cpu_ms", 1))
