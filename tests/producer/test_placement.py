"""Where the whole producer puts records: the own rack, a topic that grows, topics that nobody has created."""

from __future__ import annotations

import asyncio
import logging

import pytest

from aioproducer import EventKind, Producer, ProducerEvent
from aioproducer.errors import DeliveryTimeoutError, MetadataTimeoutError
from aioproducer.testing import EmbeddedCluster

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.mark.parametrize("aware", [True, False])
async def test_records_without_a_key_go_to_leaders_in_the_own_rack(aware: bool) -> None:
    async with (
        asyncio.timeout(20),
        EmbeddedCluster(3, racks=["a", "b", "b"]) as cluster,
        Producer(
            cluster.bootstrap_servers,
            batch_size=100,
            linger_ms=0,
            partitioner_rack_aware=aware,
            client_rack="b" if aware else "",
        ) as producer,
    ):
        cluster.create_topic("t", partitions=6, replication_factor=1)
        leaders = {info.partition: info.leader for info in await producer.partitions_for("t")}
        sent = await asyncio.gather(*(producer.send("t", b"x" * 50) for _ in range(300)))
        racks = {leader.rack for metadata in sent if (leader := leaders[metadata.partition]) is not None}
        assert racks == ({"b"} if aware else {"a", "b"})
        keyed = await asyncio.gather(*(producer.send("t", b"x", key=b"%d" % number) for number in range(60)))
        assert {metadata.partition for metadata in keyed} == set(range(6))


async def test_a_topic_that_grows_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "aioproducer")
    told: list[ProducerEvent] = []
    async with (
        asyncio.timeout(20),
        EmbeddedCluster() as cluster,
        Producer(
            cluster.bootstrap_servers, client_id="me", linger_ms=0, metadata_max_age_ms=50, on_event=told.append
        ) as producer,
    ):
        cluster.create_topic("t", partitions=2)
        await producer.send("t", b"x", key=b"k")
        cluster.add_partitions("t", 5)
        # Waits until the metadata has told of it.
        await producer.send("t", b"x", partition=4)
        await producer.send("t", b"x", key=b"k")
        metrics = producer.metrics()
    [growth] = told
    assert (growth.kind, growth.topic) == (EventKind.GROWTH, "t")
    assert (growth.partitions_before, growth.partitions, metrics.growth_total) == (2, 5, 1)
    lines = [record.message for record in caplog.records if "partitions now" in record.message]
    assert lines == [f"me: {growth}"]


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_missing_topic_is_created_only_where_that_is_allowed(allowed: bool) -> None:
    async with (
        asyncio.timeout(20),
        EmbeddedCluster() as cluster,
        Producer(
            cluster.bootstrap_servers, allow_auto_create_topics=allowed, max_block_ms=10_000 if allowed else 200
        ) as producer,
    ):
        if allowed:
            assert (await producer.send("new", b"x")).offset == 0
        else:
            with pytest.raises(MetadataTimeoutError, match=r"'new' stayed unknown .* UNKNOWN_TOPIC_OR_PARTITION"):
                await producer.send("new", b"x")
            assert "new" not in cluster.topics()


async def test_an_advertised_address_that_leads_nowhere_is_named_as_such() -> None:
    async with asyncio.timeout(20), EmbeddedCluster(2) as cluster:
        cluster.create_topic("t", partitions=2, replication_factor=1)
        await cluster.stop_broker(2, fail_over=False)
        async with Producer(
            cluster.bootstrap_servers, linger_ms=0, request_timeout_ms=300, delivery_timeout_ms=300
        ) as producer:
            with pytest.raises(DeliveryTimeoutError, match=r"refused.* advertised\.listeners: it has to lead there"):
                await producer.send("t", b"x", partition=1)
            await producer.send("t", b"x", partition=0)
            await cluster.stop_broker(1, fail_over=False)
            with pytest.raises(DeliveryTimeoutError) as raised:
                await producer.send("t", b"x", partition=0)
            assert "advertised" not in str(raised.value), "there was a connection to this one"
