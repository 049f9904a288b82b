"""A producer and a consumer that we did not write, on every broker: the ground the other tests stand on."""

from __future__ import annotations

import asyncio

import pytest
from confluent_kafka import Producer

from tests.support.brokers import BrokerUnderTest
from tests.support.foreign import read_all_with_kafka_python_async

pytestmark = pytest.mark.usefixtures("no_leaks")

COUNT = 200
PARTITIONS = 3


def produce(bootstrap: str, topic: str, *, idempotent: bool) -> None:
    faults: list[object] = []
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": idempotent, "log_level": 0})
    for number in range(COUNT):
        producer.produce(
            topic,
            b"%d" % number,
            partition=number % PARTITIONS,
            on_delivery=lambda error, message: faults.append(error) if error is not None else None,
        )
    assert producer.flush(30) == 0
    assert not faults


@pytest.mark.parametrize("idempotent", [False, True])
async def test_foreign_records_come_back_once_and_in_order(
    broker: BrokerUnderTest, topic_name: str, idempotent: bool
) -> None:
    if idempotent:
        broker.needs("idempotence")
    await broker.create_topic(topic_name, partitions=PARTITIONS)
    await asyncio.to_thread(produce, broker.bootstrap, topic_name, idempotent=idempotent)

    records = await broker.read(topic_name, COUNT)
    assert [(record.partition, record.offset, record.value) for record in records] == [
        (partition, offset, b"%d" % (partition + offset * PARTITIONS))
        for partition in range(PARTITIONS)
        for offset in range(len(range(partition, COUNT, PARTITIONS)))
    ]
    if broker.can("kafka-python"):
        assert await read_all_with_kafka_python_async(broker.bootstrap, topic_name, COUNT) == records


async def test_log_append_time(broker: BrokerUnderTest, topic_name: str) -> None:
    broker.needs("log-append-time")
    await broker.create_topic(topic_name, partitions=PARTITIONS, message_timestamp_type="LogAppendTime")
    await asyncio.to_thread(produce, broker.bootstrap, topic_name, idempotent=False)

    assert {record.timestamp_type for record in await broker.read(topic_name, COUNT)} == {"LogAppendTime"}
