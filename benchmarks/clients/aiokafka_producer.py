"""aiokafka: `send` and its future for pipelining, `send_and_wait` for awaiting."""

from __future__ import annotations

from collections.abc import Iterable

from aiokafka import AIOKafkaProducer

from benchmarks.shapes import Message, Shape


class BenchmarkClient:
    producer: AIOKafkaProducer

    @staticmethod
    def refuses(shape: Shape) -> str | None:
        return None

    async def start(self, bootstrap: str, shape: Shape) -> None:
        self.producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            acks="all",
            enable_idempotence=True,
            linger_ms=shape.linger_ms,
            max_batch_size=16_384 if shape.batch_size is None else shape.batch_size,
        )
        await self.producer.start()

    async def plain(self, topic: str, values: Iterable[bytes]) -> int:
        send = self.producer.send
        futures = [await send(topic, value) for value in values]
        await self.producer.flush()
        return sum(future.result().offset >= 0 for future in futures)

    async def pipelined(self, topic: str, messages: Iterable[Message]) -> int:
        send = self.producer.send
        futures = [
            await send(to or topic, value, key=key, headers=headers, timestamp_ms=timestamp)
            for value, key, headers, timestamp, to in messages
        ]
        await self.producer.flush()
        return sum(future.result().offset >= 0 for future in futures)

    async def awaited(self, topic: str, message: Message) -> None:
        await self.producer.send_and_wait(topic, message.value, key=message.key, headers=message.headers)

    async def stop(self) -> None:
        await self.producer.stop()
