"""A cluster of three brokers with a topic of three partitions, and a producer for it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from aioproducer import Producer
from aioproducer.testing import EmbeddedCluster
from tests.support.producers import TOPIC


@pytest.fixture
async def cluster() -> AsyncIterator[EmbeddedCluster]:
    async with EmbeddedCluster(brokers=3) as opened:
        opened.create_topic(TOPIC, partitions=3)
        yield opened


@pytest.fixture
async def started(cluster: EmbeddedCluster) -> AsyncIterator[Producer]:
    async with Producer(cluster.bootstrap_servers) as producer:
        yield producer
