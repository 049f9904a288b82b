"""A whole producer on an embedded cluster, with short pauses and a bound on how long a test may take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Unpack

from aioproducer import Delivery, Producer
from aioproducer.config import Options
from aioproducer.errors import KafkaError
from aioproducer.models import RecordMetadata
from aioproducer.testing import EmbeddedCluster

QUICK: Options = {
    "linger_ms": 0,
    "retry_backoff_ms": 2,
    "retry_backoff_max_ms": 10,
    "reconnect_backoff_ms": 1,
    "reconnect_backoff_max_ms": 10,
}

SMALL: Options = {"batch_size": 150}
"""Four to eight records of `number` a batch."""


@asynccontextmanager
async def running(
    cluster: EmbeddedCluster, *presets: Options, within: float = 10, **options: Unpack[Options]
) -> AsyncIterator[Producer]:
    """A started producer; the body has `within` seconds."""
    together = QUICK.copy()
    for preset in (*presets, options):
        together.update(preset)
    producer = Producer(cluster.bootstrap_servers, **together)
    async with asyncio.timeout(within):
        await producer.start(random=Random(1))
        try:
            yield producer
        finally:
            await producer.close(1)


def number(value: int) -> bytes:
    return b"%012d" % value


def send_numbers(producer: Producer, topic: str, start: int, stop: int, partition: int = 0) -> list[Delivery]:
    return [producer.send(topic, number(value), partition=partition) for value in range(start, stop)]


async def outcomes(deliveries: list[Delivery]) -> list[RecordMetadata | KafkaError]:
    """What became of each, in their order."""
    found: list[RecordMetadata | KafkaError] = []
    for delivery in deliveries:
        try:
            found.append(await delivery)
        except KafkaError as error:
            found.append(error)
    return found


def stored(cluster: EmbeddedCluster, topic: str, partition: int | None = None) -> list[int]:
    return [int(record.value or b"") for record in cluster.records(topic, partition)]


async def until(condition: Callable[[], object]) -> None:
    """Return when it is true; for what a worker thread or a broker does, and nothing announces."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)
