"""Sends without a pause in the background, while a test does something to the cluster in the foreground."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aioproducer import Producer
from tests.support.readback import Sent


@asynccontextmanager
async def steady_sends(
    producer: Producer, topic: str, sent: list[Sent], *, partitions: int, pause: float = 0.001
) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """Sends in the background until the end of the block; what is given waits until so many more were acknowledged."""

    async def run() -> None:
        while True:
            for _ in range(10):
                value = b"%d" % len(sent)
                sent.append((value, producer.send(topic, value, partition=len(sent) % partitions)))
            await producer.drain()
            await asyncio.sleep(pause)

    async def progress(count: int) -> None:
        goal = producer.metrics().record_send_total + count
        while producer.metrics().record_send_total < goal:
            assert not task.done()
            await asyncio.sleep(0.02)

    task = asyncio.ensure_future(run())
    try:
        yield progress
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
