"""What is told of a sample: rates, costs and latencies, each with its unit, computed from what was counted.

A sample is a flat mapping of numbers, as a worker prints it and the JSON keeps it; a figure that a sample has not the
numbers for is None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

Sample: TypeAlias = Mapping[str, float]
Outcome: TypeAlias = "list[Sample] | str"
"""A client's rounds, or in words why there are none."""

FAILED = "FAILED"
"""What the words begin with if it should have worked."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One column: `of` computes it; `digits` behind the point."""

    title: str
    digits: int
    of: Callable[[Sample], float | None]


def _given(name: str, factor: float = 1.0) -> Callable[[Sample], float | None]:
    def of(sample: Sample) -> float | None:
        value = sample.get(name)
        return None if value is None else value * factor

    return of


def _quotient(above: str, below: str, factor: float = 1.0) -> Callable[[Sample], float | None]:
    def of(sample: Sample) -> float | None:
        upper, lower = sample.get(above), sample.get(below)
        return None if upper is None or not lower else upper / lower * factor

    return of


FIGURES: dict[str, Figure] = {
    "rate": Figure("k records/s", 1, _quotient("acknowledged", "seconds", 1e-3)),
    "cpu": Figure("us CPU/record", 2, _quotient("cpu_seconds", "acknowledged", 1e6)),
    "mb": Figure("MB/s", 1, _quotient("bytes", "seconds", 1e-6)),
    "mb_per_cpu": Figure("MB per CPU s", 0, _quotient("bytes", "cpu_seconds", 1e-6)),
    "gc": Figure("GC % of CPU", 1, _quotient("gc_seconds", "cpu_seconds", 100)),
    "seconds": Figure("s", 3, _given("seconds")),
    "p50": Figure("p50 ms", 3, _given("p50_ms")),
    "p99": Figure("p99 ms", 3, _given("p99_ms")),
    "memory": Figure("MiB", 0, _given("peak_rss_mib")),
    "first": Figure("first ack ms", 2, _given("first_ms")),
    "cold": Figure("in a new process ms", 2, _given("cold_ms")),
    "requests": Figure("requests per 100,000", 0, _quotient("requests", "acknowledged", 1e5)),
    "wire": Figure("MB out per 100,000", 3, _quotient("wire_bytes", "acknowledged", 0.1)),
    "pause": Figure("pause p99.9 ms", 2, _given("pause_p999_ms")),
    "longest": Figure("longest ms", 2, _given("pause_max_ms")),
    "above": Figure("B above the record's", 0, _given("bytes_above")),
    "kept": Figure("with its Delivery kept", 0, _given("bytes_above_kept")),
    "early": Figure("MiB after a tenth", 1, _given("early_mib")),
    "late": Figure("MiB at the end", 1, _given("late_mib")),
    "floor-raw": Figure("raw p50 ms", 3, _given("raw_p50_ms")),
    "floor-encoded": Figure("by hand p50 ms", 3, _given("encoded_p50_ms")),
    "floor-coded": Figure("our codecs p50 ms", 3, _given("coded_p50_ms")),
    "floor-raw-p99": Figure("raw p99 ms", 3, _given("raw_p99_ms")),
    "floor-encoded-p99": Figure("by hand p99 ms", 3, _given("encoded_p99_ms")),
    "floor-coded-p99": Figure("our codecs p99 ms", 3, _given("coded_p99_ms")),
    "floor-switch": Figure("switch us CPU", 2, _given("switch_us")),
    "floor-flood": Figure("20,000 tasks s", 3, _given("flood_seconds")),
    "collector-let-go": Figure("us, nothing kept", 3, _quotient("gc_seconds_let_go", "acknowledged", 1e6)),
    "collector-kept": Figure("us, Deliveries kept", 3, _quotient("gc_seconds_kept", "acknowledged", 1e6)),
    "collector-pairs": Figure("us, as many pairs kept", 3, _quotient("gc_seconds_pairs", "acknowledged", 1e6)),
    "import": Figure("import ms", 1, _given("import_ms")),
}


def figure_of(name: str, sample: Sample) -> float | None:
    return FIGURES[name].of(sample)
