"""aioproducer: `send` and `drain`, the delivery of each record looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aioproducer import Delivery, Producer
from benchmarks.growth.clients.base import Options
from benchmarks.growth.loads import VALUE, Target

_MEBIBYTE = 1024 * 1024


class Client:
    producer: Producer

    @property
    def batches(self) -> int:
        return self.producer.metrics().batch_send_total

    async def start(self, bootstrap: str, options: Options) -> None:
        self.producer = Producer(
            bootstrap,
            acks="all",
            enable_idempotence=True,
            linger_ms=60_000 if options.keeps else 5,
            batch_size=options.batch_size,
            buffer_memory=64 * _MEBIBYTE,
            metadata_max_age_ms=options.max_age * 1000,
        )
        await self.producer.start()

    async def ask_for(self, topics: Sequence[str]) -> None:
        for topic in topics:
            # As far as its first wait, and no further: to wake 5,000 tasks would be their work, not the producer's.
            asking = self.producer.partitions_for(topic)
            asking.send(None)
            asking.close()

    async def known(self, topics: Sequence[str]) -> None:
        for topic in topics:
            await self.producer.partitions_for(topic)

    async def send(self, targets: Iterable[Target]) -> Sequence[Delivery]:
        send, drain = self.producer.send, self.producer.drain
        deliveries = []
        for topic, partition in targets:
            deliveries.append(send(topic, VALUE, partition=partition))
            await drain()
        return deliveries

    async def send_at_once(self, topics: Sequence[str]) -> Sequence[Delivery]:
        return [self.producer.send(topic, VALUE) for topic in topics]

    async def settled(self, sent: Sequence[Delivery]) -> int:
        await self.producer.flush()
        return sum(delivery.result().offset >= 0 for delivery in sent)

    async def stop(self) -> None:
        await self.producer.close()
