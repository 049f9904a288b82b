"""From samples to a table in the terminal: medians, spread, ratios to aioproducer. Arithmetic and text only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.clients.names import OURS, TITLES
from benchmarks.figures import FIGURES, Outcome, Sample, figure_of

ABSENT = "-"


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of the rounds, and their range."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(median(values), min(values), max(values))


def spread_of(name: str, samples: Sequence[Sample]) -> Spread | None:
    """A figure over all rounds; None if no round has it."""
    values = [value for value in (figure_of(name, sample) for sample in samples) if value is not None]
    return Spread.of(values) if values else None


def ratio(value: float, ours: float | None) -> str:
    """`value` as a multiple of ours."""
    return ABSENT if not ours else f"{value / ours:.2f}"


def _cells(name: str, spread: Spread | None, ours: Spread | None) -> tuple[str, str, str]:
    if spread is None:
        return ABSENT, ABSENT, ABSENT
    digits = FIGURES[name].digits
    low, high = f"{spread.low:.{digits}f}", f"{spread.high:.{digits}f}"
    return (
        f"{spread.median:.{digits}f}",
        ABSENT if low == high else f"{low}-{high}",
        ratio(spread.median, ours.median if ours else None),
    )


def table(title: str, columns: Sequence[str], outcomes: Mapping[str, Outcome]) -> str:
    """One measure: a row per client, three columns per figure."""
    samples = {name: outcome for name, outcome in outcomes.items() if not isinstance(outcome, str) and outcome}
    rows: list[list[str]] = [["", *(cell for name in columns for cell in (FIGURES[name].title, "min-max", "x ours"))]]
    for client, rounds in samples.items():
        row = [TITLES[client]]
        for name in columns:
            ours = spread_of(name, samples[OURS]) if OURS in samples else None
            row += _cells(name, spread_of(name, rounds), ours)
        rows.append(row)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    notes = [f"{TITLES[client]}: {outcome}" for client, outcome in outcomes.items() if isinstance(outcome, str)]
    return "\n".join([title, *lines, *notes])
