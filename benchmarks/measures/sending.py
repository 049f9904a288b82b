"""The measures in which one client sends a shape: the worker's sample, and what it wrote read back from the log."""

from __future__ import annotations

from collections import Counter
from functools import partial

from benchmarks import java
from benchmarks.clients import client_named
from benchmarks.clients.names import JAVA
from benchmarks.figures import Sample
from benchmarks.measures.base import Bench, Measure, each, once
from benchmarks.programs import LIMIT_SECONDS, RunFailedError, run_program
from benchmarks.readback import check
from benchmarks.shapes import BOTH, MOCK, REAL, SHAPES, SLOW, Shape

PIPELINED_COLUMNS = ("cpu", "rate", "mb_per_cpu", "gc", "memory")
AWAITED_COLUMNS = ("rate", "cpu", "p50", "p99", "memory")
FLOOD_COLUMNS = ("seconds", "cpu", "p99", "memory")
DISTANT_COLUMNS = ("mb", "cpu")

# Longer than thirty times what those take that can do it.
FLOOD_LIMIT = 10.0

MANY_TOPICS = 1_000

# What `make bench-quick` has time for, and where.
QUICK = {
    "pipelined-100b": BOTH,
    "keyed-headers": (MOCK,),
    "pipelined-1k": (MOCK,),
    "tasks-100": (REAL,),
    "one-at-a-time": (REAL,),
    "distance": (SLOW,),
}


def send(bench: Bench, client: str, shape: Shape) -> Sample:
    """One client in a fresh process, its records read back. RunFailedError, ReadBackError if anything is wrong."""
    records = shape.count(client, quick=bench.quick)
    reader = bench.reader
    before = reader.ends((name, number) for name in shape.topic_names for number in range(shape.partitions))
    if client == JAVA:
        sample = java.send(bench.broker.bootstrap, shape, java.more(shape, records))
    else:
        arguments = (client, shape.name, bench.broker.bootstrap, records, bench.seconds)
        sample = run_program("benchmarks.worker", *arguments, limit=FLOOD_LIMIT if shape.once else LIMIT_SECONDS)
    appended, found = reader.counts(before, reader.ends(before))
    check_contents(client, shape, sample, appended, found)
    return sample


def check_contents(client: str, shape: Shape, sample: Sample, appended: int, found: Counter[bytes]) -> None:
    """Java's tool makes up its values; of them the number and the size are known."""
    if client == JAVA:
        if appended != sample["acknowledged"] or any(len(value) != shape.value_size for value in found):
            raise RunFailedError(f"{sample['acknowledged']} records acknowledged, {appended} in the log")
        return
    sent = Counter(shape.values(int(sample["warm_up"]))) + Counter(shape.values(int(sample["acknowledged"])))
    check(appended, found, sent)


def refuses(shape: Shape, client: str) -> str | None:
    if client == JAVA:
        return java.refuses(shape)
    return client_named(client).refuses(shape)


def columns(shape: Shape) -> tuple[str, ...]:
    if shape.once:
        return FLOOD_COLUMNS
    if shape.tasks:
        return AWAITED_COLUMNS
    return DISTANT_COLUMNS if shape.brokers == (SLOW,) else PIPELINED_COLUMNS


MEASURES = tuple(
    Measure(
        name=shape.name,
        title=shape.title,
        columns=columns(shape),
        brokers=shape.brokers,
        clients=shape.clients,
        run=partial(lambda shape, bench, client: send(bench, client, shape), shape),
        refuses=partial(refuses, shape),
        # Thousands of topics take long to read back.
        rounds=once if shape.topics >= MANY_TOPICS else each,
        quick=QUICK.get(shape.name, ()),
    )
    for shape in SHAPES
)
