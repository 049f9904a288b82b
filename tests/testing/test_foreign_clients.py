"""The cluster's honesty: producers and consumers that we did not write take it for a Kafka.

They block, so they run in a thread each, and the cluster in the test's loop.
"""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import AsyncIterator, Callable
from typing import Literal

import aiokafka
import confluent_kafka
import pytest

from aioproducer.testing import RELEASES, EmbeddedCluster

with warnings.catch_warnings():
    # Its import uses calls of the standard library that are deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    import kafka

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
Codec = Literal["none", "gzip", "snappy", "lz4", "zstd"]
COUNT = 300
PARTITIONS = 3
PATIENCE = 20.0

Pairs = set[tuple[bytes, bytes]]
WRITTEN: Pairs = {(b"key-%d" % n, b"value-%d-" % n + b"abc" * 20) for n in range(COUNT)}


@pytest.fixture
async def cluster() -> AsyncIterator[EmbeddedCluster]:
    async with EmbeddedCluster(brokers=3) as running:
        running.create_topic("t", partitions=PARTITIONS)
        yield running
        assert running.complaints == []


def write_with_confluent(servers: str, codec: str = "none", *, idempotent: bool = True) -> None:
    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": servers,
            "enable.idempotence": idempotent,
            "compression.type": codec,
            "linger.ms": 1,
            "message.timeout.ms": int(PATIENCE * 1000),
        }
    )
    errors: list[object] = []

    def delivered(error: object, _: object) -> None:
        if error is not None:
            errors.append(error)

    for key, value in sorted(WRITTEN):
        producer.produce("t", value, key=key, headers=[("h", b"x")], on_delivery=delivered)
    assert producer.flush(PATIENCE) == 0
    assert errors == []


def write_with_kafka_python(servers: str, codec: str = "none", *, idempotent: bool = True) -> None:
    producer = kafka.KafkaProducer(
        bootstrap_servers=servers.split(","),
        compression_type=None if codec == "none" else codec,
        enable_idempotence=idempotent,
        acks="all",
        max_block_ms=int(PATIENCE * 1000),
    )
    try:
        sent = [producer.send("t", value, key=key, headers=[("h", b"x")]) for key, value in sorted(WRITTEN)]
        producer.flush(PATIENCE)
        for future in sent:
            future.get(PATIENCE)
    finally:
        producer.close(PATIENCE)


async def write_with_aiokafka(servers: str, codec: str = "none", *, idempotent: bool = True) -> None:
    producer = aiokafka.AIOKafkaProducer(
        bootstrap_servers=servers,
        compression_type=None if codec == "none" else codec,
        enable_idempotence=idempotent,
        acks="all",
    )
    await producer.start()
    try:
        sent = [await producer.send("t", value, key=key, headers=[("h", b"x")]) for key, value in sorted(WRITTEN)]
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*sent)
    finally:
        await producer.stop()


def read_with_confluent(servers: str) -> list[tuple[bytes | None, bytes | None]]:
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "no-coordinator-needed",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    found: list[tuple[bytes | None, bytes | None]] = []
    try:
        beginning = confluent_kafka.OFFSET_BEGINNING
        consumer.assign([confluent_kafka.TopicPartition("t", p, beginning) for p in range(PARTITIONS)])
        end = time.monotonic() + PATIENCE
        while len(found) < COUNT and time.monotonic() < end:
            for message in consumer.consume(COUNT, timeout=0.2):
                assert message.error() is None
                assert message.headers() == [("h", b"x")]
                found.append((message.key(), message.value()))
    finally:
        consumer.close()
    return found


def read_with_kafka_python(servers: str) -> list[tuple[bytes | None, bytes | None]]:
    consumer = kafka.KafkaConsumer(bootstrap_servers=servers.split(","), auto_offset_reset="earliest", group_id=None)
    found: list[tuple[bytes | None, bytes | None]] = []
    try:
        consumer.assign([kafka.TopicPartition("t", p) for p in range(PARTITIONS)])
        end = time.monotonic() + PATIENCE
        while len(found) < COUNT and time.monotonic() < end:
            for records in consumer.poll(timeout_ms=200).values():
                found.extend((record.key, record.value) for record in records)
    finally:
        consumer.close()
    return found


async def read_with_aiokafka(servers: str) -> list[tuple[bytes | None, bytes | None]]:
    consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest", group_id=None)
    await consumer.start()
    found: list[tuple[bytes | None, bytes | None]] = []
    try:
        consumer.assign([aiokafka.TopicPartition("t", p) for p in range(PARTITIONS)])
        async with asyncio.timeout(PATIENCE):
            while len(found) < COUNT:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found.extend((record.key, record.value) for record in records)
    finally:
        await consumer.stop()
    return found


def check(cluster: EmbeddedCluster, codec: str, *, idempotent: bool) -> None:
    records = cluster.records("t")
    assert sorted((r.key or b"", r.value or b"") for r in records) == sorted(WRITTEN)
    assert all(r.headers == (("h", b"x"),) for r in records)
    assert {batch.codec for batch in cluster.batches("t")} == {codec}
    assert all((r.producer_id >= 0) is idempotent for r in records)


@pytest.mark.parametrize("codec", CODECS)
async def test_confluent_writes(cluster: EmbeddedCluster, codec: Codec) -> None:
    await asyncio.to_thread(write_with_confluent, cluster.bootstrap_servers, codec)
    check(cluster, codec, idempotent=True)


# Its snappy needs a library that is not here.
@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec != "snappy"])
async def test_kafka_python_writes(cluster: EmbeddedCluster, codec: Codec) -> None:
    await asyncio.to_thread(write_with_kafka_python, cluster.bootstrap_servers, codec)
    check(cluster, codec, idempotent=True)


@pytest.mark.parametrize("codec", CODECS)
async def test_aiokafka_writes(cluster: EmbeddedCluster, codec: Codec) -> None:
    await write_with_aiokafka(cluster.bootstrap_servers, codec)
    check(cluster, codec, idempotent=True)


@pytest.mark.parametrize("write", [write_with_confluent, write_with_kafka_python])
async def test_producers_without_idempotence_write(cluster: EmbeddedCluster, write: Callable[..., None]) -> None:
    await asyncio.to_thread(write, cluster.bootstrap_servers, idempotent=False)
    check(cluster, "none", idempotent=False)


async def test_all_consumers_read_what_a_producer_wrote(cluster: EmbeddedCluster) -> None:
    servers = cluster.bootstrap_servers
    await asyncio.to_thread(write_with_confluent, servers, "lz4")
    expected = sorted(WRITTEN)
    assert sorted(await asyncio.to_thread(read_with_confluent, servers)) == expected
    assert sorted(await asyncio.to_thread(read_with_kafka_python, servers)) == expected
    assert sorted(await read_with_aiokafka(servers)) == expected


@pytest.mark.parametrize("release", [RELEASES[0], "2.8", "3.9", "4.0", RELEASES[-1]])
async def test_confluent_speaks_with_releases(release: str) -> None:
    async with EmbeddedCluster(brokers=3, release=release) as cluster:
        cluster.create_topic("t", partitions=PARTITIONS)
        await asyncio.to_thread(write_with_confluent, cluster.bootstrap_servers, "gzip")
        check(cluster, "gzip", idempotent=True)
        found = await asyncio.to_thread(read_with_confluent, cluster.bootstrap_servers)
        assert sorted(found) == sorted(WRITTEN)
        assert cluster.complaints == []


async def test_an_idempotent_producer_gets_through_faults_without_a_duplicate(cluster: EmbeddedCluster) -> None:
    faults = [
        cluster.fail("produce", "NOT_LEADER_OR_FOLLOWER"),
        cluster.fail("produce", "REQUEST_TIMED_OUT", after_append=True),
        cluster.disconnect("produce", after_append=True),
        cluster.cut_frame("produce"),
    ]
    await asyncio.to_thread(write_with_confluent, cluster.bootstrap_servers)
    assert [fault.hits for fault in faults] == [1, 1, 1, 1]
    check(cluster, "none", idempotent=True)


async def test_a_foreign_admin_client_makes_topics(cluster: EmbeddedCluster) -> None:
    from confluent_kafka.admin import AdminClient, NewTopic

    def make() -> None:
        admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})
        (made,) = admin.create_topics([NewTopic("n", 4, 2, config={"min.insync.replicas": "2"})]).values()
        made.result(PATIENCE)

    await asyncio.to_thread(make)
    assert (cluster.topics()["n"], len(cluster.isr("n"))) == (4, 2)
