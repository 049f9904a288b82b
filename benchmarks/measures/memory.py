"""What a buffered record of 100 B takes above its bytes, in resident memory.

As a program, `python -m benchmarks.measures.memory CLIENT RECORDS KEEP`: starts a mock broker of its own, sends a few
records, has the broker answer a minute late, and buffers RECORDS different values; KEEP is 1 if the program keeps
what `send` returned. Measured is by how much the process has grown, less 100 B per record; values are made one by one
as they are sent, so a producer that keeps them pays for it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys

from benchmarks.brokers import mock_broker
from benchmarks.clients.names import CONFLUENT, OURS
from benchmarks.figures import Sample
from benchmarks.machine import memory_bytes
from benchmarks.measures.base import NOWHERE, Bench, Measure, once
from benchmarks.programs import run_program
from benchmarks.shapes import STEADY

VALUE_SIZE = 100
RECORDS, QUICK_RECORDS = 300_000, 100_000
FAR_AWAY_MS = 60_000
ROOM = 1 << 30


async def ours(bootstrap: str, records: int, stall: object, keep: bool) -> int:
    """Bytes the process has grown by."""
    from aioproducer import Producer

    producer = Producer(bootstrap, buffer_memory=ROOM)
    await producer.start()
    for _ in range(1_000):
        producer.send(STEADY.topic, b"x" * VALUE_SIZE)
    await producer.flush()
    _stall(stall)
    kept = []
    gc.collect()
    before = memory_bytes("VmRSS")
    for number in range(records):
        delivery = producer.send(STEADY.topic, b"%0100d" % number)
        if keep:
            kept.append(delivery)
        await producer.drain()
    gc.collect()
    grown = memory_bytes("VmRSS") - before
    buffered = producer.metrics().buffered_bytes
    if buffered < records * VALUE_SIZE:
        raise RuntimeError(f"only {buffered} bytes are buffered, the broker is answering")
    await producer.close(timeout=0)
    return grown


def librdkafka(bootstrap: str, records: int, stall: object) -> int:
    """The same; there is nothing to keep."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": bootstrap, "queue.buffering.max.messages": 2 * records, "linger.ms": 5})
    for _ in range(1_000):
        producer.produce(STEADY.topic, b"x" * VALUE_SIZE)
    producer.flush(10)
    _stall(stall)
    before = memory_bytes("VmRSS")
    for number in range(records):
        producer.produce(STEADY.topic, b"%0100d" % number)
    grown = memory_bytes("VmRSS") - before
    producer.purge()
    return grown


def _stall(stall: object) -> None:
    if not callable(stall):
        raise TypeError("this broker can not be made to stall")
    stall(FAR_AWAY_MS)


def main() -> None:
    client, records, keep = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "1"
    with mock_broker([STEADY]) as broker:
        if client == OURS:
            grown = asyncio.run(ours(broker.bootstrap, records, broker.answer_late, keep))
        else:
            grown = librdkafka(broker.bootstrap, records, broker.answer_late)
    print(json.dumps({"bytes_above": grown / records - VALUE_SIZE}))


def run(bench: Bench, client: str) -> Sample:
    records = QUICK_RECORDS if bench.quick else RECORDS
    above = run_program(__name__, client, records, 0)["bytes_above"]
    if client != OURS:
        return {"bytes_above": above}
    return {"bytes_above": above, "bytes_above_kept": run_program(__name__, client, records, 1)["bytes_above"]}


MEASURE = Measure(
    name="memory",
    title="memory per buffered record of 100 B, above its bytes",
    columns=("above", "kept"),
    brokers=(NOWHERE,),
    clients=(OURS, CONFLUENT),
    run=run,
    rounds=once,
)

if __name__ == "__main__":
    main()
