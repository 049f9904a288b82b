"""A minute of sending to three brokers of which one is always dying, frozen or coming back: nothing lost, doubled,
reordered or hanging, and every error tells the truth about the log.
"""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from tests.support.load import fleet
from tests.support.ordeal import MORE, ordeal
from tests.support.real_kafka import RealKafka

pytestmark = pytest.mark.usefixtures("no_leaks", "fast_loop")

SECONDS = 60.0
FAULTS = {"leader killed": 3, "broker frozen": 1, "leader moved": 1, "connection cut": 1}


async def test_a_minute_of_dying_leaders(kafka_3: RealKafka, topic_name: str) -> None:
    random = Random(1)
    async with asyncio.timeout(SECONDS + MORE + 120), fleet(kafka_3.bootstrap, random) as members:
        verdict, faults = await ordeal(kafka_3, members, topic_name, SECONDS, random, at_least=FAULTS)

        assert not verdict.violations, "\n".join(verdict.lines())
        assert verdict.acknowledged > 10_000
        assert {kind: faults[kind] for kind in FAULTS if faults[kind] < FAULTS[kind]} == {}
        assert all(any(kind.startswith("retry") for kind in member.events) for member in members)
        metrics = [member.producer.metrics() for member in members]
        assert all(one.record_retry_total > 0 for one in metrics)
        assert sum(one.record_send_total for one in metrics) == verdict.acknowledged
        # Those that had time got everything through, but for what a broker that was stopped in order has forgotten.
        patient = [member for member in members if member.producer.config.delivery_timeout_ms > 60_000]
        assert {kind for member in patient for kind in member.ledger.failures} <= {"OutOfOrderSequenceError MAYBE"}
