"""Everything that is measured, by name: one client sending a shape, and what needs a program of its own."""

from __future__ import annotations

from benchmarks.measures import (
    collector,
    first_acknowledgement,
    floor,
    imports,
    lifetime,
    memory,
    pauses,
    sending,
    wire,
)
from benchmarks.measures.base import Measure

MEASURES: tuple[Measure, ...] = (
    *sending.MEASURES,
    floor.MEASURE,
    first_acknowledgement.MEASURE,
    wire.MEASURE,
    *pauses.MEASURES,
    memory.MEASURE,
    lifetime.MEASURE,
    collector.MEASURE,
    imports.MEASURE,
)


def measure_named(name: str) -> Measure:
    """The measure of that name; ValueError lists the names there are."""
    for measure in MEASURES:
        if measure.name == name:
            return measure
    raise ValueError(f"nothing is measured as {name!r}; there are: {', '.join(each.name for each in MEASURES)}")
