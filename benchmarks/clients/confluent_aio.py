"""confluent-kafka's AIOProducer; a lone awaiting task flushes after each record.

Its buffer goes out when it is full, or when a timer that looks ten times a second finds it old. It carries no headers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from confluent_kafka.aio import AIOProducer

from benchmarks.clients.base import librdkafka_options
from benchmarks.shapes import Message, Shape

BUFFER_RECORDS = 1_000


class BenchmarkClient:
    producer: AIOProducer
    alone: bool

    @staticmethod
    def refuses(shape: Shape) -> str | None:
        return "no headers" if shape.headed else None

    async def start(self, bootstrap: str, shape: Shape) -> None:
        self.alone = shape.tasks == 1
        # A buffer as large as the number of tasks fills as soon as all of them wait, which is the best case for it.
        self.producer = AIOProducer(
            librdkafka_options(bootstrap, shape),
            batch_size=BUFFER_RECORDS if shape.tasks <= 1 else min(shape.tasks, BUFFER_RECORDS),
            buffer_timeout=max(shape.linger_ms, 5) / 1000,
        )

    async def plain(self, topic: str, values: Iterable[bytes]) -> int:
        produce = self.producer.produce
        return await self._delivered([await produce(topic, value) for value in values])

    async def pipelined(self, topic: str, messages: Iterable[Message]) -> int:
        futures = []
        for value, key, _, timestamp, to in messages:
            given = {} if timestamp is None else {"timestamp": timestamp}
            futures.append(await self.producer.produce(to or topic, value=value, key=key, **given))
        return await self._delivered(futures)

    async def _delivered(self, futures: list[asyncio.Future[Any]]) -> int:
        await self.producer.flush()
        delivered = await asyncio.gather(*futures)
        return sum(message.offset() >= 0 for message in delivered)

    async def awaited(self, topic: str, message: Message) -> None:
        future = await self.producer.produce(topic, value=message.value, key=message.key)
        if self.alone:
            await self.producer.flush()
        await future

    async def stop(self) -> None:
        await self.producer.close()
