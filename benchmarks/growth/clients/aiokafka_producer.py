"""aiokafka: `await send`, the future of each record looked at.

Its metadata is asked for through its client, topic after topic would take minutes. Its linger is a pause between two
requests rather than an age of batches: a long one would stop it, and what is not full stays anyway while nobody awaits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.producer import message_accumulator

from benchmarks.growth.clients.base import Options
from benchmarks.growth.loads import VALUE, Target


class Client:
    producer: AIOKafkaProducer

    def __init__(self) -> None:
        self._batches = 0
        self._asked: asyncio.Future[Any] | None = None
        original = message_accumulator.MessageBatch

        def counted(*args: Any, **named: Any) -> Any:
            self._batches += 1
            return original(*args, **named)

        # It does not count its batches itself; a call more per batch is not seen in its figures.
        message_accumulator.MessageBatch = counted

    @property
    def batches(self) -> int:
        return self._batches

    async def start(self, bootstrap: str, options: Options) -> None:
        self.producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            acks="all",
            enable_idempotence=True,
            linger_ms=5,
            max_batch_size=options.batch_size,
            metadata_max_age_ms=int(options.max_age * 1000),
        )
        await self.producer.start()

    async def ask_for(self, topics: Sequence[str]) -> None:
        self._asked = self.producer.client.set_topics(topics)

    async def known(self, topics: Sequence[str]) -> None:
        for topic in topics:
            await self.producer.partitions_for(topic)

    async def send(self, targets: Iterable[Target]) -> Sequence[asyncio.Future[Any]]:
        send = self.producer.send
        return [await send(topic, VALUE, partition=partition) for topic, partition in targets]

    async def send_at_once(self, topics: Sequence[str]) -> Sequence[asyncio.Future[Any]]:
        sent: list[asyncio.Future[Any]] = await asyncio.gather(*(self.producer.send(topic, VALUE) for topic in topics))
        return sent

    async def settled(self, sent: Sequence[asyncio.Future[Any]]) -> int:
        await self.producer.flush()
        return sum(future.result().offset >= 0 for future in sent)

    async def stop(self) -> None:
        await self.producer.stop()
