"""aioproducer: deliveries kept and looked at, as a program does that wants every record's offset."""

from __future__ import annotations

from collections.abc import Iterable

from aioproducer import Producer
from aioproducer.config import Options
from benchmarks.shapes import Message, Shape


class BenchmarkClient:
    producer: Producer

    @staticmethod
    def refuses(shape: Shape) -> str | None:
        return None

    async def start(self, bootstrap: str, shape: Shape) -> None:
        options: Options = {"acks": "all", "enable_idempotence": True, "linger_ms": shape.linger_ms}
        if shape.batch_size is not None:
            options["batch_size"] = shape.batch_size
        self.producer = Producer(bootstrap, **options)
        await self.producer.start()

    async def plain(self, topic: str, values: Iterable[bytes]) -> int:
        send, drain = self.producer.send, self.producer.drain
        deliveries = []
        for value in values:
            deliveries.append(send(topic, value))
            await drain()
        await self.producer.flush()
        return sum(delivery.result().offset >= 0 for delivery in deliveries)

    async def pipelined(self, topic: str, messages: Iterable[Message]) -> int:
        send, drain = self.producer.send, self.producer.drain
        deliveries = []
        for value, key, headers, timestamp, to in messages:
            deliveries.append(send(to or topic, value, key=key, headers=headers or (), timestamp_ms=timestamp))
            await drain()
        await self.producer.flush()
        return sum(delivery.result().offset >= 0 for delivery in deliveries)

    async def awaited(self, topic: str, message: Message) -> None:
        await self.producer.send(topic, message.value, key=message.key, headers=message.headers or ())

    async def stop(self) -> None:
        await self.producer.close()
