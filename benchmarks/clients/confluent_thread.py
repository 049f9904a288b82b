"""confluent-kafka's Producer behind a polling thread, with a loop future per record: what services write by hand."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as DeliveredMessage

from benchmarks.clients.base import librdkafka_options
from benchmarks.shapes import Message, Shape


class BenchmarkClient:
    producer: Producer
    loop: asyncio.AbstractEventLoop
    poller: threading.Thread

    def __init__(self) -> None:
        self.stopping = threading.Event()

    @staticmethod
    def refuses(shape: Shape) -> str | None:
        return None

    async def start(self, bootstrap: str, shape: Shape) -> None:
        self.loop = asyncio.get_running_loop()
        self.producer = Producer(librdkafka_options(bootstrap, shape))
        self.poller = threading.Thread(target=self._poll, name="poll", daemon=True)
        self.poller.start()

    def _poll(self) -> None:
        while not self.stopping.is_set():
            self.producer.poll(0.1)

    async def _send(self, topic: str, message: Message) -> asyncio.Future[int]:
        future: asyncio.Future[int] = self.loop.create_future()

        def settle(error: KafkaError | None, offset: int) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(offset)
            else:
                future.set_exception(KafkaException(error))

        def on_delivery(error: KafkaError | None, delivered: DeliveredMessage) -> None:
            self.loop.call_soon_threadsafe(settle, error, delivered.offset())

        while True:
            try:
                self.producer.produce(
                    message.topic or topic,
                    message.value,
                    message.key,
                    headers=message.headers,
                    timestamp=message.timestamp_ms or 0,
                    on_delivery=on_delivery,
                )
                return future
            except BufferError:
                await asyncio.sleep(0.01)

    async def plain(self, topic: str, values: Iterable[bytes]) -> int:
        return await self.pipelined(topic, map(Message, values))

    async def pipelined(self, topic: str, messages: Iterable[Message]) -> int:
        futures = [await self._send(topic, message) for message in messages]
        offsets = await asyncio.gather(*futures)
        return sum(offset >= 0 for offset in offsets)

    async def awaited(self, topic: str, message: Message) -> None:
        await (await self._send(topic, message))

    async def stop(self) -> None:
        self.stopping.set()
        await asyncio.to_thread(self.poller.join)
