"""Leaders that move, errors that pass, brokers that come back elsewhere, on the embedded cluster: who is asked next,
and after what, is read from its log of requests.
"""

from __future__ import annotations

import asyncio

import pytest

from aioproducer.config import Options
from aioproducer.testing import EmbeddedCluster
from tests.support.faulty import producer_of, until

pytestmark = pytest.mark.usefixtures("no_leaks")

NO_BACKOFF_ENDS: Options = {
    "linger_ms": 0,
    "retry_backoff_ms": 3_600_000,
    "retry_backoff_max_ms": 3_600_000,
    "request_timeout_ms": 8000,
    "delivery_timeout_ms": 8000,
}
"""A pause is the end of a test, in an error that says so."""
QUICK: Options = {
    "linger_ms": 0,
    "retry_backoff_ms": 5,
    "retry_backoff_max_ms": 20,
    "reconnect_backoff_ms": 1,
    "reconnect_backoff_max_ms": 10,
}


def asked(cluster: EmbeddedCluster, api: str = "Produce") -> list[int]:
    """Which brokers were asked, request by request."""
    return [entry.broker for entry in cluster.requests if entry.api == api]


def values(cluster: EmbeddedCluster, partition: int | None = None) -> list[bytes | None]:
    return [record.value for record in cluster.records("t", partition)]


async def test_a_leader_named_in_the_answer_is_asked_without_backoff_and_without_metadata() -> None:
    """KIP-951. A backoff of an hour, and metadata that never come, would be seen."""
    async with EmbeddedCluster(brokers=2) as cluster:
        cluster.create_topic("t")
        async with producer_of(cluster.bootstrap_servers, NO_BACKOFF_ENDS) as producer:
            await producer.send("t", b"0")
            cluster.silence("Metadata", times=None)
            for number in range(1, 4):
                old = cluster.leader("t")
                new = cluster.move_leader("t")
                cluster.requests.clear()
                assert (await producer.send("t", b"%d" % number)).offset == number
                assert asked(cluster) == [old, new]
        assert values(cluster) == [b"0", b"1", b"2", b"3"]


async def test_a_leader_epoch_that_goes_backwards_is_ignored() -> None:
    """Metadata from before the move arrive after an answer has named the new leader."""
    async with EmbeddedCluster(brokers=2) as cluster:
        cluster.create_topic("t")
        async with producer_of(cluster.bootstrap_servers, QUICK, metadata_max_age_ms=50) as producer:
            await producer.send("t", b"0")
            stale = cluster.delay("Metadata", 0.2, after_append=True)
            silence = cluster.silence("Metadata", skip=1, times=None)
            await until(lambda: stale.hits)
            new = cluster.move_leader("t")
            await producer.send("t", b"1")
            assert not silence.hits
            # The next is asked for when the stale answer has been taken in.
            await until(lambda: silence.hits)
            cluster.requests.clear()
            await producer.send("t", b"2")
            assert asked(cluster) == [new]
        assert values(cluster) == [b"0", b"1", b"2"]


PASSING = (
    "CORRUPT_MESSAGE",
    "UNKNOWN_TOPIC_OR_PARTITION",
    "LEADER_NOT_AVAILABLE",
    "NOT_LEADER_OR_FOLLOWER",
    "REQUEST_TIMED_OUT",
    "REPLICA_NOT_AVAILABLE",
    "NOT_ENOUGH_REPLICAS",
    "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
    "KAFKA_STORAGE_ERROR",
    "FENCED_LEADER_EPOCH",
    "UNKNOWN_LEADER_EPOCH",
    "UNKNOWN_TOPIC_ID",
)


@pytest.mark.parametrize("code", PASSING)
@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
async def test_an_error_that_passes(code: str, warm: bool) -> None:
    """The first batch of a topic is met by it, a moment after its creation, or one in the middle."""
    async with EmbeddedCluster(brokers=2) as cluster:
        cluster.create_topic("t")
        async with producer_of(cluster.bootstrap_servers, QUICK, batch_size=100) as producer:
            sent = [producer.send("t", b"0")] if warm else []
            await asyncio.gather(*sent)
            fault = cluster.fail("Produce", code)
            sent += [producer.send("t", b"%d" % number) for number in range(len(sent), 30)]
            async with asyncio.timeout(10):
                answers = await asyncio.gather(*sent)
            assert fault.hits == 1
            metrics = producer.metrics()
            assert metrics.batch_retry_total >= 1
            assert (metrics.epoch_bump_total, metrics.record_error_total) == (0, 0)
        assert [metadata.offset for metadata in answers] == list(range(30))
        assert values(cluster) == [b"%d" % number for number in range(30)]


async def test_an_error_of_the_metadata_that_passes() -> None:
    async with EmbeddedCluster(auto_create_topics=False) as cluster:
        async with producer_of(cluster.bootstrap_servers, QUICK) as producer:
            delivery = producer.send("t", b"0")
            cluster.fail("Metadata", "LEADER_NOT_AVAILABLE", times=2)
            await until(lambda: len(asked(cluster, "Metadata")) >= 4)
            assert not delivery.done()
            cluster.create_topic("t")
            async with asyncio.timeout(10):
                await delivery
        assert values(cluster) == [b"0"]


@pytest.mark.parametrize("noticed", [True, False], ids=["noticed", "unnoticed"])
async def test_a_broker_returns_on_another_port(noticed: bool) -> None:
    """The one that leads, without another replica, while records are sent; the cluster notices it, or does not."""
    async with EmbeddedCluster(brokers=2) as cluster:
        cluster.create_topic("t", replication_factor=1)
        async with producer_of(cluster.bootstrap_servers, QUICK) as producer:
            await producer.send("t", b"0")
            leader = cluster.leader("t")
            old = cluster.address(leader)
            await cluster.stop_broker(leader, fail_over=noticed)
            sent = [producer.send("t", b"%d" % number) for number in range(1, 20)]
            await asyncio.sleep(0.05)
            assert not any(delivery.done() for delivery in sent)
            await cluster.start_broker(leader, port=0)
            assert cluster.address(leader) != old
            async with asyncio.timeout(10):
                await asyncio.gather(*sent)
        assert values(cluster) == [b"%d" % number for number in range(20)]
