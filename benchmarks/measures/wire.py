"""Requests and bytes on the wire per 100,000 records, beside Java's producer at the same settings, on a real Kafka.

Clients come in through a proxy in a process of its own that counts Produce requests. Only counts are taken here: the
proxy slows everybody down.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from benchmarks import java
from benchmarks.clients.names import JAVA
from benchmarks.counting_proxy import HOST
from benchmarks.figures import Sample
from benchmarks.measures import sending
from benchmarks.measures.base import Bench, Measure, half
from benchmarks.programs import RunFailedError, run_program
from benchmarks.shapes import WIRE

CLOSE_SECONDS = 10.0


@contextmanager
def counting_proxy(front: int, behind: int, counted: dict[str, float]) -> Iterator[str]:
    """The address to come in by; at the end `counted` has what went through."""
    command = [sys.executable, "-m", "benchmarks.counting_proxy", str(front), str(behind)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None or process.stdout.readline() != "ready\n":
                raise RunFailedError("the counting proxy did not start")
            yield f"{HOST}:{front}"
            counted |= json.loads(process.communicate(timeout=CLOSE_SECONDS)[0])
        finally:
            process.kill()


def run(bench: Bench, client: str) -> Sample:
    if bench.broker.detour is None:
        raise RunFailedError("this broker can not be reached through a proxy")
    records = WIRE.quick_records if bench.quick else WIRE.records
    before = bench.reader.ends((WIRE.topic, number) for number in range(WIRE.partitions))
    counted: dict[str, float] = {}
    with counting_proxy(*bench.broker.detour, counted) as address:
        if client == JAVA:
            sample = java.send(address, WIRE, records)
        else:
            sample = run_program("benchmarks.worker", client, WIRE.name, address, records, bench.seconds)
    appended, found = bench.reader.counts(before, bench.reader.ends(before))
    sending.check_contents(client, WIRE, sample, appended, found)
    return {"acknowledged": sample["acknowledged"], **counted}


MEASURE = Measure(
    name=WIRE.name,
    title="requests and bytes on the wire per 100,000 records of 100 B, linger 5 ms, default batch size",
    columns=("requests", "wire"),
    brokers=WIRE.brokers,
    clients=WIRE.clients,
    run=run,
    rounds=half,
    refuses=partial(sending.refuses, WIRE),
)
