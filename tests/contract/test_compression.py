"""Every codec, at several levels, on every broker; read back by a consumer that has decompressors of its own."""

from __future__ import annotations

import asyncio

import pytest

from aioproducer import Producer
from tests.support.brokers import BrokerUnderTest
from tests.support.foreign import read_all_with_kafka_python_async
from tests.support.readback import Sent, check_log

pytestmark = pytest.mark.usefixtures("no_leaks")

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
LEVELS = ("compression.gzip.level", 1, 9), ("compression.lz4.level", 9, 17), ("compression.zstd.level", -5, 19)
COUNT = 300


def text(number: int) -> bytes:
    return b'{"number": %d, "name": "record number %d", "filler": "%s"}' % (number, number, b"abc" * (number % 100))


async def test_codecs(broker: BrokerUnderTest, topic_name: str, fast_loop: None) -> None:
    broker.needs("zstd")
    await broker.create_topic(topic_name, partitions=len(CODECS))
    sent: list[Sent] = []
    sizes: dict[str, float] = {}

    async def send(partition: int, codec: str) -> None:
        options = {"bootstrap.servers": broker.bootstrap, "compression.type": codec, "linger.ms": "20"}
        async with Producer.from_properties(options) as producer:
            for number in range(COUNT):
                sent.append((text(number), producer.send(topic_name, text(number), partition=partition)))
            # One that is beyond the size which is compressed on the loop.
            sent.append((b"big" * 200_000, producer.send(topic_name, b"big" * 200_000, partition=partition)))
            await producer.flush()
            sizes[codec] = producer.metrics().batch_size_avg

    await asyncio.gather(*(send(partition, codec) for partition, codec in enumerate(CODECS)))
    check_log(await broker.read(topic_name, len(sent)), sent)
    assert all(sizes[codec] < sizes["none"] / 3 for codec in CODECS[1:])


async def test_levels(broker: BrokerUnderTest, topic_name: str, fast_loop: None) -> None:
    broker.needs("zstd")
    await broker.create_topic(topic_name, partitions=2 * len(LEVELS))
    sent: list[Sent] = []
    sizes: dict[tuple[str, int], float] = {}

    async def send(partition: int, option: str, level: int) -> None:
        options = {
            "bootstrap.servers": broker.bootstrap,
            "compression.type": option.split(".")[1],
            option: level,
            "linger.ms": 1000,
            "batch.size": 100_000,
        }
        async with Producer.from_properties(options) as producer:
            # Known before the first send, so that all records are in one batch.
            await producer.partitions_for(topic_name)
            for number in range(COUNT):
                sent.append((text(number), producer.send(topic_name, text(number), partition=partition)))
            await producer.flush()
            sizes[option, level] = producer.metrics().batch_size_avg

    choices = [(option, level) for option, *levels in LEVELS for level in levels]
    await asyncio.gather(*(send(partition, *choice) for partition, choice in enumerate(choices)))
    check_log(await broker.read(topic_name, len(sent)), sent)
    if broker.can("kafka-python"):
        check_log(await read_all_with_kafka_python_async(broker.bootstrap, topic_name, len(sent)), sent)
    for option, low, high in LEVELS:
        assert sizes[option, high] < sizes[option, low]


async def test_records_that_do_not_compress(broker: BrokerUnderTest, topic_name: str) -> None:
    await broker.create_topic(topic_name)
    async with Producer(broker.bootstrap, compression_type="gzip") as producer:
        await producer.send(topic_name, b"x")

    (record,) = await broker.read(topic_name, 1)
    assert record.value == b"x"
