"""The demo's picture: what a producer held and had in flight over time, as rows of blocks. Pure: samples in,
lines out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aioproducer.telemetry.metrics import ProducerMetrics

_BLOCKS = " ▁▂▃▄▅▆▇█"

# The rows of what is counted: its label, its total, and whether there is a row if it never happened.
_COUNTS: tuple[tuple[str, Callable[[ProducerMetrics], int], bool], ...] = (
    ("batches sent again", lambda metrics: metrics.batch_retry_total, True),
    ("partitions re-routed", lambda metrics: metrics.reroute_total, True),
    ("batches split", lambda metrics: metrics.batch_split_total, False),
    ("batches expired", lambda metrics: metrics.batch_expiry_total, False),
    ("epochs raised", lambda metrics: metrics.epoch_bump_total, False),
    ("throttled by a broker", lambda metrics: metrics.throttle_total, False),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the producer. time: seconds since the start. moved: a leader was moved since the last look."""

    time: float
    metrics: ProducerMetrics
    moved: bool


def draw(samples: Sequence[Sample], brokers: Sequence[int], width: int = 64) -> list[str]:
    """The rows of the picture, each `width` columns of time: the highest value of a column's samples, and its scale."""
    if not samples:
        return []
    end = samples[-1].time or 1.0
    columns: list[list[Sample]] = [[] for _ in range(width)]
    for sample in samples:
        columns[min(width - 1, int(sample.time / end * width))].append(sample)

    def row(label: str, value: Callable[[Sample], int]) -> str:
        tops = [max((value(sample) for sample in column), default=0) for column in columns]
        most = max(tops)
        blocks = "".join(_BLOCKS[_height(top, most)] for top in tops)
        return f"  {label:<22}│{blocks}│ at most {most}"

    def in_flight(broker: int) -> Callable[[Sample], int]:
        return lambda sample: sample.metrics.requests_in_flight.get(broker, 0)

    lines = [row("batches in the buffer", lambda sample: sample.metrics.buffered_batches)]
    lines += (row(f"in flight, broker {broker}", in_flight(broker)) for broker in brokers)

    def counts(label: str, total: Callable[[ProducerMetrics], int]) -> str:
        marks = ""
        before = 0
        for column in columns:
            after = total(column[-1].metrics) if column else before
            marks += _mark(after - before)
            before = after
        return f"  {label:<22}│{marks}│ {before} in all"

    last = samples[-1].metrics
    lines += (counts(label, total) for label, total, always in _COUNTS if always or total(last))
    moves = "".join("▲" if any(sample.moved for sample in column) else " " for column in columns)
    lines.append(f"  {'leader moved':<22}│{moves}│ {moves.count('▲')} times")
    lines.append(f"  {'':<22}└{'─' * width}┘ {end:.1f} s")
    return lines


def _height(value: int, most: int) -> int:
    """A block for a value: something for anything above zero."""
    if not value:
        return 0
    return max(1, round(value / most * (len(_BLOCKS) - 1)))


def _mark(count: int) -> str:
    if not count:
        return "·"
    return str(count) if count < 10 else "+"
