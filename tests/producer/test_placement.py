"""Where the whole producer puts records: by its options, by partitioners that misbehave, in the own rack; a topic that
grows, topics that nobody has created, brokers that can not be reached.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest

from aioproducer import EventKind, Producer, ProducerEvent
from aioproducer.errors import ConfigurationError, DeliveryTimeoutError, MetadataTimeoutError, PartitionerError
from aioproducer.partitioning.base import Partitions
from aioproducer.testing import EmbeddedCluster
from aioproducer.testing.transport import Listener, Stream, listen_on_sockets

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


async def test_a_name_that_brokers_advertise_and_nobody_knows_is_named_as_such(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """They are there, and answer the bootstrap; the name that they tell is of a network that is not this one."""

    async def listen(host: str, port: int, accept: Callable[[Stream], None]) -> Listener:
        assert host == "kafka-1.invalid"
        return await listen_on_sockets("127.0.0.1", port, accept)

    async with asyncio.timeout(20), EmbeddedCluster(host="kafka-1.invalid", listen=listen) as cluster:
        port = cluster.address(1)[1]
        async with Producer(
            f"127.0.0.1:{port}", linger_ms=0, request_timeout_ms=500, delivery_timeout_ms=500
        ) as producer:
            says = (
                rf"kafka-1\.invalid:{port}: the name can not be resolved.* advertised\.listeners: it has to lead there"
            )
            with pytest.raises(DeliveryTimeoutError, match=says):
                await producer.send("t", b"x")
        [line] = [record.message for record in caplog.records if "can not be reached" in record.message]
        assert re.search(says, line)


# -- the built-in partitioner's options


@pytest.mark.parametrize("ignored", [True, False])
async def test_keys_have_no_say_where_they_are_ignored(ignored: bool) -> None:
    async with (
        asyncio.timeout(20),
        EmbeddedCluster() as cluster,
        Producer(cluster.bootstrap_servers, partitioner_ignore_keys=ignored) as producer,
    ):
        cluster.create_topic("t", partitions=6)
        sent = [producer.send("t", b"x", key=b"%d" % number) for number in range(60)]
        placed = {(await delivery).partition for delivery in sent}
        # All of them fit one batch.
        assert len(placed) == (1 if ignored else 6)


@pytest.mark.parametrize("adaptive", [True, False])
async def test_a_broker_that_falls_behind_gets_less_only_where_that_is_wanted(adaptive: bool) -> None:
    """A visit's partition is chance; of 300 the slow broker's half is 90 or less once in a billion runs."""
    async with (
        asyncio.timeout(30),
        EmbeddedCluster(2) as cluster,
        Producer(
            cluster.bootstrap_servers,
            batch_size=100,
            linger_ms=0,
            partitioner_adaptive_partitioning_enable=adaptive,
        ) as producer,
    ):
        cluster.create_topic("t", partitions=2, replication_factor=1)
        for partition in range(2):
            await producer.send("t", b"x", partition=partition)
        slow = cluster.leader("t", 1)
        cluster.silence("Produce", broker=slow, times=None)
        for _ in range(300):
            producer.send("t", b"x" * 100)
            await asyncio.sleep(0.0005)
        quick = cluster.end_offset("t", 0) - 1
        assert (quick > 210) == adaptive, quick
        await producer.close(timeout=0)


# -- partitioners of one's own


class Index:
    """As numbers of numpy are."""

    def __index__(self) -> int:
        return 1


@pytest.mark.parametrize("returned", [True, False, -1, 3, None, "1", 1.0, Index(), 2**40], ids=repr)
@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
async def test_a_wrong_return_fails_that_record_alone(returned: Any, known: bool) -> None:
    def by_value(topic: str, key: bytes | None, value: bytes | None, partitions: Partitions) -> int:
        return returned if value == b"wrong" else 1

    async with (
        asyncio.timeout(20),
        EmbeddedCluster() as cluster,
        Producer(cluster.bootstrap_servers, partitioner=by_value) as producer,
    ):
        cluster.create_topic("t", partitions=3)
        if known:
            await producer.partitions_for("t")
        before = producer.send("t", b"before")
        says = rf"by_value.* returned {re.escape(repr(returned))} for a record of topic 't': .* int from 0 to 2"
        if known:
            with pytest.raises(PartitionerError, match=says):
                producer.send("t", b"wrong")
            failed = None
        else:
            # There are no partitions to choose from yet, so that it comes out later.
            failed = producer.send("t", b"wrong")
        after = producer.send("t", b"after")
        if failed is not None:
            with pytest.raises(PartitionerError, match=says):
                await failed
        assert [(await delivery).offset for delivery in (before, after)] == [0, 1]
        assert producer.metrics().buffered_records == producer.metrics().buffered_bytes == 0
    assert [record.value for record in cluster.records("t", 1)] == [b"before", b"after"]


async def test_what_a_partitioner_raises_reaches_the_caller_and_nothing_is_kept() -> None:
    error = KeyError("no such customer")

    def fails(topic: str, key: bytes | None, value: bytes | None, partitions: Partitions) -> int:
        raise error

    async with (
        asyncio.timeout(20),
        EmbeddedCluster() as cluster,
        Producer(cluster.bootstrap_servers, partitioner=fails) as producer,
    ):
        cluster.create_topic("t", partitions=3)
        await producer.partitions_for("t")
        with pytest.raises(PartitionerError, match=r"fails.* raised KeyError\('no such customer'\).* 't'") as raised:
            producer.send("t", b"x")
        assert raised.value.__cause__ is error
        metrics = producer.metrics()
        assert metrics.buffered_records == metrics.buffered_bytes == metrics.waiting_sends == 0
        await producer.flush()
        assert cluster.records("t") == []
        assert (await producer.send("t", b"x", partition=2)).offset == 0, "it is not asked for these"


async def later(topic: str, key: bytes | None, value: bytes | None, partitions: Partitions) -> int:
    return 0


class Later:
    async def __call__(self, topic: str, key: bytes | None, value: bytes | None, partitions: Partitions) -> int:
        return 0


@pytest.mark.parametrize("partitioner", [later, Later()])
def test_a_partitioner_that_would_have_to_be_awaited_is_refused_at_once(partitioner: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^partitioner=.*give a plain function"):
        Producer("127.0.0.1:1", partitioner=partitioner)


async def test_a_partitioner_is_told_when_its_batch_is_full() -> None:
    told: list[tuple[str, int, int]] = []

    class Next:
        """Goes on to the next partition with each batch."""

        current = 0

        def __call__(self, topic: str, key: bytes | None, value: bytes | None, partitions: Partitions) -> int:
            return self.current

        def on_new_batch(self, topic: str, partitions: Partitions, previous: int) -> None:
            told.append((topic, len(partitions), previous))
            self.current = (previous + 1) % len(partitions)

    async with (
        asyncio.timeout(20),
        EmbeddedCluster() as cluster,
        Producer(cluster.bootstrap_servers, partitioner=Next(), batch_size=600) as producer,
    ):
        cluster.create_topic("t", partitions=3)
        await producer.partitions_for("t")
        sent = [producer.send("t", b"x" * 100, key=b"same") for _ in range(12)]
        placed = [(await delivery).partition for delivery in sent]
    # Four of them fill a batch.
    assert placed == [0] * 4 + [1] * 4 + [2] * 4
    assert told == [("t", 3, 0), ("t", 3, 1)]
