"""From samples to a table and to JSON: medians, spread, ratios to aioproducer. Arithmetic and text only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.clients import OURS, TITLES
from benchmarks.shapes import Shape
from benchmarks.worker import Sample

ABSENT = "-"
COLUMNS = ("", "k records/s", "min-max", "x ours", "us CPU/record", "min-max", "x ours", "p50 ms", "p99 ms", "MiB")


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of the rounds, and their range."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """All rounds of one client in one shape. Rates in records per second, CPU in microseconds per record."""

    rounds: int
    rate: Spread
    cpu_us: Spread
    peak_rss_mib: float
    p50_ms: float | None
    p99_ms: float | None


def summarise(samples: Sequence[Sample]) -> Summary:
    """The summary of at least one sample."""
    latencies = [sample.latencies_ms for sample in samples if sample.latencies_ms is not None]
    return Summary(
        rounds=len(samples),
        rate=Spread.of([sample.acknowledged / sample.seconds for sample in samples]),
        cpu_us=Spread.of([sample.cpu_seconds / sample.acknowledged * 1e6 for sample in samples]),
        peak_rss_mib=max(sample.peak_rss_mib for sample in samples),
        p50_ms=median(p50 for p50, _ in latencies) if latencies else None,
        p99_ms=median(p99 for _, p99 in latencies) if latencies else None,
    )


def ratio(value: float, ours: float | None) -> str:
    """`value` as a multiple of ours."""
    return ABSENT if not ours else f"{value / ours:.2f}"


def _row(title: str, summary: Summary, ours: Summary | None) -> tuple[str, ...]:
    rate, cpu = summary.rate, summary.cpu_us
    return (
        title,
        f"{rate.median / 1000:.1f}",
        f"{rate.low / 1000:.1f}-{rate.high / 1000:.1f}",
        ratio(rate.median, ours.rate.median if ours else None),
        f"{cpu.median:.1f}",
        f"{cpu.low:.1f}-{cpu.high:.1f}",
        ratio(cpu.median, ours.cpu_us.median if ours else None),
        ABSENT if summary.p50_ms is None else f"{summary.p50_ms:.2f}",
        ABSENT if summary.p99_ms is None else f"{summary.p99_ms:.2f}",
        f"{summary.peak_rss_mib:.0f}",
    )


def table(shape: Shape, outcomes: Mapping[str, Sequence[Sample] | str]) -> str:
    """One shape's table. An outcome is the client's samples, or in words why there are none."""
    summaries = {
        name: summarise(outcome) for name, outcome in outcomes.items() if not isinstance(outcome, str) and outcome
    }
    ours = summaries.get(OURS)
    rows: list[tuple[str, ...]] = [COLUMNS]
    notes: list[str] = []
    for name, outcome in outcomes.items():
        if name in summaries:
            rows.append(_row(TITLES[name], summaries[name], ours))
        elif isinstance(outcome, str):
            notes.append(f"{TITLES[name]}: {outcome}")
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = [
        "  ".join(cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in enumerate(cells))
        for cells in (list(zip(row, widths, strict=True)) for row in rows)
    ]
    return "\n".join([shape.title, *(line.rstrip() for line in lines), *notes])
