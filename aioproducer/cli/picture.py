"""The demo's picture: what a producer held and had in flight over time, as rows of blocks. Pure: samples in,
lines out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aioproducer.telemetry.metrics import ProducerMetrics

_BLOCKS = " ▁▂▃▄▅▆▇█"


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
    retries = [0] * width
    before = 0
    for number, column in enumerate(columns):
        after = column[-1].metrics.batch_retry_total if column else before
        retries[number] = after - before
        before = after
    lines.append(f"  {'batches sent again':<22}│{''.join(_mark(count) for count in retries)}│ {before} in all")
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
