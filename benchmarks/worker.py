"""One client, one shape, one round, alone in its process.

`python -m benchmarks.worker CLIENT SHAPE BOOTSTRAP RECORDS SECONDS` prints a `Sample` as JSON. The clock starts
after the client is connected and has sent a few records, so that neither imports nor the first metadata are measured,
and stops when the last record is acknowledged. CPU time is the whole process's, background threads included; what of
it the garbage collector took is clocked by its own callbacks, twice per collection. Knows nothing of brokers, rounds or
tables.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Awaitable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.clients import client_named
from benchmarks.clients.base import Client
from benchmarks.clients.names import UVLOOP
from benchmarks.machine import memory_bytes
from benchmarks.shapes import Message, Shape, shape_named

NO_UVLOOP = "uvloop is not installed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One measurement. p50 and p99 are of the awaited sends, None where nothing was awaited. `bytes` are those of the
    values.
    """

    acknowledged: int
    warm_up: int
    seconds: float
    cpu_seconds: float
    gc_seconds: float
    bytes: int
    peak_rss_mib: float
    p50_ms: float | None
    p99_ms: float | None


class CollectorClock:
    """Sums how long the garbage collector ran, while it is in `gc.callbacks`."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._began = 0.0

    def __call__(self, phase: str, _info: dict[str, Any]) -> None:
        # CPU time of the collecting thread: where several run, it may have to wait while it collects.
        if phase == "start":
            self._began = time.thread_time()
        else:
            self.seconds += time.thread_time() - self._began


def percentile(ordered: list[float], share: float) -> float:
    """Nearest rank of sorted values; `share` from 0 to 1."""
    return ordered[round((len(ordered) - 1) * share)]


async def _await_each(
    client: Client, topic: str, messages: Iterator[Message], deadline: float, once: bool
) -> list[float]:
    """One task of an awaiting shape: takes from the common iterator until it is empty or the time is over."""
    latencies = []
    clock = time.perf_counter
    for message in messages:
        begin = clock()
        await client.awaited(message.topic or topic, message)
        end = clock()
        latencies.append(end - begin)
        if once or end > deadline:
            break
    return latencies


async def _await_all(
    client: Client, shape: Shape, messages: Iterator[Message], seconds: float, latencies: list[float]
) -> int:
    """All tasks of an awaiting shape, at once; how many records were acknowledged."""
    deadline = time.perf_counter() + seconds
    waits = (_await_each(client, shape.topic, messages, deadline, shape.once) for _ in range(shape.tasks))
    for part in await asyncio.gather(*waits):
        latencies += part
    return len(latencies)


def send_shape(
    client: Client,
    shape: Shape,
    records: int,
    seconds: float,
    latencies: list[float] | None = None,
    *,
    warming_up: bool = False,
) -> Awaitable[int]:
    """Ready to be awaited, for how many were acknowledged. What is sent is made here, and not measured.

    A shape that awaits ends early after `seconds`. warming_up: without awaiting each, and to all topics in turn.
    """
    if shape.tasks and not warming_up:
        return _await_all(client, shape, shape.messages(records), seconds, [] if latencies is None else latencies)
    if shape.bare:
        return client.plain(shape.topic, shape.values(records))
    return client.pipelined(shape.topic, shape.messages(records, run_length=1 if warming_up else None))


async def measure(client: Client, shape: Shape, bootstrap: str, records: int, seconds: float) -> Sample:
    """Run the shape. One that awaits ends early after `seconds`, with the records that were acknowledged by then."""
    await client.start(bootstrap, shape)
    expected = shape.warm_up_records
    warm_up = await send_shape(client, shape, expected, seconds, warming_up=True)
    if warm_up != expected:
        raise RuntimeError(f"{warm_up} of {expected} warm-up records were acknowledged")
    latencies: list[float] = []
    sending = send_shape(client, shape, records, seconds, latencies)
    gc.collect()
    collector = CollectorClock()
    gc.callbacks.append(collector)

    begin, cpu_begin = time.perf_counter(), time.process_time()
    acknowledged = await sending
    cpu_end, end = time.process_time(), time.perf_counter()

    gc.callbacks.remove(collector)
    if (shape.tasks == 0 or shape.once) and acknowledged != records:
        raise RuntimeError(f"{acknowledged} of {records} records were acknowledged")
    await client.stop()
    latencies.sort()
    return Sample(
        acknowledged=acknowledged,
        warm_up=warm_up,
        seconds=end - begin,
        cpu_seconds=cpu_end - cpu_begin,
        gc_seconds=collector.seconds,
        bytes=sum(map(len, shape.values(acknowledged))),
        peak_rss_mib=memory_bytes("VmHWM") / 2**20,
        p50_ms=percentile(latencies, 0.50) * 1000 if latencies else None,
        p99_ms=percentile(latencies, 0.99) * 1000 if latencies else None,
    )


def run_on_its_loop(client: str, work: Any) -> Any:
    """Run a coroutine on uvloop if the client is the one of that name, else on asyncio's own loop."""
    factory = None
    if client == UVLOOP:
        try:
            import uvloop
        except ImportError:
            sys.exit(NO_UVLOOP)
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work)


def main() -> None:
    client_name, shape_name, bootstrap, records, seconds = sys.argv[1:]
    client = client_named(client_name)()
    work = measure(client, shape_named(shape_name), bootstrap, int(records), float(seconds))
    print(json.dumps(asdict(run_on_its_loop(client_name, work))))


if __name__ == "__main__":
    main()
