"""Topics that are refused, made again, asked for by the thousand, or for partitions they do not have; their names."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from aioproducer import Delivery, Producer
from aioproducer.errors import (
    ArgumentTypeError,
    BrokerError,
    InvalidTopicError,
    MaxBlockTimeoutError,
    MetadataTimeoutError,
    TopicAuthorizationError,
    UnknownTopicOrPartitionError,
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


# -- many at once


@pytest.mark.parametrize("created", [True, False], ids=["created by being asked for", "there already"])
async def test_thousands_of_new_topics_in_one_turn_take_a_handful_of_requests(created: bool, fast_loop: None) -> None:
    names = [f"topic-{number}" for number in range(5000)]
    async with asyncio.timeout(60), EmbeddedCluster(auto_create_topics=created) as cluster:
        if not created:
            for name in names:
                cluster.create_topic(name)
        async with Producer(cluster.bootstrap_servers, allow_auto_create_topics=created) as producer:
            cluster.requests.clear()
            answers = await asyncio.gather(*(producer.send(name, b"x") for name in names))
            asked = [entry for entry in cluster.requests if entry.api == "Metadata"]
        assert all(answer.offset == 0 for answer in answers)
        assert set(cluster.topics()) == set(names)
        # A topic that was created a moment ago is not in the answer that had it created.
        assert len(asked) <= (4 if created else 1)
        assert {topic for topic, _ in asked[0].partitions} == set(names)


# -- one that is refused, and its neighbours


def produced(cluster: EmbeddedCluster) -> list[set[str]]:
    """The topics of each Produce request."""
    return [{topic for topic, _ in entry.partitions} for entry in cluster.requests if entry.api == "Produce"]


async def test_a_topic_that_the_metadata_refuse_does_not_touch_the_others() -> None:
    async with asyncio.timeout(20), EmbeddedCluster() as cluster:
        for name in ("open", "shut", "wide"):
            cluster.create_topic(name)
        cluster.fail("Metadata", "TOPIC_AUTHORIZATION_FAILED", partition="shut", times=None)
        async with Producer(
            cluster.bootstrap_servers, linger_ms=0, retry_backoff_ms=5, metadata_max_age_ms=200
        ) as producer:
            cluster.requests.clear()
            patient = producer.send("wide", b"patient", partition=1)
            for round_ in range(3):
                # In one turn, so that the first time they are in one request. What is told of "wide" comes last.
                refused = [producer.send("shut", b"x") for _ in range(5)]
                taken = [
                    producer.send(name, b"%d" % (5 * round_ + number), partition=0)
                    for name in ("open", "wide")
                    for number in range(5)
                ]
                results = await asyncio.gather(*refused, return_exceptions=True)
                assert all(isinstance(result, TopicAuthorizationError) for result in results)
                assert [(await each).offset for each in taken] == 2 * list(range(5 * round_, 5 * round_ + 5))
            asked = [{topic for topic, _ in entry.partitions} for entry in cluster.requests if entry.api == "Metadata"]
            assert asked[0] == {"open", "shut", "wide"}
            assert not patient.done(), "it waits for its partition all the while"
            cluster.add_partitions("wide", 2)
            assert (await patient).offset == 0
            assert producer.metrics().waiting_sends == producer.metrics().buffered_bytes == 0
        for name in ("open", "wide"):
            assert [record.value for record in cluster.records(name, 0)] == [b"%d" % number for number in range(15)]


async def test_a_topic_that_is_refused_in_a_request_does_not_touch_the_others_in_it() -> None:
    async with asyncio.timeout(20), EmbeddedCluster() as cluster:
        for name in ("open", "shut"):
            cluster.create_topic(name)
        async with Producer(cluster.bootstrap_servers, linger_ms=60_000, delivery_timeout_ms=120_000) as producer:
            await asyncio.gather(producer.partitions_for("open"), producer.partitions_for("shut"))
            cluster.fail("Produce", "TOPIC_AUTHORIZATION_FAILED", partition="shut", times=None)
            taken: list[Delivery] = []
            refused: list[Delivery] = []
            for _ in range(3):
                cluster.requests.clear()
                refused += [producer.send("shut", b"x") for _ in range(3)]
                taken += [producer.send("open", b"%d" % (len(taken) + more)) for more in range(3)]
                await producer.flush()
                assert {"open", "shut"} in produced(cluster)
                assert sum("open" in topics for topics in produced(cluster)) == 1, "nothing of it was sent again"
            errors = [delivery.exception() for delivery in refused]
            assert all(isinstance(error, TopicAuthorizationError) for error in errors)
            assert all("'shut'" in str(error) or "shut[0]" in str(error) for error in errors)
        assert [delivery.result().offset for delivery in taken] == list(range(9))
        assert [record.value for record in cluster.records("open")] == [b"%d" % number for number in range(9)]
        assert cluster.records("shut") == []


async def test_a_topic_that_is_refused_while_others_are_in_flight_and_wait() -> None:
    async with asyncio.timeout(20), EmbeddedCluster() as cluster:
        for name in ("open", "shut"):
            cluster.create_topic(name)
        async with Producer(cluster.bootstrap_servers, linger_ms=0, batch_size=200, retry_backoff_ms=5) as producer:
            await asyncio.gather(producer.send("open", b"first"), producer.send("shut", b"first"))
            cluster.fail("Produce", "TOPIC_AUTHORIZATION_FAILED", partition="shut", times=None)
            cluster.fail("Metadata", "TOPIC_AUTHORIZATION_FAILED", partition="shut", times=None)
            cluster.delay("Produce", 0.1, partition="open", after_append=True, times=2)
            taken, refused = [], []
            for number in range(100):
                taken.append(producer.send("open", b"%02d" % number + bytes(50)))
                refused.append(producer.send("shut", b"x" * 50))
                if number % 10 == 9:
                    await asyncio.sleep(0.01)
            results = await asyncio.gather(*refused, return_exceptions=True)
            assert all(isinstance(result, TopicAuthorizationError) for result in results)
            assert [answer.offset for answer in await asyncio.gather(*taken)] == list(range(1, 101))
        assert [(record.value or b"")[:2] for record in cluster.records("open")[1:]] == [
            b"%02d" % n for n in range(100)
        ]


# -- one that nobody has created


async def test_a_missing_topic_is_told_of_when_the_time_is_over_whatever_the_brokers_do_then() -> None:
    """The broker said once that it is not there, and answers nothing any more when the time is over."""
    async with EmbeddedCluster() as cluster:
        async with Producer(
            cluster.bootstrap_servers, allow_auto_create_topics=False, max_block_ms=300, retry_backoff_ms=50
        ) as producer:
            cluster.silence("Metadata", skip=1, times=None)
            async with asyncio.timeout(10):
                with pytest.raises(
                    MetadataTimeoutError, match=r"'new' stayed unknown.*max_block_ms.*create it"
                ) as raised:
                    await producer.send("new", b"x")
                assert isinstance(raised.value.__cause__, UnknownTopicOrPartitionError)
                assert raised.value.retriable
                assert producer.metrics().waiting_sends == 0
        assert cluster.topics() == {}


# -- names


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("", InvalidTopicError, r"topic='' .* use 1 to 249"),
        (".", InvalidTopicError, r"topic='\.' .* not '\.' or '\.\.' alone"),
        ("..", InvalidTopicError, r"topic='\.\.' "),
        ("x" * 250, InvalidTopicError, r"topic='x{250}' .* 1 to 249"),
        ("a b", InvalidTopicError, r"topic='a b' .* a-z, A-Z, 0-9"),
        ("naïve", InvalidTopicError, r"topic='naïve' "),
        ("line\n", InvalidTopicError, r"topic='line\\n' "),
        (None, ArgumentTypeError, r"topic=None is NoneType: give a str"),
        (b"bytes", ArgumentTypeError, r"topic=b'bytes' is bytes: give a str"),
    ],
)
async def test_a_name_that_kafka_does_not_allow_is_refused_before_anything_is_kept(
    name: Any, kind: type[Exception], says: str
) -> None:
    async with EmbeddedCluster() as cluster, Producer(cluster.bootstrap_servers) as producer:
        cluster.requests.clear()
        with pytest.raises(kind, match=says):
            producer.send(name, b"x")
        with pytest.raises(kind, match=says):
            await producer.partitions_for(name)
        with pytest.raises(kind, match=says):
            await producer.send_all(name, [b"x"])
        metrics = producer.metrics()
        assert metrics.waiting_sends == metrics.buffered_records == metrics.buffered_bytes == 0
        await asyncio.sleep(0)
        assert "Metadata" not in {entry.api for entry in cluster.requests}


async def test_names_that_differ_in_dots_and_underscores_alone_are_the_brokers_business() -> None:
    names = ["a.b", "a_b", "x" * 249, "...", "-", "0"]
    async with EmbeddedCluster() as cluster, Producer(cluster.bootstrap_servers) as producer:
        answers = await asyncio.gather(*(producer.send(name, b"x") for name in names))
        assert [answer.topic for answer in answers] == names
        assert set(cluster.topics()) == set(names)
