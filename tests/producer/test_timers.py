"""Each timer has one meaning: whichever ends a record, the error names it, for how long and for what was waited, how
often it was tried, what a broker said last, and whether the record is in the log.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from aioproducer import Delivery
from aioproducer.config import Options
from aioproducer.errors import (
    BufferFullError,
    ConnectionFailedError,
    DeliveryTimeoutError,
    KafkaError,
    MetadataTimeoutError,
    NotEnoughReplicasError,
    Persisted,
    ProducerClosedError,
    RequestTimeoutError,
)
from aioproducer.testing import EmbeddedCluster
from tests.support.counting_loop import run_counted
from tests.support.memory_network import MemoryNetwork, Weather
from tests.support.world import MemoryProducer

SHORT: Options = {
    "linger_ms": 0,
    "request_timeout_ms": 100,
    "delivery_timeout_ms": 200,
    "retry_backoff_ms": 5,
    "reconnect_backoff_ms": 5,
}


@dataclass(frozen=True)
class Case:
    """What is wrong, from the start or from when the topic is known; the options; the error, its words, its cause."""

    wrong: Callable[[EmbeddedCluster], object]
    options: Options
    error: type[KafkaError]
    words: str
    persisted: Persisted
    cause: type[BaseException] | None = None
    topic: str = "t"
    from_the_start: bool = False


CASES: dict[str, Case] = {
    "delivery, refused again and again": Case(
        lambda cluster: cluster.fail("produce", 19, times=None),
        SHORT,
        DeliveryTimeoutError,
        r"1 records to t\[0\] were not acknowledged 0\.2\d+ s after .*\(delivery_timeout_ms\), after \d+ attempts; "
        r"the next attempt would go to broker 1; the last error was: .*NOT_ENOUGH_REPLICAS.* not in the log",
        Persisted.NO,
        NotEnoughReplicasError,
    ),
    "delivery, in flight": Case(
        lambda cluster: cluster.silence("produce", times=None),
        {**SHORT, "request_timeout_ms": 200},
        DeliveryTimeoutError,
        r"after 1 attempts; a request to broker 1 is unanswered\. They may be in the log",
        Persisted.MAYBE,
    ),
    "delivery, no producer id": Case(
        lambda cluster: cluster.fail("init_producer_id", 14, times=None),
        SHORT,
        DeliveryTimeoutError,
        r"after 0 attempts; no broker has given the producer id that idempotence needs\. They are not in the log",
        Persisted.NO,
        from_the_start=True,
    ),
    "retries, refused": Case(
        lambda cluster: cluster.fail("produce", 19, times=None),
        {"linger_ms": 0, "retry_backoff_ms": 5, "retries": 2, "enable_idempotence": True},
        NotEnoughReplicasError,
        r"NOT_ENOUGH_REPLICAS .*; given up after 3 attempts \(retries=2\), 0\.\d+ s after .* They are not in the log",
        Persisted.NO,
    ),
    "request, and no retry": Case(
        lambda cluster: cluster.silence("produce", times=None),
        {"linger_ms": 0, "request_timeout_ms": 100, "retries": 0, "enable_idempotence": False},
        RequestTimeoutError,
        r"a Produce request unanswered for its time-out \(request_timeout_ms\), .*; given up after 1 attempt "
        r"\(retries=0\), 0\.\d+ s after .* They may be in the log",
        Persisted.MAYBE,
    ),
    "max_block, for a topic": Case(
        lambda cluster: cluster.fail("metadata", 3, partition="new", times=None),
        {"max_block_ms": 150},
        MetadataTimeoutError,
        r"topic 'new' stayed unknown for 0\.\d+ s \(max_block_ms\); the last answer was: .*UNKNOWN_TOPIC_OR_PARTITION",
        Persisted.NO,
        KafkaError,
        topic="new",
    ),
    "max_block, for room": Case(
        lambda cluster: cluster.silence("produce", times=None),
        {"max_block_ms": 150, "buffer_memory": 200, "batch_size": 150},
        BufferFullError,
        r"no room for a record to t within 0\.\d+ s \(max_block_ms\): \d+ of 200 bytes of buffer_memory",
        Persisted.NO,
    ),
}


async def fate(delivery: Delivery) -> BaseException | None:
    [error] = await asyncio.gather(delivery, return_exceptions=True)
    return error if isinstance(error, BaseException) else None


def in_virtual_time(test: Callable[[EmbeddedCluster, MemoryNetwork], Coroutine[Any, Any, None]]) -> None:
    """Runs `test` with two brokers in memory, and a topic "t" led by broker 1 alone."""

    async def run() -> None:
        network = MemoryNetwork(Random(1), Weather())
        async with EmbeddedCluster(2, listen=network.listen) as cluster:
            cluster.create_topic("t", partitions=2, replication_factor=1)
            await test(cluster, network)

    run_counted(run)


@pytest.mark.parametrize("name", CASES)
def test_the_error_says_which_timer_ended_the_record(name: str) -> None:
    case = CASES[name]

    async def test(cluster: EmbeddedCluster, network: MemoryNetwork) -> None:
        if case.from_the_start:
            case.wrong(cluster)
        async with MemoryProducer(network, cluster.bootstrap_servers, **case.options) as producer:
            if case.topic == "t":
                await producer.partitions_for("t")
            if not case.from_the_start:
                case.wrong(cluster)
            first = producer.send(case.topic, b"x" * 50, partition=0)
            second = first
            if case.error is BufferFullError:
                second = producer.send(case.topic, b"y" * 50, partition=0)
            error = await fate(second)
            assert type(error) is case.error
            assert re.search(case.words, str(error)), str(error)
            assert error.persisted is case.persisted
            assert isinstance(error.__cause__, case.cause or type(None))
            await producer.close(timeout=0)
            await fate(first)

    in_virtual_time(test)


def test_a_broker_that_is_gone_is_named() -> None:
    async def test(cluster: EmbeddedCluster, network: MemoryNetwork) -> None:
        async with MemoryProducer(network, cluster.bootstrap_servers, **SHORT) as producer:
            await producer.send("t", b"x", partition=0)
            await cluster.stop_broker(1, fail_over=False)
            await asyncio.sleep(1)  # the connection is lost before anything is written over it
            error = await fate(producer.send("t", b"y", partition=0))
            assert isinstance(error, DeliveryTimeoutError)
            assert re.search(r"the next attempt would go to broker 1; the last error was: .*refused", str(error))
            assert isinstance(error.__cause__, ConnectionFailedError)
            assert error.persisted is Persisted.NO

    in_virtual_time(test)


def test_a_partition_without_a_leader() -> None:
    async def test(cluster: EmbeddedCluster, network: MemoryNetwork) -> None:
        await cluster.stop_broker(2)
        async with MemoryProducer(network, cluster.bootstrap_servers, **SHORT) as producer:
            await producer.send("t", b"x", partition=0)
            error = await fate(producer.send("t", b"y", partition=1))
            assert isinstance(error, DeliveryTimeoutError)
            assert re.search(r"after 0 attempts; the partition has no leader\. They are not in the log", str(error))
            assert error.persisted is Persisted.NO

    in_virtual_time(test)


def test_closing_says_what_became_of_each() -> None:
    async def test(cluster: EmbeddedCluster, network: MemoryNetwork) -> None:
        async with MemoryProducer(network, cluster.bootstrap_servers, linger_ms=60_000) as producer:
            await producer.partitions_for("t")
            cluster.silence("produce", times=None)
            written = producer.send("t", b"x", partition=0)
            written.add_done_callback(lambda _: None)  # nobody lingers who is waited for
            await asyncio.sleep(1)
            kept = producer.send("t", b"x", partition=1)
            parked = producer.send("other", b"x")
            await producer.close(timeout=0)
        errors = [delivery.exception() for delivery in (written, kept, parked)]
        assert [type(error) for error in errors] == [ProducerClosedError] * 3
        persisted = [error.persisted for error in errors if isinstance(error, KafkaError)]
        assert persisted == [Persisted.MAYBE, Persisted.NO, Persisted.NO]
        assert "after 1 attempts they may be in the log" in str(errors[0])

    in_virtual_time(test)
