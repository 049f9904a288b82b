"""The bulk path, serializers, and options under their dotted names, on every broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aioproducer import Producer, ProducerRecord
from aioproducer.errors import ArgumentTypeError, BulkSendError, RecordTooLargeError, SerializationError
from aioproducer.serializers import JsonSerializer, StringSerializer
from tests.support.brokers import BrokerUnderTest
from tests.support.readback import check_same

pytestmark = pytest.mark.usefixtures("no_leaks")


async def test_send_all_of_an_iterable(broker: BrokerUnderTest, topic_name: str, fast_loop: None) -> None:
    await broker.create_topic(topic_name, partitions=2)
    async with Producer(broker.bootstrap, buffer_memory=50_000) as producer:
        count = await producer.send_all(topic_name, (b"%d" % number for number in range(3000)))
        assert producer.metrics().buffered_records == 0

    assert count == 3000
    records = await broker.read(topic_name, 3000)
    check_same(sorted(int(record.value or b"") for record in records), range(3000))


async def test_send_all_of_an_async_iterable_of_records(broker: BrokerUnderTest, topic_name: str) -> None:
    await broker.create_topic(topic_name, partitions=2)

    async def source() -> AsyncIterator[ProducerRecord | bytes]:
        for number in range(50):
            await asyncio.sleep(0)
            yield ProducerRecord(
                b"%d" % number, key=b"k", partition=number % 2, headers=[("n", b"%d" % number)], timestamp_ms=10**12
            )

    async with Producer(broker.bootstrap) as producer:
        assert await producer.send_all(topic_name, source()) == 50
        assert await producer.send_all(topic_name, []) == 0

    records = await broker.read(topic_name, 50)
    assert [
        (record.partition, record.value, record.key, record.headers, record.timestamp_ms) for record in records
    ] == [
        (partition, b"%d" % number, b"k", (("n", b"%d" % number),), 10**12)
        for partition in range(2)
        for number in range(partition, 50, 2)
    ]


async def test_send_all_tells_how_many_failed(broker: BrokerUnderTest, topic_name: str) -> None:
    broker.needs("max-message-bytes")
    await broker.create_topic(topic_name, max_message_bytes=1000)
    values = [b"x" * 3000 if number in (3, 7) else b"%d" % number for number in range(10)]
    async with Producer(broker.bootstrap, batch_size=0) as producer:
        with pytest.raises(BulkSendError, match="2 of 10 records") as caught:
            await producer.send_all(topic_name, values)
        assert (caught.value.sent, caught.value.failed, caught.value.first_index) == (10, 2, 3)
        assert isinstance(caught.value.__cause__, RecordTooLargeError)

    assert [int(record.value or b"") for record in await broker.read(topic_name, 8)] == [0, 1, 2, 4, 5, 6, 8, 9]


async def test_send_all_of_something_else(broker: BrokerUnderTest, topic_name: str) -> None:
    async with Producer(broker.bootstrap) as producer:
        with pytest.raises(ArgumentTypeError, match="give an iterable"):
            await producer.send_all(topic_name, b"these are bytes")


async def test_serializers(broker: BrokerUnderTest, topic_name: str) -> None:
    await broker.create_topic(topic_name)
    async with Producer(
        broker.bootstrap, key_serializer=StringSerializer(), value_serializer=JsonSerializer()
    ) as producer:
        await producer.send(topic_name, {"name": "Zoë", "n": [1, None]}, key="schlüssel")
        await producer.send(topic_name, None, key=None)
        with pytest.raises(SerializationError, match="value_serializer"):
            producer.send(topic_name, object())

    assert [(record.key, record.value) for record in await broker.read(topic_name, 2)] == [
        ("schlüssel".encode(), '{"name":"Zoë","n":[1,null]}'.encode()),
        (None, None),
    ]


async def test_from_a_properties_file(broker: BrokerUnderTest, topic_name: str, tmp_path: Path) -> None:
    await broker.create_topic(topic_name, partitions=2)
    file = tmp_path / "producer.properties"
    file.write_text(
        "# a producer\n"
        f"bootstrap.servers={broker.bootstrap}\n"
        "acks=all\n"
        "compression.type = lz4\n"
        "linger.ms: 10\n"
        "client.id=from\\u0020a file\n"
        "value.serializer=aioproducer.serializers:StringSerializer\n"
        "partitioner.class=aioproducer.partitioning.round_robin:RoundRobinPartitioner\n"
    )
    async with Producer.from_properties(file) as producer:
        assert producer.config.client_id == "from a file"
        answers = [await producer.send(topic_name, "hällo") for _ in range(4)]

    assert sorted(metadata.partition for metadata in answers) == [0, 0, 1, 1]
    assert {record.value for record in await broker.read(topic_name, 4)} == {"hällo".encode()}


async def test_without_what_is_not_given(broker: BrokerUnderTest, topic_name: str) -> None:
    await broker.create_topic(topic_name)
    async with Producer(broker.bootstrap) as producer:
        with pytest.raises(ArgumentTypeError, match="value_serializer"):
            producer.send(topic_name, "text")
        value = bytearray(b"mutable")
        delivery = producer.send(topic_name, value, key=memoryview(b"key"))
        value[:] = b"changed"
        await delivery

    (record,) = await broker.read(topic_name, 1)
    assert (record.key, record.value) == (b"key", b"mutable")
