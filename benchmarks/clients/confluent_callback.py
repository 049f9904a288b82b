"""confluent-kafka's Producer, used without asyncio: a delivery callback per record, polled by the caller itself."""

from __future__ import annotations

from collections.abc import Iterable

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as DeliveredMessage

from benchmarks.clients.base import librdkafka_options
from benchmarks.shapes import Message, Shape

POLL_EVERY = 1_000
FLUSH_SECONDS = 60.0


class BenchmarkClient:
    producer: Producer

    @staticmethod
    def refuses(shape: Shape) -> str | None:
        return "blocks the loop" if shape.tasks > 1 else None

    async def start(self, bootstrap: str, shape: Shape) -> None:
        self.producer = Producer(librdkafka_options(bootstrap, shape))

    async def plain(self, topic: str, values: Iterable[bytes]) -> int:
        produce, poll = self.producer.produce, self.producer.poll
        acknowledged = 0

        def on_delivery(error: KafkaError | None, delivered: DeliveredMessage) -> None:
            nonlocal acknowledged
            if error is None and delivered.offset() >= 0:
                acknowledged += 1

        for number, value in enumerate(values):
            while True:
                try:
                    produce(topic, value, on_delivery=on_delivery)
                    break
                except BufferError:
                    poll(0.1)
            if number % POLL_EVERY == 0:
                poll(0)
        self.producer.flush(FLUSH_SECONDS)
        return acknowledged

    async def pipelined(self, topic: str, messages: Iterable[Message]) -> int:
        produce, poll = self.producer.produce, self.producer.poll
        acknowledged = 0

        def on_delivery(error: KafkaError | None, delivered: DeliveredMessage) -> None:
            nonlocal acknowledged
            if error is None and delivered.offset() >= 0:
                acknowledged += 1

        for number, (value, key, headers, timestamp, to) in enumerate(messages):
            while True:
                try:
                    # A timestamp of 0 is "now" to librdkafka.
                    produce(to or topic, value, key, headers=headers, timestamp=timestamp or 0, on_delivery=on_delivery)
                    break
                except BufferError:
                    poll(0.1)
            if number % POLL_EVERY == 0:
                poll(0)
        self.producer.flush(FLUSH_SECONDS)
        return acknowledged

    async def awaited(self, topic: str, message: Message) -> None:
        settled: list[KafkaError | None] = []

        def on_delivery(error: KafkaError | None, delivered: DeliveredMessage) -> None:
            settled.append(error)

        self.producer.produce(topic, message.value, message.key, headers=message.headers, on_delivery=on_delivery)
        while not settled:
            self.producer.poll(1.0)
        if settled[0] is not None:
            raise KafkaException(settled[0])

    async def stop(self) -> None:
        self.producer.flush(FLUSH_SECONDS)
