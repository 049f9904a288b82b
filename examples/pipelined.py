"""Sending without awaiting each record: as fast as the brokers take them, in bounded memory, and no failure is missed.

    python examples/pipelined.py localhost:9092

`drain()` returns at once while there is room in `buffer_memory`, and waits while there is none, as a StreamWriter does
on its buffer.
"""

from __future__ import annotations

import asyncio
import sys

from aioproducer import Producer
from aioproducer.errors import KafkaError
from aioproducer.models import RecordMetadata

RECORDS = 10_000


async def main(bootstrap_servers: str) -> None:
    failures: list[KafkaError] = []

    def on_delivery(_metadata: RecordMetadata | None, error: KafkaError | None) -> None:
        if error is not None:
            failures.append(error)

    async with Producer(bootstrap_servers, linger_ms=20, compression_type="lz4") as producer:
        for number in range(RECORDS):
            key = b"sensor-%d" % (number % 10)
            producer.send("readings", b"%d" % number, key=key, on_delivery=on_delivery)
            await producer.drain()
        await producer.flush()
    print(f"{RECORDS - len(failures)} of {RECORDS} readings are in the log")
    if failures:
        raise failures[0]


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "localhost:9092"))
