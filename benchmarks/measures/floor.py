"""What is to be paid without a producer by those who await: for one record alone, and for asyncio's tasks.

Three ways take turns on one connection each, in one process: `raw`, a round trip of bytes encoded beforehand;
`encoded`, which makes the bytes of each record, by a few calls of `struct` and one checksum, and does not read the
answer; `coded`, which makes and reads them with this package's own codecs. None has a buffer, an order of partitions, a
retry or a time-out: what is between `coded` and the producer is the price of those.

Of tasks: the CPU of a switch to one of a hundred and back, by `asyncio.sleep(0)`; and how long it takes to make 20,000
of them that wait for one future, and to have all of them go on, which is what 20,000 awaited sends do at least.

As a program, `python -m benchmarks.measures.floor RECORDS`: starts a mock broker of its own; medians of its rounds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import TypeAlias

from aioproducer.protocol.headers import decode_response_header, encode_request
from aioproducer.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from aioproducer.records.batch import encode_header
from aioproducer.records.builder import RecordsBuilder
from aioproducer.records.headers import NO_HEADERS
from benchmarks.brokers import mock_broker
from benchmarks.clients.names import OURS
from benchmarks.clients.raw import BenchmarkClient, batch, produce
from benchmarks.figures import Sample
from benchmarks.measures.base import NOWHERE, Bench, Measure, half
from benchmarks.programs import run_program
from benchmarks.shapes import Message, Shape, shape_named
from benchmarks.worker import percentile

ROUNDS = 3
RECORDS, QUICK_RECORDS = 2_000, 500
_ROOM = 1 << 20
_VERSION = 10  # the newest of Produce that the mock cluster speaks

Way: TypeAlias = Callable[[BenchmarkClient, Shape, int, bytes], Awaitable[object]]
"""Sends a record, the so manieth of a producer with id 0, and returns when its answer is there."""


async def raw(client: BenchmarkClient, shape: Shape, _number: int, value: bytes) -> None:
    await client.awaited(shape.topic, Message(value))


async def encoded(client: BenchmarkClient, shape: Shape, number: int, value: bytes) -> bytes:
    return await client.link.ask(produce(shape.topic, batch(value, 0, 0, number)))


async def coded(client: BenchmarkClient, shape: Shape, number: int, value: bytes) -> ProduceResponse:
    builder = RecordsBuilder()
    builder.append(None, value, NO_HEADERS, time.time_ns() // 1_000_000, _ROOM)
    records = builder.build()
    header = encode_header(
        records=records,
        codec_id=0,
        count=1,
        base_timestamp=builder.base_timestamp,
        max_timestamp=builder.max_timestamp,
        producer_id=0,
        producer_epoch=0,
        base_sequence=number,
    )
    request = ProduceRequest(
        acks=-1,
        timeout_ms=30_000,
        topic_data=[
            TopicProduceData(
                name=shape.topic, partition_data=[PartitionProduceData(index=0, records=(header, records))]
            )
        ],
    )
    frame = encode_request(request, version=_VERSION, correlation_id=number, client_id="floor")
    _, body = decode_response_header(await client.link.ask(b"".join(frame)), ProduceRequest, _VERSION)
    return ProduceResponse.decode(body, _VERSION, exact=False)


WAYS: dict[str, Way] = {"raw": raw, "encoded": encoded, "coded": coded}


async def measure(
    bootstrap: str, shape: Shape, records: int, *, rounds: int = ROUNDS
) -> dict[str, tuple[float, float]]:
    """p50 and p99 of each way in seconds, medians of the rounds."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, way in WAYS.items():
            client = BenchmarkClient()
            await client.start(bootstrap, shape)
            latencies = []
            for number, value in enumerate(shape.values(records)):
                begin = time.perf_counter()
                await way(client, shape, number, value)
                latencies.append(time.perf_counter() - begin)
            await client.stop()
            latencies.sort()
            found[name].append((percentile(latencies, 0.5), percentile(latencies, 0.99)))
    return {name: (median(p50 for p50, _ in each), median(p99 for _, p99 in each)) for name, each in found.items()}


async def switch() -> float:
    """Seconds of CPU for each."""
    tasks, times = 100, 500

    async def one() -> None:
        for _ in range(times):
            await asyncio.sleep(0)

    begin = time.process_time()
    await asyncio.gather(*(one() for _ in range(tasks)))
    return (time.process_time() - begin) / (tasks * times)


async def flood() -> float:
    """Seconds for all of them."""
    everyone = 20_000
    loop = asyncio.get_running_loop()
    answered = loop.create_future()
    waiting = 0

    async def one() -> None:
        nonlocal waiting
        waiting += 1
        if waiting == everyone:
            loop.call_soon(answered.set_result, None)
        await answered

    begin = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(everyone)))
    return time.perf_counter() - begin


def main() -> None:
    shape = shape_named("one-at-a-time")
    with mock_broker([shape]) as broker:
        found = asyncio.run(measure(broker.bootstrap, shape, int(sys.argv[1])))
    figures = {f"{name}_p50_ms": p50 * 1e3 for name, (p50, _) in found.items()}
    figures |= {f"{name}_p99_ms": p99 * 1e3 for name, (_, p99) in found.items()}
    figures["switch_us"] = median(asyncio.run(switch()) for _ in range(ROUNDS)) * 1e6
    figures["flood_seconds"] = median(asyncio.run(flood()) for _ in range(ROUNDS))
    print(json.dumps(figures))


def run(bench: Bench, _client: str) -> Sample:
    return run_program(__name__, QUICK_RECORDS if bench.quick else RECORDS)


MEASURE = Measure(
    name="floor",
    title=(
        "without a producer: one record at a time, its bytes made before, by hand, by this package's codecs; a task's "
        "switch; 20,000 tasks that wait for one future"
    ),
    columns=(
        "floor-raw",
        "floor-encoded",
        "floor-coded",
        "floor-raw-p99",
        "floor-encoded-p99",
        "floor-coded-p99",
        "floor-switch",
        "floor-flood",
    ),
    brokers=(NOWHERE,),
    clients=(OURS,),
    rounds=half,
    run=run,
)

if __name__ == "__main__":
    main()
