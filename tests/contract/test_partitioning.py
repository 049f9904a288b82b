"""Where records go: as Java and the others place keys, where the call says, where the user's partitioner says."""

from __future__ import annotations

import asyncio
import random

import confluent_kafka
import pytest

from aioproducer import Producer
from aioproducer.errors import MetadataTimeoutError, PartitionerError
from aioproducer.partitioning.base import Partitions
from aioproducer.partitioning.round_robin import RoundRobinPartitioner
from tests.support.brokers import BrokerUnderTest
from tests.support.readback import check_same

pytestmark = pytest.mark.usefixtures("no_leaks")

KEYS = 2000
PARTITIONS = 7


def keys() -> list[bytes]:
    chance = random.Random(20)
    lengths = [number % 40 for number in range(KEYS)]
    return [b"%d" % number + chance.randbytes(length) for number, length in enumerate(lengths)]


def produce(bootstrap: str, topic: str) -> None:
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "log_level": 0}
    )
    for key in keys():
        producer.produce(topic, b"", key)
    assert producer.flush(30) == 0


async def test_keys_go_where_other_clients_put_them(broker: BrokerUnderTest, topic_name: str, fast_loop: None) -> None:
    theirs, ours = f"{topic_name}-theirs", f"{topic_name}-ours"
    await broker.create_topic(theirs, partitions=PARTITIONS)
    await broker.create_topic(ours, partitions=PARTITIONS)
    await asyncio.to_thread(produce, broker.bootstrap, theirs)
    async with Producer(broker.bootstrap) as producer:
        for key in keys():
            producer.send(ours, b"", key=key)

    found = {topic: await broker.read(topic, KEYS) for topic in (theirs, ours)}
    places = {topic: {record.key: record.partition for record in records} for topic, records in found.items()}
    check_same(sorted(places[ours].items(), key=str), sorted(places[theirs].items(), key=str))
    assert len(found[ours]) == len(places[ours]) == KEYS
    assert len(set(places[ours].values())) == PARTITIONS


async def test_records_without_key_reach_all_partitions(broker: BrokerUnderTest, topic_name: str) -> None:
    await broker.create_topic(topic_name, partitions=3)
    async with Producer(broker.bootstrap, batch_size=200) as producer:
        for _ in range(300):
            producer.send(topic_name, b"x" * 20)
            await producer.drain()

    records = await broker.read(topic_name, 300)
    assert len(records) == 300
    assert {record.partition for record in records} == {0, 1, 2}


async def test_own_partitioner(broker: BrokerUnderTest, topic_name: str) -> None:
    await broker.create_topic(topic_name, partitions=3)
    asked: list[tuple[bytes | None, bytes | None, int]] = []

    def by_length(topic: str, key: bytes | None, value: bytes | None, partitions: Partitions) -> int:
        assert topic == topic_name
        assert list(partitions) == list(partitions.available) == [0, 1, 2]
        asked.append((key, value, len(partitions)))
        return 99 if value == b"nowhere" else len(value or b"") % len(partitions)

    async with Producer(broker.bootstrap, partitioner=by_length) as producer:
        answers = [await producer.send(topic_name, b"x" * length, key=b"same") for length in range(6)]
        elsewhere = await producer.send(topic_name, b"", partition=1)
        with pytest.raises(PartitionerError, match="returned 99"):
            producer.send(topic_name, b"nowhere")

    assert [metadata.partition for metadata in answers] == [0, 1, 2, 0, 1, 2]
    assert elsewhere.partition == 1
    assert asked == [(b"same", b"x" * length, 3) for length in range(6)] + [(None, b"nowhere", 3)]
    records = await broker.read(topic_name, 7)
    assert [(record.partition, len(record.value or b"")) for record in records] == [
        (0, 0), (0, 3), (1, 1), (1, 4), (1, 0), (2, 2), (2, 5),
    ]  # fmt: skip


async def test_round_robin(broker: BrokerUnderTest, topic_name: str) -> None:
    await broker.create_topic(topic_name, partitions=3)
    async with Producer(broker.bootstrap, partitioner=RoundRobinPartitioner()) as producer:
        answers = [await producer.send(topic_name, b"x", key=b"same") for _ in range(6)]

    assert sorted(metadata.partition for metadata in answers) == [0, 0, 1, 1, 2, 2]
    assert len(await broker.read(topic_name, 6)) == 6


async def test_a_partition_that_is_not_there(broker: BrokerUnderTest, topic_name: str) -> None:
    await broker.create_topic(topic_name, partitions=2)
    loop = asyncio.get_running_loop()
    async with Producer(broker.bootstrap, max_block_ms=500) as producer:
        await producer.send(topic_name, b"1", partition=1)
        start = loop.time()
        lost = producer.send(topic_name, b"2", partition=2)
        await producer.send(topic_name, b"3", partition=1)
        with pytest.raises(MetadataTimeoutError, match=f"'{topic_name}' has no partition 2.*it has 2"):
            await lost
        assert 0.45 <= loop.time() - start < 3

    assert [record.value for record in await broker.read(topic_name, 2)] == [b"1", b"3"]
