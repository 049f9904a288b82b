"""What is aimed at when topics and partitions are many, and what a run says of it. Values and arithmetic only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmarks.growth.loads import DRAIN_SIZES, Kind, Load, loads_of
from benchmarks.growth.report import CPU, Outcomes, per_topic_and_partition, spread


@dataclass(frozen=True, slots=True)
class Goal:
    """At most `limit`; `of` is the figure of a client, None where it has none. note: why it may be missed."""

    says: str
    limit: float
    digits: int
    of: Callable[[Outcomes, str], float | None]
    note: str = ""


def _median(outcomes: Outcomes, load: Load, client: str, figure: str) -> float | None:
    found = spread(outcomes, load, client, figure)
    return None if found is None else found.median


def _over(last: float | None, first: float | None) -> float | None:
    return None if last is None or not first else last / first


def _records(kind: Kind, outcomes: Outcomes, client: str) -> float | None:
    loads = loads_of(kind)
    return _over(*(_median(outcomes, load, client, CPU) for load in (loads[-1], loads[0])))


def _draining(outcomes: Outcomes, client: str) -> float | None:
    (load,) = loads_of(Kind.DRAIN)
    sizes = (DRAIN_SIZES[-1], DRAIN_SIZES[0])
    return _over(*(_median(outcomes, load, client, f"drain_cpu_us_per_record_{size}") for size in sizes))


def _memory(kind: Kind, place: int, outcomes: Outcomes, client: str) -> float | None:
    wide_load, many_load = loads_of(kind)
    wide, many = (_median(outcomes, load, client, "bytes") for load in (wide_load, many_load))
    if wide is None or many is None:
        return None
    return per_topic_and_partition(wide, many, wide_load, many_load)[place]


def _pause(figure: str, outcomes: Outcomes, client: str) -> float | None:
    pauses = [_median(outcomes, load, client, figure) for load in loads_of(Kind.METADATA)]
    return max((pause for pause in pauses if pause is not None), default=None)


GOALS: tuple[Goal, ...] = (
    Goal(
        "CPU per record at 5,000 x 2 over that at 1 x 6, full batches",
        1.1,
        2,
        partial(_records, Kind.RUNS),
        "it differs from run to run. A topic that comes again after thousands of others is in no cache of the "
        "processor, and the garbage collector has more to walk.",
    ),
    Goal(
        "the same, batches of 20",
        1.1,
        2,
        partial(_records, Kind.TURNS),
        "ten thousand batches are open at once, and each record goes to another one: what it needs of its topic and "
        "its batch is in no cache of the processor, and the garbage collector has all of them to walk. With the "
        "collector switched off half of the difference stays. What is added is of the order of what aiokafka adds, "
        "whose records cost more to begin with.",
    ),
    Goal(
        "draining, CPU per record, 10,000 partitions over 1,250",
        1.1,
        2,
        _draining,
        "one full collection of the garbage collector falls into the largest size, and into none of the others. With "
        "the collector switched off the cost is the same at each size.",
    ),
    Goal("bytes of an idle topic, known", 2048, 0, partial(_memory, Kind.KNOWN, 0)),
    Goal("bytes of an idle topic, written to", 2048, 0, partial(_memory, Kind.WRITTEN, 0)),
    Goal("bytes of an idle partition, known", 200, 0, partial(_memory, Kind.KNOWN, 1)),
    Goal("bytes of an idle partition, written to", 200, 0, partial(_memory, Kind.WRITTEN, 1)),
    Goal("longest pause at the first answer for 10,000 partitions, ms", 20, 1, partial(_pause, "first_pause_ms")),
    Goal("longest pause at a refresh of 10,000 partitions, ms", 20, 1, partial(_pause, "refresh_pause_ms")),
)
