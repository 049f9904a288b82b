"""Awaiting a record: after `await producer.send(...)` the record is in the log, or an error was raised.

    python examples/awaited.py localhost:9092

An awaited record does not sit out `linger_ms`; what was sent in the same turn of the loop goes with it.
"""

from __future__ import annotations

import asyncio
import sys

from aioproducer import Producer
from aioproducer.errors import KafkaError


async def main(bootstrap_servers: str) -> None:
    async with Producer(bootstrap_servers) as producer:
        try:
            placed = await producer.send("orders", b'{"item": "lamp"}', key=b"customer-7")
        except KafkaError as error:
            # `persisted` tells whether the record is not, maybe or certainly in the log all the same.
            print(f"not acknowledged (in the log: {error.persisted.value}): {error}")
            raise
        print(f"the first order is in {placed.topic}[{placed.partition}] at offset {placed.offset}")

        # Several at once: one request carries them, each has its own outcome.
        deliveries = [producer.send("orders", b'{"item": "chair"}', key=b"customer-%d" % number) for number in range(5)]
        for placed in await asyncio.gather(*deliveries):
            print(f"in {placed.topic}[{placed.partition}] at offset {placed.offset}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "localhost:9092"))
