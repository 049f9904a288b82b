"""Topics that are refused, made again, or asked for partitions they do not have."""

from __future__ import annotations

import asyncio
import time

import pytest

from aioproducer import Producer
from aioproducer.errors import (
    BrokerError,
    InvalidTopicError,
    MaxBlockTimeoutError,
    MetadataTimeoutError,
    TopicAuthorizationError,
)
from aioproducer.testing import EmbeddedCluster

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.mark.parametrize(
    ("code", "error"),
    [("TOPIC_AUTHORIZATION_FAILED", TopicAuthorizationError), ("INVALID_TOPIC_EXCEPTION", InvalidTopicError)],
)
async def test_a_refused_topic_is_refused_at_once_each_time_until_it_is_allowed(
    code: str, error: type[BrokerError]
) -> None:
    async with EmbeddedCluster() as cluster:
        cluster.create_topic("t")
        async with Producer(cluster.bootstrap_servers, retry_backoff_ms=10, retry_backoff_max_ms=20) as producer:
            refusal = cluster.fail("metadata", code, partition="t", times=None)
            start = time.monotonic()
            for _ in range(3):
                with pytest.raises(error):
                    await producer.send("t", b"x")
            assert time.monotonic() - start < 5
            refusal.remove()
            async with asyncio.timeout(5):
                assert (await producer.send("t", b"x")).offset == 0


async def test_a_topic_that_comes_after_somebody_has_given_it_up() -> None:
    async with (
        asyncio.timeout(20),
        EmbeddedCluster(auto_create_topics=False) as cluster,
        Producer(cluster.bootstrap_servers, retry_backoff_ms=5, max_block_ms=100) as producer,
    ):
        with pytest.raises(MetadataTimeoutError):
            await producer.send("late", b"x")
        # Long enough for the metadata to find that nobody waits any more.
        await asyncio.sleep(0.3)
        cluster.create_topic("late")
        assert (await producer.send("late", b"x")).offset == 0


async def test_a_topic_made_again_with_fewer_partitions() -> None:
    async with EmbeddedCluster() as cluster:
        cluster.create_topic("t", partitions=3)
        async with Producer(
            cluster.bootstrap_servers,
            retry_backoff_ms=10,
            retry_backoff_max_ms=20,
            linger_ms=0,
            request_timeout_ms=1000,
            delivery_timeout_ms=1000,
        ) as producer:
            keys = [b"%d" % number for number in range(30)]
            await asyncio.gather(*(producer.send("t", b"x", key=key) for key in keys))
            cluster.delete_topic("t")
            cluster.create_topic("t", partitions=1)
            # What goes to a partition that is gone ends with its time, and has the metadata asked for.
            await asyncio.gather(*(producer.send("t", b"x", key=key) for key in keys), return_exceptions=True)
            placed = await asyncio.gather(*(producer.send("t", b"y", key=key) for key in keys))
            assert {metadata.partition for metadata in placed} == {0}
            placed = await asyncio.gather(*(producer.send("t", b"y") for _ in range(30)))
            assert {metadata.partition for metadata in placed} == {0}


async def test_many_sends_to_a_partition_that_is_not_there_ask_for_it_together() -> None:
    async with EmbeddedCluster() as cluster:
        cluster.create_topic("t")
        async with Producer(cluster.bootstrap_servers, max_block_ms=400) as producer:
            await producer.partitions_for("t")
            asked = len(cluster.requests)
            sent = [producer.send("t", b"x", partition=7) for _ in range(5000)]
            assert (await producer.send("t", b"x", partition=0)).offset == 0
            results = await asyncio.gather(*sent, return_exceptions=True)
        assert all(isinstance(result, MetadataTimeoutError) for result in results)
        assert "has no partition 7" in str(results[0])
        assert sum(request.api == "Metadata" for request in cluster.requests[asked:]) < 10


async def test_a_send_waits_no_longer_than_its_delivery_may_take() -> None:
    async with (
        EmbeddedCluster(auto_create_topics=False) as cluster,
        Producer(
            cluster.bootstrap_servers, linger_ms=0, request_timeout_ms=100, delivery_timeout_ms=200, max_block_ms=60_000
        ) as producer,
    ):
        with pytest.raises(MaxBlockTimeoutError, match="delivery_timeout_ms"):
            await asyncio.wait_for(producer.send("nowhere", b"x"), 10)


@pytest.mark.parametrize("partitions", [2, 6])
async def test_a_silent_broker_gets_no_more_keyless_records(partitions: int) -> None:
    async with EmbeddedCluster(brokers=2) as cluster:
        cluster.create_topic("t", partitions=partitions, replication_factor=1)
        async with Producer(
            cluster.bootstrap_servers, batch_size=500, linger_ms=0, partitioner_availability_timeout_ms=100
        ) as producer:
            for partition in range(partitions):
                await producer.send("t", b"x", partition=partition)
            cluster.silence("produce", broker=2, times=None)
            deliveries = []
            end = time.monotonic() + 1.0
            while time.monotonic() < end:
                deliveries += [producer.send("t", b"x" * 100) for _ in range(5)]
                await asyncio.sleep(0.01)
            late = [delivery for delivery in deliveries[-100:] if not delivery.done()]
            assert len(late) < 30, "the last fifth of a second went to the broker that answers"
            assert sum(delivery.done() for delivery in deliveries) > len(deliveries) / 2
            await producer.close(timeout=0)
            for delivery in deliveries:
                delivery.exception()


async def test_a_topic_whose_other_broker_has_left_and_that_is_gone_for_a_moment() -> None:
    async with (
        asyncio.timeout(30),
        EmbeddedCluster(2) as cluster,
        Producer(
            cluster.bootstrap_servers, retry_backoff_ms=10, retry_backoff_max_ms=20, metadata_max_age_ms=50, linger_ms=0
        ) as producer,
    ):
        cluster.create_topic("t", partitions=2, replication_factor=1)
        leaders = [info.leader for info in await producer.partitions_for("t")]
        [away] = [partition for partition, leader in enumerate(leaders) if leader is not None and leader.id == 2]
        # Nobody has written to it, so nobody has needed its broker. A record elsewhere keeps the topic in use while the
        # metadata tells neither of the broker nor of the topic.
        cluster.delay("produce", 0.6)
        elsewhere = producer.send("t", b"x", partition=1 - away)
        gone = cluster.fail("metadata", "UNKNOWN_TOPIC_OR_PARTITION", partition="t", times=None)
        await asyncio.sleep(0.2)
        await cluster.stop_broker(2)
        await asyncio.sleep(0.2)
        assert gone.hits > 1
        waiting = producer.send("t", b"y", partition=away)
        await cluster.start_broker(2)
        gone.remove()
        assert (await waiting).offset == (await elsewhere).offset == 0
