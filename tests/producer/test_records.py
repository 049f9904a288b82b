"""The way of a record, as far as it needs faults that only the embedded cluster has.

What holds with every broker is in `tests/contract/`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextvars import Context
from random import Random
from typing import Any, TypeVarTuple

import pytest

from aioproducer import Persisted, Producer, RecordMetadata
from aioproducer.errors import (
    ArgumentTypeError,
    ClusterAuthorizationError,
    ConfigurationError,
    DeliveryTimeoutError,
    InvalidArgumentError,
    KafkaError,
    PartitionerError,
    RecordTooLargeError,
    TopicAuthorizationError,
)
from aioproducer.partitioning.base import Partitions
from aioproducer.testing import EmbeddedCluster
from tests.support.producers import TOPIC, values

pytestmark = pytest.mark.usefixtures("no_leaks")

Ts = TypeVarTuple("Ts")


# -- what is given


async def test_options_are_checked_at_once() -> None:
    with pytest.raises(ConfigurationError, match=r"linger_ms.*; .*acks"):
        Producer("127.0.0.1:1", linger_ms=-1, acks=7)  # type: ignore[arg-type]  # what is wrong is the point
    with pytest.raises(ConfigurationError, match="linger_ms"):
        Producer("127.0.0.1:1", lingerms=1)  # type: ignore[call-arg]  # what is wrong is the point


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"topic": None}, ArgumentTypeError, "topic=None"),
        ({"topic": b"orders"}, ArgumentTypeError, "give a str"),
        ({"value": "text"}, ArgumentTypeError, "value of a record"),
        ({"key": 1}, ArgumentTypeError, "key of a record"),
        ({"partition": "0"}, ArgumentTypeError, "partition='0'"),
        ({"partition": True}, ArgumentTypeError, "partition=True"),
        ({"partition": -1}, InvalidArgumentError, "partition=-1"),
        ({"headers": {"a": b"1"}}, ArgumentTypeError, r"list\(headers.items\(\)\)"),
        ({"headers": [("a", "text")]}, ArgumentTypeError, "the value of 'a'"),
        ({"headers": [(b"a", b"1")]}, ArgumentTypeError, "the key b'a'"),
        ({"headers": [("\ud800", b"1")]}, InvalidArgumentError, "UTF-8"),
        ({"headers": [("h", b"x" * (1 << 20))]}, RecordTooLargeError, "max_request_size=1048576"),
        ({"timestamp_ms": 1.5}, ArgumentTypeError, "timestamp_ms=1.5"),
        ({"timestamp_ms": -1}, InvalidArgumentError, "timestamp_ms=-1"),
        ({"timestamp_ms": 1 << 63}, InvalidArgumentError, "timestamp_ms=9223372036854775808"),
        ({"on_delivery": 1}, ArgumentTypeError, "on_delivery=1"),
    ],
)
async def test_arguments_are_checked_at_once(
    started: Producer, arguments: dict[str, Any], error: type[KafkaError], message: str
) -> None:
    with pytest.raises(error, match=message):
        started.send(**{"topic": TOPIC, "value": b"x"} | arguments)
    assert started.metrics().waiting_sends == started.metrics().buffered_records == 0


async def test_serializers_see_bytes_too(cluster: EmbeddedCluster) -> None:
    def upper(topic: str, given: bytes) -> bytes:
        return given.upper()

    async with Producer(cluster.bootstrap_servers, key_serializer=upper, value_serializer=upper) as producer:
        await producer.send(TOPIC, b"value", key=b"key")
    assert [(record.key, record.value) for record in cluster.records(TOPIC)] == [(b"KEY", b"VALUE")]


async def test_on_delivery_can_not_be_a_coroutine_function(started: Producer) -> None:
    async def settled(metadata: RecordMetadata | None, error: KafkaError | None) -> None:
        """Nobody would await it."""

    with pytest.raises(ArgumentTypeError, match="coroutine function"):
        started.send(TOPIC, b"x", on_delivery=settled)


@pytest.mark.parametrize("timeout", [-1, float("nan"), "1", True])
async def test_timeouts_are_checked(started: Producer, timeout: Any) -> None:
    for call in (started.close, started.flush):
        with pytest.raises((ArgumentTypeError, InvalidArgumentError), match="give seconds"):
            await call(timeout)
    await started.send(TOPIC, b"x")


# -- what becomes of it


class WatchfulLoop(asyncio.SelectorEventLoop):
    """Counts the timers that have fired."""

    fired = 0

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        def fire() -> None:
            self.fired += 1
            callback(*args)

        return super().call_at(when, fire, context=context)


def test_the_first_acknowledgement_takes_no_sleep() -> None:
    """From the constructor on: no timer fires, so nothing that is awaited on the way can have ended by one."""
    loop = WatchfulLoop()

    async def main() -> None:
        async with EmbeddedCluster(brokers=3) as cluster:
            cluster.create_topic(TOPIC, partitions=3)
            # Lingers that nobody sits out still have timers; these come too late to be seen.
            producer = Producer(cluster.bootstrap_servers, linger_ms=60_000)
            await producer.start()
            for partition in range(3):
                await producer.send(TOPIC, b"x", partition=partition)
            assert loop.fired == 0
            await producer.close()
            assert loop.fired == 0

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main())


async def test_nothing_is_asked_of_brokers_that_is_not_needed(cluster: EmbeddedCluster) -> None:
    async with Producer(cluster.bootstrap_servers) as producer:
        await asyncio.gather(*[producer.send(TOPIC, b"x", partition=0) for _ in range(100)])
    asked = [entry.api for entry in cluster.requests]
    assert asked.count("Produce") == 1
    assert asked.count("InitProducerId") == 1
    assert asked.count("Metadata") == 2


async def test_a_record_that_expires_while_it_is_compressed(cluster: EmbeddedCluster, fast_loop: None) -> None:
    async with Producer(
        cluster.bootstrap_servers,
        compression_type="zstd",
        compression_zstd_level=22,
        linger_ms=0,
        request_timeout_ms=50,
        delivery_timeout_ms=60,
        batch_size=10_000_000,
        max_request_size=10_000_000,
    ) as producer:
        await producer.partitions_for(TOPIC)
        value = Random(1).randbytes(50_000) * 100
        with pytest.raises(DeliveryTimeoutError) as caught:
            await producer.send(TOPIC, value, partition=0)
        assert caught.value.persisted is Persisted.NO
        await asyncio.sleep(0.1)
        deadline = time.monotonic() + 20
        while True:
            # The compressor may be busy with the first one for a while.
            try:
                await producer.send(TOPIC, b"after", partition=0)
            except DeliveryTimeoutError:
                assert time.monotonic() < deadline
            else:
                break
        await producer.flush()
        assert producer.metrics().buffered_bytes == 0
    assert value not in values(cluster)


async def test_idempotence_that_is_not_allowed(cluster: EmbeddedCluster) -> None:
    cluster.fail("InitProducerId", "CLUSTER_AUTHORIZATION_FAILED", times=None)
    async with Producer(cluster.bootstrap_servers) as producer:
        with pytest.raises(ClusterAuthorizationError, match="enable_idempotence=False"):
            await asyncio.wait_for(producer.send(TOPIC, b"x"), 5)
    assert values(cluster) == []


async def test_a_topic_that_may_not_be_written(cluster: EmbeddedCluster) -> None:
    cluster.fail("Metadata", "TOPIC_AUTHORIZATION_FAILED", partition="secret", times=None)
    async with Producer(cluster.bootstrap_servers) as producer:
        deliveries = [producer.send("secret", b"x") for _ in range(2)]
        for delivery in deliveries:
            with pytest.raises(TopicAuthorizationError, match="secret"):
                await asyncio.wait_for(delivery, 5)
        with pytest.raises(TopicAuthorizationError, match="secret"):
            await asyncio.wait_for(producer.partitions_for("secret"), 5)
        await producer.send(TOPIC, b"x")


async def test_a_partitioner_with_a_fault_harms_one_record(cluster: EmbeddedCluster) -> None:
    def partitioner(topic: str, key: bytes | None, value: bytes | None, partitions: Partitions) -> int:
        if value == b"bad":
            raise ZeroDivisionError("the user's bug")
        return 0

    async with Producer(cluster.bootstrap_servers, partitioner=partitioner) as producer:
        # While the topic is unknown nobody can be asked, so the error is in the delivery.
        deliveries = [producer.send(TOPIC, value) for value in (b"1", b"bad", b"2")]
        await deliveries[2]
        with pytest.raises(PartitionerError, match="ZeroDivisionError") as caught:
            await deliveries[1]
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
        with pytest.raises(PartitionerError):
            producer.send(TOPIC, b"bad")
        await producer.send(TOPIC, b"3")
    assert values(cluster) == [b"1", b"2", b"3"]


class NewBatchFault:
    """A partitioner whose second method has a fault."""

    def __call__(self, topic: str, key: bytes | None, value: bytes | None, partitions: Partitions) -> int:
        return 0

    def on_new_batch(self, topic: str, partitions: Partitions, previous: int) -> None:
        raise ZeroDivisionError("the user's bug")


async def test_a_partitioner_with_a_fault_between_batches(cluster: EmbeddedCluster) -> None:
    async with Producer(cluster.bootstrap_servers, partitioner=NewBatchFault(), batch_size=500) as producer:
        await producer.partitions_for(TOPIC)
        first = producer.send(TOPIC, b"x" * 300)
        with pytest.raises(PartitionerError, match=r"on_new_batch.*ZeroDivisionError"):
            producer.send(TOPIC, b"y" * 300)
        await first
    assert values(cluster) == [b"x" * 300]


async def test_a_partitioner_with_a_fault_between_batches_of_records_that_wait(cluster: EmbeddedCluster) -> None:
    async with Producer(cluster.bootstrap_servers, partitioner=NewBatchFault(), batch_size=500) as producer:
        deliveries = [producer.send(TOPIC, b"x" * 300) for _ in range(2)]
        await asyncio.wait_for(deliveries[0], 5)
        with pytest.raises(PartitionerError, match=r"on_new_batch.*ZeroDivisionError"):
            await asyncio.wait_for(deliveries[1], 5)
    assert values(cluster) == [b"x" * 300]


async def test_on_delivery_that_raises_harms_nobody(cluster: EmbeddedCluster, caplog: pytest.LogCaptureFixture) -> None:
    def settled(metadata: RecordMetadata | None, error: KafkaError | None) -> None:
        calls.append(metadata)
        raise ZeroDivisionError("the user's bug")

    calls: list[RecordMetadata | None] = []
    async with Producer(cluster.bootstrap_servers) as producer:
        for _ in range(3):
            producer.send(TOPIC, b"x", partition=0, on_delivery=settled)
        await producer.flush()
        await producer.send(TOPIC, b"x", partition=0)
    assert len(calls) == 3
    assert [record.levelname for record in caplog.records if "on_delivery" in record.message] == ["ERROR"] * 3


async def test_on_delivery_may_use_the_producer(cluster: EmbeddedCluster) -> None:
    """It is called before whoever awaits the delivery, or flushes, goes on."""
    second: list[RecordMetadata | None] = []

    def settled(metadata: RecordMetadata | None, error: KafkaError | None) -> None:
        producer.send(TOPIC, b"2", on_delivery=lambda metadata, error: second.append(metadata))

    async with Producer(cluster.bootstrap_servers) as producer:
        await producer.send(TOPIC, b"1", on_delivery=settled)
        await producer.flush()
    assert len(second) == 1
    assert sorted(value or b"" for value in values(cluster)) == [b"1", b"2"]


async def test_errors_that_nobody_looks_at_are_logged_once_for_a_batch(
    cluster: EmbeddedCluster, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.fail("Produce", "INVALID_RECORD", partition=(TOPIC, 0))
    async with Producer(cluster.bootstrap_servers) as producer:
        await producer.partitions_for(TOPIC)
        for _ in range(5):
            producer.send(TOPIC, b"x", partition=0)
        await producer.flush()
    told = [record.message for record in caplog.records if "nobody looked" in record.message]
    assert len(told) == 1
    assert told[0].startswith("5 of 5 records to orders[0] failed")
