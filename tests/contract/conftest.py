"""`broker`: each test of this folder runs on the embedded cluster, on librdkafka's mock and on real Kafkas, old and
new. `faulty`: tests of what a network does run on the embedded cluster and on a real Kafka behind a proxy.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support import faulty as faulty_brokers
from tests.support.brokers import NAMES, BrokerUnderTest, open_broker
from tests.support.faulty import FaultyBroker
from tests.support.pool import ClusterPool


@pytest.fixture(params=NAMES)
async def broker(request: pytest.FixtureRequest, kafka_pool: ClusterPool) -> AsyncIterator[BrokerUnderTest]:
    """A cluster to write to; `broker.needs(…)` where not every one is able. Real ones are shared: see `topic_name`."""
    async with open_broker(request.param, kafka_pool) as opened:
        yield opened


@pytest.fixture(params=faulty_brokers.NAMES)
async def faulty(request: pytest.FixtureRequest, kafka_pool: ClusterPool) -> AsyncIterator[FaultyBroker]:
    """A broker and its network, in which nothing is wrong yet."""
    async with faulty_brokers.open_faulty(request.param, kafka_pool) as opened:
        yield opened
