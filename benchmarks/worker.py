"""One client, one shape, one round, alone in its process.

`python -m benchmarks.worker CLIENT SHAPE BOOTSTRAP RECORDS SECONDS` prints a `Sample` as JSON. The clock starts
after the client is connected and has sent a few records, so that neither imports nor the first metadata are measured,
and stops when the last record is acknowledged. CPU time is the whole process's, background threads included. Knows
nothing of brokers, rounds or tables.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from benchmarks.clients import client_named
from benchmarks.clients.base import Client
from benchmarks.shapes import Message, Shape, shape_named

WARM_UP_RECORDS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One measurement. `latencies_ms` is (p50, p99) of the awaited sends, None where nothing was awaited."""

    acknowledged: int
    warm_up: int
    seconds: float
    cpu_seconds: float
    peak_rss_mib: float
    latencies_ms: tuple[float, float] | None


def percentiles(latencies: list[float]) -> tuple[float, float]:
    """p50 and p99 in milliseconds of seconds; nearest rank."""
    ordered = sorted(latencies)
    last = len(ordered) - 1
    return ordered[round(last * 0.50)] * 1000, ordered[round(last * 0.99)] * 1000


async def _await_each(client: Client, topic: str, messages: Iterator[Message], deadline: float) -> list[float]:
    """One task of an awaiting shape: takes from the common iterator until it is empty or the time is over."""
    latencies = []
    clock = time.perf_counter
    for message in messages:
        begin = clock()
        await client.awaited(topic, message)
        end = clock()
        latencies.append(end - begin)
        if end > deadline:
            break
    return latencies


async def measure(client: Client, shape: Shape, bootstrap: str, records: int, seconds: float) -> Sample:
    """Run the shape. One that awaits ends early after `seconds`, with the records that were acknowledged by then."""
    await client.start(bootstrap, shape)
    warm_up = await client.pipelined(shape.topic, shape.messages(WARM_UP_RECORDS))
    if warm_up != WARM_UP_RECORDS:
        raise RuntimeError(f"{warm_up} of {WARM_UP_RECORDS} warm-up records were acknowledged")
    messages = shape.messages(records)
    latencies: list[float] = []
    gc.collect()

    begin, cpu_begin = time.perf_counter(), time.process_time()
    if shape.tasks == 0:
        acknowledged = await client.pipelined(shape.topic, messages)
    else:
        waits = (_await_each(client, shape.topic, messages, begin + seconds) for _ in range(shape.tasks))
        for part in await asyncio.gather(*waits):
            latencies += part
        acknowledged = len(latencies)
    cpu_end, end = time.process_time(), time.perf_counter()

    if shape.tasks == 0 and acknowledged != records:
        raise RuntimeError(f"{acknowledged} of {records} records were acknowledged")
    await client.stop()
    return Sample(
        acknowledged=acknowledged,
        warm_up=warm_up,
        seconds=end - begin,
        cpu_seconds=cpu_end - cpu_begin,
        peak_rss_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        latencies_ms=percentiles(latencies) if latencies else None,
    )


def main() -> None:
    client_name, shape_name, bootstrap, records, seconds = sys.argv[1:]
    client = client_named(client_name)()
    sample = asyncio.run(measure(client, shape_named(shape_name), bootstrap, int(records), float(seconds)))
    print(json.dumps(asdict(sample)))


if __name__ == "__main__":
    main()
