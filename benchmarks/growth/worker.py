"""One client, one load, one round, alone in its process.

`python -m benchmarks.growth.worker CLIENT LOAD BOOTSTRAP [quick]` prints a `Sample` as JSON. CPU is the whole
process's, memory is what Python has allocated (tracemalloc), garbage collected first. Knows nothing of rounds or
tables.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from itertools import islice

from benchmarks.growth.clients import client_named
from benchmarks.growth.clients.base import GrowthClient, Options
from benchmarks.growth.loads import DRAIN_SIZES, Kind, Load, load_named
from benchmarks.growth.pauses import PauseMeter

_SETTLED_SECONDS = 0.5
_MAX_AGE = 1.0
_REFRESHES_SECONDS = 3.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One measurement. acknowledged: all records, warm-up included. figures: by name, which says the unit."""

    acknowledged: int
    figures: dict[str, float]


class NotAcknowledgedError(Exception):
    """Fewer records were acknowledged than were sent."""


async def _use_everywhere(client: GrowthClient, load: Load) -> int:
    """All topics known, and every partition written to."""
    await client.ask_for(load.names)
    await client.known(load.names)
    sent = await client.send(load.everywhere())
    return _all(await client.settled(sent), len(sent))


def _all(acknowledged: int, sent: int) -> int:
    if acknowledged != sent:
        raise NotAcknowledgedError(f"{acknowledged} of {sent} records were acknowledged")
    return acknowledged


async def _records(client: GrowthClient, load: Load, records: int) -> Sample:
    warm_up = await _use_everywhere(client, load)
    targets = load.targets(records)
    batches = client.batches
    gc.collect()
    begin, cpu_begin = time.perf_counter(), time.process_time()
    acknowledged = 0
    while sent := await client.send(islice(targets, load.slice_size)):
        acknowledged += await client.settled(sent)
    cpu_end, end = time.process_time(), time.perf_counter()
    _all(acknowledged, records)
    figures = {
        "cpu_us_per_record": (cpu_end - cpu_begin) / records * 1e6,
        "records_per_second": records / (end - begin),
        "records_per_batch": records / (client.batches - batches),
    }
    return Sample(acknowledged=warm_up + acknowledged, figures=figures)


async def _drain(client: GrowthClient, load: Load) -> Sample:
    """A record in each of many partitions, then all of them out; the smaller sizes as often as makes the same sum."""
    acknowledged = await _use_everywhere(client, load)
    figures = {}
    for size in DRAIN_SIZES:
        buffering = draining = seconds = 0.0
        times = DRAIN_SIZES[-1] // size
        for _ in range(times):
            gc.collect()
            start = time.process_time()
            sent = await client.send(islice(load.everywhere(), size))
            middle, middle_wall = time.process_time(), time.perf_counter()
            acknowledged += _all(await client.settled(sent), size)
            seconds += time.perf_counter() - middle_wall
            draining += time.process_time() - middle
            buffering += middle - start
        figures[f"buffer_cpu_us_per_record_{size}"] = buffering / (size * times) * 1e6
        figures[f"drain_cpu_us_per_record_{size}"] = draining / (size * times) * 1e6
        figures[f"drain_ms_{size}"] = seconds / times * 1e3
    return Sample(acknowledged=acknowledged, figures=figures)


async def _memory(client: GrowthClient, load: Load) -> Sample:
    """What all topics take together, above the client that knows none."""
    names = load.names  # made before, for a program has its names anyway
    await asyncio.sleep(_SETTLED_SECONDS)
    gc.collect()
    tracemalloc.start()
    acknowledged = 0
    if load.kind is Kind.KNOWN:
        await client.ask_for(names)
        await client.known(names)
    else:
        acknowledged = await _use_everywhere(client, load)
    await asyncio.sleep(_SETTLED_SECONDS)
    gc.collect()
    figures = {"bytes": float(tracemalloc.get_traced_memory()[0])}
    tracemalloc.stop()
    return Sample(acknowledged=acknowledged, figures=figures)


async def _metadata(client: GrowthClient, load: Load) -> Sample:
    names = load.names
    meter = PauseMeter(asyncio.get_running_loop())
    figures = {}

    def note(what: str) -> None:
        meter.stop()
        figures[f"{what}_pause_ms"] = meter.wall * 1e3
        figures[f"{what}_pause_cpu_ms"] = meter.cpu * 1e3

    await asyncio.sleep(_SETTLED_SECONDS)
    gc.collect()
    meter.start()
    await asyncio.sleep(_SETTLED_SECONDS)
    note("idle")
    # Asking for many has a price of its own, which is the asking program's: the meter runs from then on.
    await client.ask_for(names)
    meter.start()
    await client.known(names[:1])
    await asyncio.sleep(_SETTLED_SECONDS)
    note("first")
    await client.known(names)
    gc.collect()
    meter.start()
    await asyncio.sleep(_REFRESHES_SECONDS)
    note("refresh")
    return Sample(acknowledged=0, figures=figures)


async def _first_send(client: GrowthClient, load: Load) -> Sample:
    names = load.names
    meter = PauseMeter(asyncio.get_running_loop())
    gc.collect()
    begin, cpu_begin = time.perf_counter(), time.process_time()
    sent = await client.send_at_once(names)
    meter.start()
    acknowledged = _all(await client.settled(sent), len(names))
    meter.stop()
    figures = {
        "seconds": time.perf_counter() - begin,
        "cpu_us_per_record": (time.process_time() - cpu_begin) / len(names) * 1e6,
        "pause_ms": meter.wall * 1e3,
        "pause_cpu_ms": meter.cpu * 1e3,
    }
    return Sample(acknowledged=acknowledged, figures=figures)


_MEASURES: dict[Kind, Callable[[GrowthClient, Load], Awaitable[Sample]]] = {
    Kind.DRAIN: _drain,
    Kind.KNOWN: _memory,
    Kind.WRITTEN: _memory,
    Kind.METADATA: _metadata,
    Kind.FIRST_SEND: _first_send,
}


async def measure(client: GrowthClient, load: Load, bootstrap: str, *, quick: bool) -> Sample:
    """Run the load. Raises NotAcknowledgedError."""
    keeps = load.kind in (Kind.TURNS, Kind.DRAIN)
    max_age = _MAX_AGE if load.kind is Kind.METADATA else 300.0
    await client.start(bootstrap, Options(batch_size=load.batch_size, keeps=keeps, max_age=max_age))
    if load.kind in (Kind.RUNS, Kind.TURNS):
        sample = await _records(client, load, load.count(quick=quick))
    else:
        sample = await _MEASURES[load.kind](client, load)
    await client.stop()
    return sample


def main() -> None:
    client, load, bootstrap, *quick = sys.argv[1:]
    sample = asyncio.run(measure(client_named(client), load_named(load), bootstrap, quick=bool(quick)))
    print(json.dumps(asdict(sample)))


if __name__ == "__main__":
    main()
