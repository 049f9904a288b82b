"""What the garbage collector takes of each record: of a program that keeps what `send` returned, of one that does not,
and of one that keeps as many objects of two attributes and has no producer.

As a program, `python -m benchmarks.measures.collector RECORDS`: starts a mock broker of its own. The last figure is
what CPython asks for a list of objects, whoever makes them: no producer that gives one per record comes below it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from aioproducer import Producer
from benchmarks.brokers import mock_broker
from benchmarks.clients.names import OURS
from benchmarks.figures import Sample
from benchmarks.measures.base import NOWHERE, Bench, Measure, half
from benchmarks.programs import run_program
from benchmarks.shapes import STEADY
from benchmarks.worker import CollectorClock

RECORDS, QUICK_RECORDS = 200_000, 50_000
VALUE = b"x" * 100


class Pair:
    """As much as a `Delivery` has to hold: whose it is, and which one."""

    __slots__ = ("index", "whole")

    def __init__(self, whole: object, index: int) -> None:
        self.whole = whole
        self.index = index


@contextmanager
def _clocked() -> Iterator[CollectorClock]:
    gc.collect()
    clock = CollectorClock()
    gc.callbacks.append(clock)
    try:
        yield clock
    finally:
        gc.callbacks.remove(clock)


async def measure(bootstrap: str, records: int) -> dict[str, float]:
    """Seconds of the collector, and how many records."""
    kept: list[object] = []
    async with Producer(bootstrap) as producer:
        await producer.send(STEADY.topic, VALUE)
        with _clocked() as letting_go:
            for _ in range(records):
                producer.send(STEADY.topic, VALUE)
                await producer.drain()
            await producer.flush()
        with _clocked() as keeping:
            for _ in range(records):
                kept.append(producer.send(STEADY.topic, VALUE))
                await producer.drain()
            await producer.flush()
        kept.clear()
        with _clocked() as without:
            for index in range(records):
                kept.append(Pair(producer, index))
    return {
        "acknowledged": records,
        "gc_seconds_let_go": letting_go.seconds,
        "gc_seconds_kept": keeping.seconds,
        "gc_seconds_pairs": without.seconds,
    }


def main() -> None:
    with mock_broker([STEADY]) as broker:
        print(json.dumps(asyncio.run(measure(broker.bootstrap, int(sys.argv[1])))))


def run(bench: Bench, _client: str) -> Sample:
    return run_program(__name__, QUICK_RECORDS if bench.quick else RECORDS)


MEASURE = Measure(
    name="collector",
    title="the garbage collector, per record, by what the program keeps",
    columns=("collector-let-go", "collector-kept", "collector-pairs"),
    brokers=(NOWHERE,),
    clients=(OURS,),
    rounds=half,
    run=run,
)

if __name__ == "__main__":
    main()
