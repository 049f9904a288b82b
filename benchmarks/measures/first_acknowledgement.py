"""From `start()` to the first acknowledgement, idempotence on: connecting, metadata, producer id, one record.

As a program, `python -m benchmarks.measures.first_acknowledgement CLIENT BOOTSTRAP TIMES`: makes that many producers,
one after the other, in one process, and prints the median, and apart from it the very first, which still imports and
compiles. What is taken off are not imports of the client itself: these are done before the clock starts.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from statistics import median

from benchmarks.clients import client_named
from benchmarks.figures import Sample
from benchmarks.measures.base import Bench, Measure, half
from benchmarks.programs import run_program
from benchmarks.readback import check
from benchmarks.shapes import FIRST, Message


async def measure(client_name: str, bootstrap: str, times: int) -> dict[str, float]:
    """Milliseconds: the median, and the first."""
    kind = client_named(client_name)
    taken = []
    for value in FIRST.values(times):
        client = kind()
        begin = time.perf_counter()
        await client.start(bootstrap, FIRST)
        await client.awaited(FIRST.topic, Message(value))
        taken.append((time.perf_counter() - begin) * 1000)
        await client.stop()
    return {"first_ms": median(taken[1:]), "cold_ms": taken[0]}


def run(bench: Bench, client: str) -> Sample:
    times = FIRST.quick_records if bench.quick else FIRST.records
    reader = bench.reader
    before = reader.ends((FIRST.topic, number) for number in range(FIRST.partitions))
    sample = run_program(__name__, client, bench.broker.bootstrap, times)
    check(*reader.counts(before, reader.ends(before)), Counter(FIRST.values(times)))
    return sample


MEASURE = Measure(
    name=FIRST.name,
    title=FIRST.title,
    columns=("first", "cold"),
    brokers=FIRST.brokers,
    clients=FIRST.clients,
    rounds=half,
    run=run,
)

if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(sys.argv[1], sys.argv[2], int(sys.argv[3])))))
