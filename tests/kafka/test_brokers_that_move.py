"""Partitions and brokers that go elsewhere while records are sent: reassigned, elected, back on another port. Nothing
fails, and the log is what was acknowledged.
"""

from __future__ import annotations

import asyncio

import pytest

from aioproducer import Producer
from tests.support.admin import elect_preferred, reassign
from tests.support.foreign import read_all_async
from tests.support.readback import Sent, check_log
from tests.support.real_kafka import RealKafka
from tests.support.steady import steady_sends

pytestmark = pytest.mark.usefixtures("no_leaks", "fast_loop")


async def test_partitions_are_reassigned(kafka_3: RealKafka, topic_name: str) -> None:
    """One replica each, so that with every move the leader is another broker, and the old one has nothing more."""
    await asyncio.to_thread(kafka_3.create_topic, topic_name, 3, 1)
    sent: list[Sent] = []
    async with (
        Producer(kafka_3.bootstrap, batch_size=1000, linger_ms=0) as producer,
        asyncio.timeout(60),
    ):
        async with steady_sends(producer, topic_name, sent, partitions=3) as progress:
            for turn in range(4):
                await progress(300)
                wanted = {partition: (1 + (partition + turn) % 3,) for partition in range(3)}
                await asyncio.to_thread(reassign, kafka_3.bootstrap, topic_name, wanted)
            await progress(300)
        await producer.flush()
        metrics = producer.metrics()
        assert metrics.record_error_total == 0
        assert metrics.batch_retry_total > 0

    check_log(await read_all_async(kafka_3.bootstrap, topic_name, len(sent)), sent)


async def test_leaders_are_elected_by_hand(kafka_3: RealKafka, topic_name: str) -> None:
    """Old leader and new one are both up and in sync: nothing but the answers says that something has changed."""
    await asyncio.to_thread(kafka_3.create_topic, topic_name, 3, 3, min_insync_replicas=2)
    sent: list[Sent] = []
    changed = 0
    async with (
        Producer(kafka_3.bootstrap, batch_size=1000, linger_ms=0) as producer,
        asyncio.timeout(60),
    ):
        async with steady_sends(producer, topic_name, sent, partitions=3) as progress:
            for turn in range(6):
                await progress(300)
                wanted = {
                    partition: tuple(1 + (partition + turn + place) % 3 for place in range(3)) for partition in range(3)
                }
                await asyncio.to_thread(reassign, kafka_3.bootstrap, topic_name, wanted)
                changed += await asyncio.to_thread(elect_preferred, kafka_3.bootstrap, topic_name)
            await progress(300)
        await producer.flush()
        metrics = producer.metrics()
        assert changed >= 12
        assert metrics.record_error_total == 0
        assert metrics.batch_retry_total > 0

    check_log(await read_all_async(kafka_3.bootstrap, topic_name, len(sent)), sent)


async def test_a_broker_comes_back_on_another_port(kafka_3: RealKafka, topic_name: str) -> None:
    await asyncio.to_thread(kafka_3.create_topic, topic_name, 3, 3, min_insync_replicas=2)
    leader = await asyncio.to_thread(kafka_3.leader, topic_name, 0)
    sent: list[Sent] = []
    async with (
        Producer(kafka_3.bootstrap, batch_size=2000, linger_ms=0, request_timeout_ms=5000) as producer,
        asyncio.timeout(60),
    ):
        async with steady_sends(producer, topic_name, sent, partitions=3, pause=0.005) as progress:
            await progress(300)
            before = kafka_3.address(leader)
            await asyncio.to_thread(kafka_3.kill, leader)
            await asyncio.to_thread(kafka_3.restart, leader, wait=False, other_port=True)
            assert kafka_3.address(leader) != before
            await asyncio.to_thread(kafka_3.wait_new_leader, topic_name, 0, leader)
            await asyncio.to_thread(kafka_3.wait_in_sync, topic_name)
            # All partitions are its own now, and can be written to nowhere but at the new port.
            wanted = {number: (leader, *(node for node in kafka_3.node_ids if node != leader)) for number in range(3)}
            await asyncio.to_thread(reassign, kafka_3.bootstrap, topic_name, wanted)
            await asyncio.to_thread(elect_preferred, kafka_3.bootstrap, topic_name)
            sent_by_then = len(sent)
            await progress(sent_by_then - producer.metrics().record_send_total + 500)
        await producer.flush()
        infos = await producer.partitions_for(topic_name)
        assert {f"{info.leader.host}:{info.leader.port}" for info in infos if info.leader} == {kafka_3.address(leader)}
        assert producer.metrics().record_error_total == 0

    check_log(await read_all_async(kafka_3.bootstrap, topic_name, len(sent)), sent)
