"""What is refused, and what is waited for, and how long: unknown topics, full buffers, records that are too large."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from aioproducer import Persisted, Producer
from aioproducer.errors import (
    BufferFullError,
    DeliveryTimeoutError,
    InvalidTopicError,
    MetadataTimeoutError,
    ProducerClosedError,
    RecordTooLargeError,
    UnknownTopicOrPartitionError,
)
from aioproducer.testing import EmbeddedCluster
from tests.support.brokers import BrokerUnderTest, MockBroker
from tests.support.held import HeldNetwork
from tests.support.readback import check_same

pytestmark = pytest.mark.usefixtures("no_leaks")

UNKNOWN_TOPIC_OR_PARTITION = 3
KIB = 1024


@asynccontextmanager
async def without_the_topic(broker: BrokerUnderTest, name: str) -> AsyncIterator[tuple[str, str]]:
    """Where to ask for which topic, so that it is not there and is not created by being asked for."""
    if isinstance(broker, MockBroker):
        broker.mock.set_topic_error(name, UNKNOWN_TOPIC_OR_PARTITION)
        yield broker.bootstrap, name
    elif broker.name.startswith("embedded"):
        async with EmbeddedCluster(brokers=broker.size, auto_create_topics=False) as cluster:
            yield cluster.bootstrap_servers, name
    else:
        # Kafka creates no topic whose name differs from that of another only in a dot for an underscore.
        await broker.create_topic(f"{name}_1")
        yield broker.bootstrap, f"{name}.1"


async def test_an_unknown_topic_is_waited_for_and_no_longer(broker: BrokerUnderTest, topic_name: str) -> None:
    loop = asyncio.get_running_loop()
    async with (
        without_the_topic(broker, topic_name) as (bootstrap, topic),
        Producer(bootstrap, max_block_ms=400) as producer,
    ):
        start = loop.time()
        deliveries = [producer.send(topic, b"x") for _ in range(3)]
        with pytest.raises(MetadataTimeoutError, match=f"topic '{topic}' .*UNKNOWN_TOPIC_OR_PARTITION") as caught:
            await deliveries[-1]  # each has a time of its own, and this one the latest
        assert 0.35 <= loop.time() - start < 3
        assert isinstance(caught.value.__cause__, UnknownTopicOrPartitionError)
        assert caught.value.persisted is Persisted.NO
        assert caught.value.retriable
        assert [type(delivery.exception()) for delivery in deliveries] == [MetadataTimeoutError] * 3
        with pytest.raises(MetadataTimeoutError, match=f"topic '{topic}' .*UNKNOWN_TOPIC_OR_PARTITION"):
            await producer.partitions_for(topic)


async def test_a_topic_that_is_created_while_it_is_waited_for(broker: BrokerUnderTest, topic_name: str) -> None:
    """By the first metadata request for it, as brokers do unless told otherwise."""
    async with Producer(broker.bootstrap, max_block_ms=20_000) as producer:
        deliveries = [producer.send(topic_name, b"%d" % number) for number in range(5)]
        await asyncio.gather(*deliveries)

    assert len(await broker.read(topic_name, 5)) == 5


async def test_a_name_that_no_topic_can_have(broker: BrokerUnderTest) -> None:
    async with Producer(broker.bootstrap) as producer:
        for topic in ("", ".", "..", "a b", "a/b", "ä", "x" * 250):
            with pytest.raises(InvalidTopicError, match="is no name that Kafka allows"):
                producer.send(topic, b"x")
            with pytest.raises(InvalidTopicError, match="is no name that Kafka allows"):
                await producer.partitions_for(topic)
        assert producer.metrics().waiting_sends == producer.metrics().topics == 0


async def test_a_full_buffer_is_waited_for_and_no_longer(broker: BrokerUnderTest, topic_name: str) -> None:
    await broker.create_topic(topic_name)
    loop = asyncio.get_running_loop()
    network = HeldNetwork()
    producer = Producer(broker.bootstrap, buffer_memory=8 * KIB, batch_size=KIB, max_block_ms=400)
    await producer.start(dial=network)
    try:
        await producer.send(topic_name, b"first")
        with network.held():
            start = loop.time()
            sent = [(value, producer.send(topic_name, value)) for value in (b"%0700d" % n for n in range(20))]
            with pytest.raises(BufferFullError, match=r"no room .*8192 bytes of buffer_memory") as caught:
                await sent[-1][1]
            assert 0.35 <= loop.time() - start < 3
            assert caught.value.persisted is Persisted.NO
            assert producer.metrics().buffered_bytes <= 8 * KIB
        await producer.flush()
    finally:
        await producer.close()

    refused = [isinstance(delivery.exception(), BufferFullError) for _, delivery in sent]
    assert refused == sorted(refused)
    kept = [value for value, delivery in sent if delivery.exception() is None]
    assert 8 <= len(kept) <= 11
    assert [record.value for record in await broker.read(topic_name, len(kept) + 1)] == [b"first", *kept]


async def test_callers_wait_for_room_in_their_order(broker: BrokerUnderTest, topic_name: str, fast_loop: None) -> None:
    await broker.create_topic(topic_name)
    async with Producer(broker.bootstrap, buffer_memory=4 * KIB, batch_size=KIB) as producer:
        deliveries = [producer.send(topic_name, b"%d" % number + b"x" * (number % 300)) for number in range(500)]
        assert producer.metrics().waiting_sends > 0
        answers = await asyncio.gather(*deliveries)

    check_same([metadata.offset for metadata in answers], range(500))
    records = await broker.read(topic_name, 500)
    check_same([record.value for record in records], [b"%d" % number + b"x" * (number % 300) for number in range(500)])


async def test_a_record_above_max_request_size_is_refused_at_once(broker: BrokerUnderTest, topic_name: str) -> None:
    await broker.create_topic(topic_name)
    async with Producer(broker.bootstrap, max_request_size=10 * KIB) as producer:
        for value, headers in ((b"x" * 10 * KIB, []), (b"", [("name", b"x" * 10 * KIB)])):
            with pytest.raises(RecordTooLargeError, match="max_request_size=10240") as caught:
                producer.send(topic_name, value, headers=headers)
            assert caught.value.persisted is Persisted.NO
        await producer.send(topic_name, b"x" * 10_000)

    assert len(await broker.read(topic_name, 1)) == 1


@pytest.mark.parametrize("idempotent", [False, True])
async def test_a_record_too_large_for_its_topic(broker: BrokerUnderTest, topic_name: str, idempotent: bool) -> None:
    broker.needs("max-message-bytes")
    await broker.create_topic(topic_name, partitions=2, max_message_bytes=2000)
    async with Producer(broker.bootstrap, enable_idempotence=idempotent) as producer:
        await producer.send(topic_name, b"before", partition=0)
        large = producer.send(topic_name, b"x" * 5000, partition=0)
        beside = producer.send(topic_name, b"beside", partition=1)
        with pytest.raises(RecordTooLargeError, match=f"{topic_name}.*0") as caught:
            await large
        assert (caught.value.code, caught.value.name) == (10, "MESSAGE_TOO_LARGE")
        assert caught.value.persisted is Persisted.NO
        assert (await beside).offset == 0
        assert (await producer.send(topic_name, b"after", partition=0)).offset == 1

    assert [record.value for record in await broker.read(topic_name, 3)] == [b"before", b"after", b"beside"]


async def test_a_batch_too_large_for_its_topic(broker: BrokerUnderTest, topic_name: str) -> None:
    """It goes out in pieces; a record that is too large alone fails alone."""
    broker.needs("max-message-bytes")
    await broker.create_topic(topic_name, max_message_bytes=2000)
    values = [b"%0500d" % number for number in range(20)]
    async with Producer(broker.bootstrap, linger_ms=50) as producer:
        before = [producer.send(topic_name, value) for value in values[:10]]
        alone = producer.send(topic_name, b"x" * 3000)
        after = [producer.send(topic_name, value) for value in values[10:]]
        metadata = await asyncio.gather(*before, *after)
        with pytest.raises(RecordTooLargeError, match=r"max\.message\.bytes") as raised:
            await alone
    assert raised.value.persisted is Persisted.NO
    assert [each.offset for each in metadata] == list(range(20))
    assert [record.value for record in await broker.read(topic_name, 20)] == values


@pytest.mark.parametrize("acks", [0, 1, "all"])
async def test_a_burst_to_a_topic_that_takes_less_than_a_grown_batch(
    broker: BrokerUnderTest, topic_name: str, acks: object
) -> None:
    """With acks=0 a batch that is refused would be lost: batches do not grow then."""
    broker.needs("max-message-bytes")
    await broker.create_topic(topic_name, max_message_bytes=65_536)
    values = [b"%01000d" % number for number in range(500)]
    async with Producer.from_properties({"bootstrap.servers": broker.bootstrap, "acks": acks}) as producer:
        deliveries = [producer.send(topic_name, value) for value in values]
        await producer.flush()
        records = await broker.read(topic_name, 500)
    assert [record.value for record in records] == values
    assert [delivery.result().offset for delivery in deliveries] == ([-1] * 500 if acks == 0 else list(range(500)))


async def test_delivery_timeout(broker: BrokerUnderTest, topic_name: str) -> None:
    await broker.create_topic(topic_name)
    network = HeldNetwork()
    loop = asyncio.get_running_loop()
    producer = Producer(broker.bootstrap, delivery_timeout_ms=700, request_timeout_ms=600, linger_ms=0)
    await producer.start(dial=network)
    try:
        await producer.send(topic_name, b"first")
        with network.held():
            start = loop.time()
            with pytest.raises(DeliveryTimeoutError, match=f"{topic_name}.0. were not acknowledged") as caught:
                await producer.send(topic_name, b"second")
            assert 0.65 <= loop.time() - start < 3
            assert caught.value.persisted is Persisted.MAYBE
        await producer.send(topic_name, b"third")
    finally:
        await producer.close()

    # The second was written, so it may be there, but once at most, and where it was sent.
    values = [record.value for record in await broker.read(topic_name, 2)]
    assert values in ([b"first", b"third"], [b"first", b"second", b"third"])


async def test_close_waits_no_longer_than_it_may(broker: BrokerUnderTest, topic_name: str) -> None:
    await broker.create_topic(topic_name)
    network = HeldNetwork()
    producer = Producer(broker.bootstrap)
    await producer.start(dial=network)
    await producer.send(topic_name, b"first")
    with network.held():
        written = producer.send(topic_name, b"second")
        await asyncio.sleep(0.05)
        waiting = producer.send(topic_name, b"third")
        start = time.monotonic()
        await producer.close(timeout=0.3)
        assert 0.25 <= time.monotonic() - start < 1.5
        assert written.done()
        assert waiting.done()
        with pytest.raises(ProducerClosedError, match="may be in the log") as caught:
            await written
        assert caught.value.persisted is Persisted.MAYBE
        with pytest.raises(ProducerClosedError):
            await waiting


async def test_close_finishes_what_was_sent(broker: BrokerUnderTest, topic_name: str) -> None:
    await broker.create_topic(topic_name)
    producer = Producer(broker.bootstrap, linger_ms=60_000)
    await producer.start()
    sent = [producer.send(topic_name, b"%d" % number) for number in range(100)]
    await asyncio.wait_for(producer.close(timeout=20), 30)

    assert [delivery.result().offset for delivery in sent] == list(range(100))
    assert len(await broker.read(topic_name, 100)) == 100
