"""A cluster with a fixed clock, and raw connections to it that are closed at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from aioproducer.testing import EmbeddedCluster
from tests.testing.wire import NOW, RawClient

Connect = Callable[..., Awaitable[RawClient]]


@pytest.fixture
async def cluster() -> AsyncIterator[EmbeddedCluster]:
    """Three brokers, and a topic "t" of three partitions with three replicas: broker 1 leads partition 0."""
    async with EmbeddedCluster(brokers=3, clock=lambda: NOW) as running:
        running.create_topic("t", partitions=3)
        yield running


@pytest.fixture
async def connect(cluster: EmbeddedCluster) -> AsyncIterator[Connect]:
    async with AsyncExitStack() as stack:

        async def to(broker: int = 1) -> RawClient:
            return await stack.enter_async_context(await RawClient.connect(cluster, broker))

        yield to


@pytest.fixture
async def client(connect: Connect) -> RawClient:
    """A connection to broker 1."""
    return await connect(1)
