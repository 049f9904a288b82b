"""The producer against real clusters: many records, dying leaders, too few replicas, an old release.

What the producer acknowledged is held against the whole log as a consumer that we did not write reads it.
"""

from __future__ import annotations

import asyncio

import pytest

from aioproducer import Persisted, Producer
from aioproducer.errors import DeliveryTimeoutError, NotEnoughReplicasError
from aioproducer.telemetry.events import EventKind, ProducerEvent
from tests.support.admin import delete_topic
from tests.support.foreign import read_all_async
from tests.support.readback import Sent, check_log
from tests.support.real_kafka import RealKafka
from tests.support.steady import steady_sends

pytestmark = pytest.mark.usefixtures("no_leaks", "fast_loop")

CODECS = ("none", "lz4", "zstd", "gzip", "snappy")
PARTITIONS = 12
PER_TOPIC = 40_000


async def test_many_records_through_three_brokers(kafka_3: RealKafka, topic_name: str) -> None:
    topics = {codec: f"{topic_name}-{codec}" for codec in CODECS}
    for topic in topics.values():
        await asyncio.to_thread(kafka_3.create_topic, topic, PARTITIONS, 1)
    filler = b"x" * 80

    async def send(codec: str) -> list[Sent]:
        sent: list[Sent] = []
        async with Producer.from_properties(
            {
                "bootstrap.servers": kafka_3.bootstrap,
                "compression.type": codec,
                "max.in.flight.requests.per.connection": 5,
            }
        ) as producer:
            for number in range(PER_TOPIC):
                value = b"%d " % number + filler
                key = b"%d" % (number % 1000) if number % 2 else None
                sent.append((value, producer.send(topics[codec], value, key=key)))
                await producer.drain()
        return sent

    sent = dict(zip(CODECS, await asyncio.gather(*map(send, CODECS)), strict=True))
    # One after another: five consumers at a time would be no faster in one process.
    for codec, topic in topics.items():
        records = await read_all_async(kafka_3.bootstrap, topic, PER_TOPIC, 60)
        assert {record.partition for record in records} == set(range(PARTITIONS))
        check_log(records, sent[codec])


async def test_a_leader_is_killed_while_records_are_sent(kafka_3: RealKafka, topic_name: str) -> None:
    await asyncio.to_thread(kafka_3.create_topic, topic_name, 3, 3, min_insync_replicas=2)
    leader = await asyncio.to_thread(kafka_3.leader, topic_name, 0)
    sent: list[Sent] = []
    async with (
        Producer(kafka_3.bootstrap, batch_size=2000, linger_ms=0, request_timeout_ms=5000) as producer,
        asyncio.timeout(60),
    ):
        async with steady_sends(producer, topic_name, sent, partitions=3) as progress:
            await progress(1000)
            await asyncio.to_thread(kafka_3.kill, leader)
            await asyncio.to_thread(kafka_3.wait_new_leader, topic_name, 0, leader)
            await progress(1000)
            await asyncio.to_thread(kafka_3.restart, leader, wait=False)
            await progress(1000)
        await producer.flush()
        assert producer.metrics().record_error_total == 0
        assert producer.metrics().batch_retry_total > 0

    check_log(await read_all_async(kafka_3.bootstrap, topic_name, len(sent)), sent)


async def test_a_frozen_leader_is_waited_for_and_then_left(kafka_3: RealKafka, topic_name: str) -> None:
    """Its connections stay up and nothing is answered, so time-outs alone tell that it is gone."""
    await asyncio.to_thread(kafka_3.create_topic, topic_name, 3, 3, min_insync_replicas=2)
    leader = await asyncio.to_thread(kafka_3.leader, topic_name, 0)
    sent: list[Sent] = []
    async with (
        Producer(kafka_3.bootstrap, batch_size=2000, linger_ms=0, request_timeout_ms=1500) as producer,
        asyncio.timeout(60),
    ):
        async with steady_sends(producer, topic_name, sent, partitions=3) as progress:
            await progress(500)
            await asyncio.to_thread(kafka_3.freeze, leader)
            await asyncio.to_thread(kafka_3.wait_new_leader, topic_name, 0, leader)
            await progress(1000)
            await asyncio.to_thread(kafka_3.resume, leader)
            await progress(500)
        await producer.flush()
        assert producer.metrics().record_error_total == 0

    check_log(await read_all_async(kafka_3.bootstrap, topic_name, len(sent)), sent)


async def test_too_few_replicas_are_waited_for(kafka_3: RealKafka, topic_name: str) -> None:
    await asyncio.to_thread(kafka_3.create_topic, topic_name, 1, 3, min_insync_replicas=2)
    leader = await asyncio.to_thread(kafka_3.leader, topic_name)
    first, second = (node_id for node_id in kafka_3.node_ids if node_id != leader)
    servers = kafka_3.address(leader)
    events: list[ProducerEvent] = []
    async with (
        Producer(servers, batch_size=200, on_event=events.append) as patient,
        Producer(servers, delivery_timeout_ms=2500, request_timeout_ms=2000) as hasty,
        asyncio.timeout(90),
    ):
        sent: list[Sent] = [(b"before", patient.send(topic_name, b"before"))]
        await sent[0][1]
        await hasty.partitions_for(topic_name)
        # The second leaves in order, so that the controller takes it off the in-sync replicas while there is a quorum.
        await asyncio.to_thread(kafka_3.kill, first)
        await asyncio.to_thread(kafka_3.wait_in_sync, topic_name, 2)
        await asyncio.to_thread(kafka_3.stop_broker, second)

        waiting = [
            (value, patient.send(topic_name, value)) for value in (b"through %d" % count for count in range(500))
        ]
        sent += waiting
        with pytest.raises(DeliveryTimeoutError, match=f"{topic_name}.*NOT_ENOUGH_REPLICAS") as caught:
            await hasty.send(topic_name, b"lost")
        assert isinstance(caught.value.__cause__, NotEnoughReplicasError)
        assert caught.value.persisted is Persisted.NO
        assert not any(delivery.done() for _, delivery in waiting)
        retries = [event for event in events if event.kind is EventKind.RETRY]
        assert isinstance(retries[-1].error, NotEnoughReplicasError)
        assert retries[-1].delay > 0
        assert patient.metrics().record_retry_total > 0

        # One of them is enough.
        await asyncio.to_thread(kafka_3.restart, first, wait=False)
        await patient.flush()
        sent.append((b"after", hasty.send(topic_name, b"after")))
        await sent[-1][1]
        assert patient.metrics().record_error_total == 0

    check_log(await read_all_async(kafka_3.bootstrap, topic_name, len(sent)), sent)


async def test_the_only_broker_is_killed_and_started_again(kafka_1: RealKafka, topic_name: str) -> None:
    """Everything waits for it, and goes on where it was."""
    await asyncio.to_thread(kafka_1.create_topic, topic_name, 2)
    sent: list[Sent] = []
    async with Producer(kafka_1.bootstrap, batch_size=2000, linger_ms=0) as producer, asyncio.timeout(60):
        async with steady_sends(producer, topic_name, sent, partitions=2, pause=0.02) as progress:
            await progress(100)
            await asyncio.to_thread(kafka_1.kill, 1)
            await asyncio.sleep(0.3)
            await asyncio.to_thread(kafka_1.restart, 1)
            await progress(100)
        await producer.flush()
        assert producer.metrics().record_error_total == 0

    check_log(await read_all_async(kafka_1.bootstrap, topic_name, len(sent)), sent)


async def test_a_topic_that_is_deleted_and_made_again(kafka_1: RealKafka, topic_name: str) -> None:
    """The new one has another id, which the producer learns of when the old one is refused."""
    await asyncio.to_thread(kafka_1.create_topic, topic_name)
    async with Producer(kafka_1.bootstrap) as producer, asyncio.timeout(30):
        await producer.send(topic_name, b"old")
        await asyncio.to_thread(delete_topic, kafka_1.bootstrap, topic_name)
        await asyncio.to_thread(kafka_1.create_topic, topic_name, 2)
        sent: list[Sent] = [
            (value, producer.send(topic_name, value, partition=0)) for value in (b"%d" % number for number in range(5))
        ]
        await producer.flush()

    check_log(await read_all_async(kafka_1.bootstrap, topic_name, 5), sent)


async def test_the_release_before(kafka_39: RealKafka, topic_name: str) -> None:
    await asyncio.to_thread(kafka_39.create_topic, topic_name, 6)
    async with Producer(kafka_39.bootstrap, compression_type="zstd") as producer:
        sent: list[Sent] = []
        for number in range(20_000):
            value = b"%d" % number
            sent.append((value, producer.send(topic_name, value, key=value if number % 2 else None)))
            await producer.drain()

    check_log(await read_all_async(kafka_39.bootstrap, topic_name, 20_000), sent)
