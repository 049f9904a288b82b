"""What each level of acknowledgement promises on real brokers: what the weaker one loses or doubles is shown, and that
the stronger one does not.

Answers are lost on this side of the connection, records by brokers that are killed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from aioproducer import Persisted, Producer, RecordMetadata
from aioproducer.config import Options
from aioproducer.errors import KafkaError
from tests.support.admin import elect_preferred, reassign
from tests.support.cuts import CutNetwork
from tests.support.foreign import read_all_async
from tests.support.real_kafka import RealKafka

pytestmark = pytest.mark.usefixtures("no_leaks")

AT_MOST_ONCE: Options = {"linger_ms": 0, "acks": "all", "enable_idempotence": False, "retries": 0}
AT_LEAST_ONCE: Options = {"linger_ms": 0, "acks": "all", "enable_idempotence": False}
EXACTLY_ONCE: Options = {"linger_ms": 0, "acks": "all", "enable_idempotence": True}


async def values(cluster: RealKafka, topic: str, expected: int) -> list[bytes | None]:
    return [record.value for record in await read_all_async(cluster.bootstrap, topic, expected)]


@asynccontextmanager
async def with_a_lost_answer(
    cluster: RealKafka, topic: str, options: Options
) -> AsyncIterator[tuple[Producer, list[KafkaError | int]]]:
    """A producer whose second record is stored, and its answer lost; with what became of the three it has sent: the
    offset, or the error.
    """
    await asyncio.to_thread(cluster.create_topic, topic)
    network = CutNetwork()
    producer = Producer(cluster.bootstrap, **options)
    async with asyncio.timeout(60):
        await producer.start(dial=network)
        try:
            await producer.send(topic, b"first")
            with network.losing_answers():
                delivery = producer.send(topic, b"second")
                assert await values(cluster, topic, 2) == [b"first", b"second"]
                assert not delivery.done()
            outcomes: list[KafkaError | int] = [0]
            for one in (delivery, producer.send(topic, b"third")):
                try:
                    outcomes.append((await one).offset)
                except KafkaError as error:
                    outcomes.append(error)
            yield producer, outcomes
        finally:
            await producer.close()


async def test_at_most_once_does_not_double_and_says_that_it_does_not_know(kafka_1: RealKafka, topic_name: str) -> None:
    async with with_a_lost_answer(kafka_1, topic_name, AT_MOST_ONCE) as (_, (_, second, third)):
        assert isinstance(second, KafkaError)
        assert second.persisted is Persisted.MAYBE
        assert third == 2
    assert await values(kafka_1, topic_name, 3) == [b"first", b"second", b"third"]


async def test_at_least_once_doubles_and_does_not_lose(kafka_1: RealKafka, topic_name: str) -> None:
    async with with_a_lost_answer(kafka_1, topic_name, AT_LEAST_ONCE) as (producer, outcomes):
        assert outcomes == [0, 2, 3]
        assert producer.metrics().record_retry_total == 1
    assert await values(kafka_1, topic_name, 4) == [b"first", b"second", b"second", b"third"]


async def test_exactly_once_is_told_where_the_first_attempt_went(kafka_1: RealKafka, topic_name: str) -> None:
    async with with_a_lost_answer(kafka_1, topic_name, EXACTLY_ONCE) as (producer, outcomes):
        assert outcomes == [0, 1, 2]
        assert producer.metrics().record_retry_total == 1
    assert await values(kafka_1, topic_name, 3) == [b"first", b"second", b"third"]


async def test_exactly_once_where_the_broker_remembers_less_than_was_sent(kafka_1: RealKafka, topic_name: str) -> None:
    """Several batches are stored and their answers lost, and the broker is restarted in order: what it then knows of
    the producer is its last batch. The others it can not recognise, and none may be stored again.
    """
    await asyncio.to_thread(kafka_1.create_topic, topic_name)
    network = CutNetwork()
    producer = Producer(kafka_1.bootstrap, linger_ms=0, batch_size=1, request_timeout_ms=20_000)
    sent = [b"%d" % number for number in range(8)]
    async with asyncio.timeout(60):
        await producer.start(dial=network)
        try:
            await producer.send(topic_name, sent[0])
            with network.losing_answers():
                deliveries = [producer.send(topic_name, value) for value in sent[1:5]]
                assert await values(kafka_1, topic_name, 5) == sent[:5]
                await asyncio.to_thread(kafka_1.stop_broker, 1)
            await asyncio.to_thread(kafka_1.restart, 1)
            outcomes = await asyncio.gather(*deliveries, return_exceptions=True)
            for offset, outcome in enumerate(outcomes, start=1):
                if isinstance(outcome, KafkaError):
                    assert outcome.persisted is not Persisted.NO
                else:
                    assert isinstance(outcome, RecordMetadata)
                    assert outcome.offset in (offset, -1)
            assert [(await producer.send(topic_name, value)).offset for value in sent[5:]] == [5, 6, 7]
        finally:
            await producer.close()

    assert await values(kafka_1, topic_name, len(sent)) == sent


async def test_without_acknowledgement_a_dying_broker_takes_records_along(kafka_1: RealKafka, topic_name: str) -> None:
    """The socket takes them, and nobody reads them."""
    await asyncio.to_thread(kafka_1.create_topic, topic_name)
    kept = f"{topic_name}-kept"
    await asyncio.to_thread(kafka_1.create_topic, kept)
    async with (
        Producer(kafka_1.bootstrap, acks=0, enable_idempotence=False, linger_ms=0) as careless,
        Producer(kafka_1.bootstrap, linger_ms=0, request_timeout_ms=2000) as careful,
        asyncio.timeout(90),
    ):
        await careless.send(topic_name, b"first")
        await careful.send(kept, b"first")
        assert await values(kafka_1, topic_name, 1) == [b"first"]
        kafka_1.freeze(1)
        assert (await careless.send(topic_name, b"second")).offset == -1
        delivery = careful.send(kept, b"second")
        await asyncio.to_thread(kafka_1.kill, 1)
        assert not delivery.done()
        await asyncio.to_thread(kafka_1.restart, 1)
        assert (await delivery).offset == 1
        # What is still in the air may be lost again: until one has arrived behind it.
        stored = await send_until_stored(careless, kafka_1, topic_name, b"third")

    assert b"second" not in stored
    assert await values(kafka_1, kept, 2) == [b"first", b"second"]


async def send_until_stored(producer: Producer, cluster: RealKafka, topic: str, value: bytes) -> list[bytes | None]:
    while True:
        await producer.send(topic, value)
        found = await values(cluster, topic, 1)
        if value in found:
            return found
        await asyncio.sleep(0.1)


async def test_the_leader_alone_loses_what_all_replicas_keep(kafka_3: RealKafka, topic_name: str) -> None:
    """Followers that stand still have not fetched it when the leader dies; they are in sync, and one of them leads."""
    topics = {acks: f"{topic_name}-{acks}" for acks in ("leader", "all")}
    await asyncio.to_thread(kafka_3.create_topic, topics["leader"], min_insync_replicas=2)
    leader = await asyncio.to_thread(kafka_3.leader, topics["leader"])
    followers = [node_id for node_id in kafka_3.node_ids if node_id != leader]
    await asyncio.to_thread(kafka_3.create_topic, topics["all"], min_insync_replicas=2)
    await asyncio.to_thread(reassign, kafka_3.bootstrap, topics["all"], {0: (leader, *followers)})
    await asyncio.to_thread(elect_preferred, kafka_3.bootstrap, topics["all"])
    async with (
        Producer(kafka_3.bootstrap, acks=1, enable_idempotence=False, linger_ms=0) as careless,
        Producer(kafka_3.bootstrap, linger_ms=0, request_timeout_ms=2000) as careful,
        asyncio.timeout(90),
    ):
        await asyncio.gather(careless.send(topics["leader"], b"first"), careful.send(topics["all"], b"first"))
        for node_id in followers:
            kafka_3.freeze(node_id)
        # A fetch that was waiting at the leader when its follower was stopped takes the first of these along, and what
        # comes while it is answered.
        for offset in range(1, 11):
            assert (await careless.send(topics["leader"], b"second")).offset == offset
            await asyncio.sleep(0.03)
        assert (await careless.send(topics["leader"], b"third")).offset == 11
        deliveries = [careful.send(topics["all"], value) for value in (b"second", b"third")]
        await asyncio.to_thread(kafka_3.kill, leader)
        assert not any(delivery.done() for delivery in deliveries)
        for node_id in followers:
            kafka_3.resume(node_id)
        await asyncio.to_thread(kafka_3.wait_new_leader, topics["leader"], 0, leader)
        await asyncio.gather(*deliveries)
        await careless.send(topics["leader"], b"fourth")
        await asyncio.to_thread(kafka_3.restart, leader)

    stored = await values(kafka_3, topics["leader"], 2)
    assert b"third" not in stored
    assert (stored[0], stored[-1]) == (b"first", b"fourth")
    assert await values(kafka_3, topics["all"], 3) == [b"first", b"second", b"third"]
