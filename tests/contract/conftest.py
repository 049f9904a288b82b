"""`broker`: each test of this folder runs on the embedded cluster, on librdkafka's mock and on real Kafkas, old and
new.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.brokers import NAMES, BrokerUnderTest, open_broker
from tests.support.pool import ClusterPool


@pytest.fixture(params=NAMES)
async def broker(request: pytest.FixtureRequest, kafka_pool: ClusterPool) -> AsyncIterator[BrokerUnderTest]:
    """A cluster to write to; `broker.needs(…)` where not every one is able. Real ones are shared: see `topic_name`."""
    async with open_broker(request.param, kafka_pool) as opened:
        yield opened
