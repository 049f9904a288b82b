"""Whether a producer grows with what it has sent: resident memory after a tenth of many records, and after all.

As a program, `python -m benchmarks.measures.lifetime BOOTSTRAP RECORDS`: 100 B each, at full speed, nothing kept.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys

from aioproducer import Producer
from benchmarks.clients.names import OURS
from benchmarks.figures import Sample
from benchmarks.machine import memory_bytes
from benchmarks.measures.base import Bench, Measure, once
from benchmarks.measures.memory import VALUE_SIZE
from benchmarks.programs import run_program
from benchmarks.readback import ReadBackError
from benchmarks.shapes import STEADY

MEBIBYTE = 1 << 20
LEAST_RECORDS_A_SECOND = 10_000


async def measure(bootstrap: str, records: int) -> dict[str, float]:
    """MiB after a tenth, and at the end."""
    value = b"x" * VALUE_SIZE
    early = 0
    async with Producer(bootstrap) as producer:
        for number in range(records):
            producer.send(STEADY.topic, value)
            await producer.drain()
            if number == records // 10:
                early = await _resident(producer)
        late = await _resident(producer)
    return {"acknowledged": records, "early_mib": early / MEBIBYTE, "late_mib": late / MEBIBYTE}


async def _resident(producer: Producer) -> int:
    await producer.flush()
    gc.collect()
    return memory_bytes("VmRSS")


def run(bench: Bench, client: str) -> Sample:
    reader, records = bench.reader, bench.lifetime_records
    before = reader.ends((STEADY.topic, number) for number in range(STEADY.partitions))
    limit = 30 + records / LEAST_RECORDS_A_SECOND
    sample = run_program(__name__, bench.broker.bootstrap, records, limit=limit)
    appended, found = reader.counts(before, reader.ends(before))
    if appended != records or any(len(value) != VALUE_SIZE for value in found):
        raise ReadBackError(f"{records} records sent, {appended} in the log")
    return sample


MEASURE = Measure(
    name="lifetime",
    title="resident memory of a producer that sends many records (--lifetime-records)",
    columns=("early", "late"),
    brokers=STEADY.brokers,
    clients=(OURS,),
    run=run,
    rounds=once,
)

if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(sys.argv[1], int(sys.argv[2])))))
