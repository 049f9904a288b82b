"""Topics that are changed under a producer that goes on sending: deleted and made again, emptied, forgotten, widened.

Nothing acknowledged is missing from what is there afterwards, nothing is there twice or in another order, and every
delivery is settled.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence

import pytest
from confluent_kafka import KafkaError, KafkaException

from aioproducer import Producer
from tests.support.admin import add_partitions, delete_records, delete_topic, known_producers, wait_until
from tests.support.foreign import ForeignRecord, read_all_async
from tests.support.readback import Sent, check_log
from tests.support.real_kafka import RealKafka
from tests.support.steady import steady_sends

pytestmark = pytest.mark.usefixtures("no_leaks", "fast_loop")


def check_incarnations(records: Sequence[ForeignRecord], sent: Sequence[Sent]) -> None:
    """What is in the log of a topic that was deleted and made again is the end of what was acknowledged, in order and
    at the places told; the beginning went with the old one. What failed may be there, but not out of order.
    """
    place_of = {record.value: (record.partition, record.offset) for record in records}
    assert len(place_of) == len(records), "a record is there twice"
    number_of = {value: number for number, (value, _) in enumerate(sent)}
    numbers: dict[int, list[int]] = defaultdict(list)
    for record in records:
        numbers[record.partition].append(number_of[record.value])
    assert all(found == sorted(found) for found in numbers.values()), "a record is behind a younger one"
    begun: set[int] = set()
    for value, delivery in sent:
        if delivery.exception() is not None:
            continue
        metadata = delivery.result()
        place = place_of.get(value)
        if place is None:
            assert metadata.partition not in begun, f"{value!r} was acknowledged at {metadata} and is lost"
        else:
            begun.add(metadata.partition)
            assert place in (metadata[1:3], (metadata.partition, -1)), f"{value!r}, {metadata}, is at {place}"


def make_again(cluster: RealKafka, topic: str, partitions: int) -> None:
    """A broker creates a topic that is asked for, so the producer may have been faster, with one partition."""
    try:
        cluster.create_topic(topic, partitions)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
        add_partitions(cluster.bootstrap, topic, partitions)


@pytest.mark.parametrize("partitions_then", [3, 5])
async def test_deleted_and_made_again_while_records_are_sent(
    kafka_1: RealKafka, topic_name: str, partitions_then: int
) -> None:
    await asyncio.to_thread(kafka_1.create_topic, topic_name, 3)
    sent: list[Sent] = []
    async with (
        Producer(kafka_1.bootstrap, linger_ms=0, batch_size=1000, request_timeout_ms=5000) as producer,
        asyncio.timeout(60),
    ):
        async with steady_sends(producer, topic_name, sent, partitions=3, pause=0.005) as progress:
            await progress(500)
            await asyncio.to_thread(delete_topic, kafka_1.bootstrap, topic_name, wait=False)
            await asyncio.to_thread(make_again, kafka_1, topic_name, partitions_then)
            certain = len(sent)
            await progress(len(sent) - producer.metrics().record_send_total + 1000)
        await producer.flush()
        assert all(delivery.done() for _, delivery in sent)
        assert producer.metrics().buffered_bytes == 0

    # Whatever happened to those that were sent while there was no topic: now there is one, and nothing may fail.
    later = [(value, delivery) for value, delivery in sent[certain:] if delivery.exception() is None]
    assert len(later) == len(sent) - certain
    check_incarnations(await read_all_async(kafka_1.bootstrap, topic_name, len(later)), sent)


async def test_records_deleted_up_to_the_end_while_records_are_sent(kafka_1: RealKafka, topic_name: str) -> None:
    """Not one record of the producer is left, and the broker remembers it all the same."""
    await asyncio.to_thread(kafka_1.create_topic, topic_name, 2)
    sent: list[Sent] = []
    async with Producer(kafka_1.bootstrap, linger_ms=0, batch_size=1000) as producer, asyncio.timeout(60):
        async with steady_sends(producer, topic_name, sent, partitions=2) as progress:
            for _ in range(5):
                await progress(300)
                await asyncio.to_thread(delete_records, kafka_1.bootstrap, topic_name, 0)
        # And once when nothing is in flight.
        await producer.flush()
        first = await asyncio.to_thread(delete_records, kafka_1.bootstrap, topic_name, 0)
        assert await asyncio.to_thread(known_producers, kafka_1.bootstrap, topic_name, 0) == 1
        for number in range(10):
            value = b"after %d" % number
            sent.append((value, producer.send(topic_name, value, partition=0)))
        await producer.flush()
        assert producer.metrics().record_error_total == 0

    kept = [
        (value, delivery)
        for value, delivery in sent
        if (metadata := delivery.result()).partition == 1 or metadata.offset >= first
    ]
    records = await read_all_async(kafka_1.bootstrap, topic_name, len(kept))
    check_log(records, kept)
    assert [record.value for record in records if record.partition == 0] == [b"after %d" % count for count in range(10)]


async def test_a_producer_that_the_broker_has_forgotten_goes_on(kafka_1: RealKafka, topic_name: str) -> None:
    await asyncio.to_thread(kafka_1.create_topic, topic_name, 2)
    sent: list[Sent] = []
    with kafka_1.configured(producer_id_expiration_ms=500):
        async with Producer(kafka_1.bootstrap, linger_ms=0, batch_size=200) as producer, asyncio.timeout(60):
            for _ in range(3):
                for number in range(40):
                    value = b"%d" % len(sent)
                    sent.append((value, producer.send(topic_name, value, partition=number % 2)))
                await producer.flush()
                for partition in range(2):
                    await asyncio.to_thread(wait_forgotten, kafka_1, topic_name, partition)
            assert producer.metrics().record_error_total == 0

    check_log(await read_all_async(kafka_1.bootstrap, topic_name, len(sent)), sent)


def wait_forgotten(cluster: RealKafka, topic: str, partition: int) -> None:
    wait_until(
        lambda: not known_producers(cluster.bootstrap, topic, partition),
        20,
        f"nobody is known to have written to {topic}-{partition}",
    )


@pytest.mark.parametrize("keyed", [True, False], ids=["keyed", "sticky"])
async def test_partitions_added_while_records_are_sent(kafka_1: RealKafka, topic_name: str, keyed: bool) -> None:
    await asyncio.to_thread(kafka_1.create_topic, topic_name, 2)
    sent: list[Sent] = []

    async def send(count: int) -> None:
        for number in range(count):
            value = b"%d" % len(sent)
            sent.append((value, producer.send(topic_name, value, key=b"%d" % (number % 50) if keyed else None)))
            await producer.drain()
            if number % 50 == 49:
                await asyncio.sleep(0.005)

    async with (
        Producer(kafka_1.bootstrap, linger_ms=0, batch_size=500, metadata_max_age_ms=300) as producer,
        asyncio.timeout(60),
    ):
        await send(1000)
        adding = asyncio.ensure_future(asyncio.to_thread(add_partitions, kafka_1.bootstrap, topic_name, 6))
        while not adding.done():
            await send(100)
        await adding
        # Where a leader is still to be elected, records without a key do not go.
        while sum(info.leader is not None for info in await producer.partitions_for(topic_name)) < 6:
            await send(50)
        await send(1000)
        await producer.flush()
        assert producer.metrics().record_error_total == 0

    records = await read_all_async(kafka_1.bootstrap, topic_name, len(sent))
    check_log(records, sent)
    assert {record.partition for record in records} == set(range(6))
