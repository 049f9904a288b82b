"""Topics that are emptied under a producer that goes on sending, or whose broker forgets it. Those that are deleted or
widened are in `contract/`.
"""

from __future__ import annotations

import asyncio

import pytest

from aioproducer import Producer
from tests.support.admin import delete_records, known_producers, wait_until
from tests.support.foreign import read_all_async
from tests.support.readback import Sent, check_log
from tests.support.real_kafka import RealKafka
from tests.support.steady import steady_sends

pytestmark = pytest.mark.usefixtures("no_leaks", "fast_loop")


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
