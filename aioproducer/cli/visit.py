"""A short visit to a cluster, for the demo: its metadata and links without a producer, and the creation of a topic."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

from aioproducer.cluster.cluster import Cluster
from aioproducer.config import Config
from aioproducer.network.sockets import SocketDialer
from aioproducer.protocol.error_codes import broker_error
from aioproducer.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse

_TIMEOUT = 30.0


@asynccontextmanager
async def visit(bootstrap: str) -> AsyncIterator[Cluster]:
    """The cluster behind these servers, its metadata kept fresh. Raises StartTimeoutError."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    def spawn(coroutine: object) -> asyncio.Task[None]:
        assert asyncio.iscoroutine(coroutine)
        task: asyncio.Task[None] = loop.create_task(coroutine)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    cluster = Cluster(
        Config(bootstrap, client_id="aioproducer-demo-visitor"),
        dial=SocketDialer(),
        clock=loop.time,
        random=Random(),
        spawn=spawn,
    )
    refresher = spawn(cluster.run())
    try:
        await cluster.bootstrap(_TIMEOUT)
        yield cluster
    finally:
        refresher.cancel()
        await cluster.close()
        if tasks:
            await asyncio.wait(tasks)


async def create_topic(bootstrap: str, topic: str, partitions: int, most_replicas: int) -> None:
    """Create a topic with up to so many replicas, as far as there are brokers. Raises KafkaError."""
    async with visit(bootstrap) as cluster:
        replicas = min(most_replicas, len(cluster.view.brokers))
        wanted = CreatableTopic(name=topic, num_partitions=partitions, replication_factor=replicas)
        response = await cluster.ask(CreateTopicsRequest(topics=(wanted,), timeout_ms=30_000), timeout=_TIMEOUT)
        assert isinstance(response, CreateTopicsResponse)
        result = response.topics[0]
        if result.error_code:
            raise broker_error(result.error_code, f"creating topic {topic!r}", result.error_message)
