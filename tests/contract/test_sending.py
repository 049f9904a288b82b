"""One record and many: what arrives, in which order, and what the producer says of it, on every broker."""

from __future__ import annotations

import asyncio
import math
import time

import pytest

from aioproducer import KafkaError, Producer, RecordMetadata, TimestampType
from aioproducer.config import Options
from tests.support.brokers import BrokerUnderTest
from tests.support.held import HeldNetwork
from tests.support.readback import Sent, check_log, check_same, place

pytestmark = pytest.mark.usefixtures("no_leaks")


def tells_timestamps(broker: BrokerUnderTest) -> bool:
    """librdkafka's mock names one and the same log append time in each answer, and keeps the record's own."""
    return broker.can("log-append-time")


async def test_records_arrive_as_they_were_sent(broker: BrokerUnderTest, topic_name: str) -> None:
    await broker.create_topic(topic_name, partitions=2)
    before = time.time_ns() // 1_000_000
    cases: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]] = [
        (b"key", b"value", []),
        (None, b"no key", []),
        (b"tombstone", None, []),
        (None, None, []),
        (b"", b"", []),
        (b"k", b"headers", [("a", b"1"), ("a", b"2"), ("null", None), ("empty", b""), ("ümlaut", b"\x00\xff")]),
        (bytes(range(256)), b"\x00" * 70_000, []),
    ]
    async with Producer(broker.bootstrap) as producer:
        answers = [
            await producer.send(topic_name, value, key=key, headers=headers, partition=number % 2)
            for number, (key, value, headers) in enumerate(cases)
        ]
    after = time.time_ns() // 1_000_000

    records = {(record.partition, record.offset): record for record in await broker.read(topic_name, len(cases))}
    assert len(records) == len(cases)
    for number, ((key, value, headers), metadata) in enumerate(zip(cases, answers, strict=True)):
        record = records[place(metadata)]
        assert (record.key, record.value, list(record.headers)) == (key, value, headers)
        assert metadata.topic == topic_name
        assert metadata.partition == number % 2
        assert before <= record.timestamp_ms <= after
        if tells_timestamps(broker):
            assert metadata.timestamp_ms == record.timestamp_ms
            assert metadata.timestamp_type is TimestampType.CREATE_TIME


async def test_time_of_the_call_is_kept(broker: BrokerUnderTest, topic_name: str) -> None:
    await broker.create_topic(topic_name)
    stamps = [1_700_000_000_003, 1_700_000_000_001, 1_700_000_000_002]
    async with Producer(broker.bootstrap) as producer:
        deliveries = [producer.send(topic_name, b"x", timestamp_ms=stamp) for stamp in stamps]
        answers = await asyncio.gather(*deliveries)

    if tells_timestamps(broker):
        assert [metadata.timestamp_ms for metadata in answers] == stamps
    assert [record.timestamp_ms for record in await broker.read(topic_name, 3)] == stamps


async def test_log_append_time_is_told(broker: BrokerUnderTest, topic_name: str) -> None:
    broker.needs("log-append-time")
    await broker.create_topic(topic_name, message_timestamp_type="LogAppendTime")
    async with Producer(broker.bootstrap) as producer:
        answers = [await producer.send(topic_name, b"x", timestamp_ms=1_700_000_000_000) for _ in range(3)]

    records = await broker.read(topic_name, 3)
    assert [record.timestamp_type for record in records] == ["LogAppendTime"] * 3
    assert [(m.timestamp_ms, m.timestamp_type) for m in answers] == [
        (record.timestamp_ms, TimestampType.LOG_APPEND_TIME) for record in records
    ]
    assert answers[0].timestamp_ms > 1_700_000_000_000


@pytest.mark.parametrize("in_flight", [1, 5])
async def test_order_of_the_calls_is_order_in_the_log(
    broker: BrokerUnderTest, topic_name: str, in_flight: int, fast_loop: None
) -> None:
    await broker.create_topic(topic_name, partitions=3)
    seen = set[int]()
    sent: list[Sent] = []

    # Between turns of the loop, and where answers are told: uvloop reads and writes many times in one turn.
    def look(*_: object) -> None:
        seen.update(producer.metrics().requests_in_flight.values())

    async with Producer(
        broker.bootstrap, max_in_flight_requests_per_connection=in_flight, batch_size=200, linger_ms=0
    ) as producer:
        for number in range(2000):
            value, partition = b"%d" % number, None if number % 5 else number % 3
            sent.append((value, producer.send(topic_name, value, partition=partition, on_delivery=look)))
            if number % 100 == 0:
                await asyncio.sleep(0)
        while not all(delivery.done() for _, delivery in sent):
            look()
            await asyncio.sleep(0)

    assert min(in_flight, 2) <= max(seen) <= in_flight
    check_log(await broker.read(topic_name, 2000), sent)


@pytest.mark.parametrize(("options", "most"), [({}, 262_144), ({"batch_size": 16_384}, 16_384)])
async def test_a_burst_goes_in_large_batches_unless_their_size_is_given(
    broker: BrokerUnderTest, topic_name: str, options: Options, most: int
) -> None:
    await broker.create_topic(topic_name)
    async with Producer(broker.bootstrap, **options) as producer:
        sent = [(value, producer.send(topic_name, value)) for value in (b"%01000d" % number for number in range(2000))]
        await producer.flush()
        done = producer.metrics()

    records_per_batch = most // 1012
    assert done.batch_send_total == math.ceil(2000 / records_per_batch)
    check_log(await broker.read(topic_name, 2000), sent)


async def test_order_without_idempotence(broker: BrokerUnderTest, topic_name: str, fast_loop: None) -> None:
    await broker.create_topic(topic_name)
    async with Producer(broker.bootstrap, enable_idempotence=False, batch_size=300, linger_ms=0) as producer:
        sent = [(value, producer.send(topic_name, value)) for value in (b"%d" % number for number in range(500))]
        await producer.flush()

    check_log(await broker.read(topic_name, 500), sent)


@pytest.mark.parametrize("acks", [0, 1, "all"])
async def test_acks(broker: BrokerUnderTest, topic_name: str, acks: object, pytestconfig: pytest.Config) -> None:
    if acks == 0 and pytestconfig.getoption("--loop") == "uvloop":
        broker.needs("acks-0")  # asyncio is slow enough that a broker without it has read all by then
    await broker.create_topic(topic_name, partitions=2)
    async with Producer.from_properties({"bootstrap.servers": broker.bootstrap, "acks": acks}) as producer:
        answers = [await producer.send(topic_name, b"%d" % number, partition=number % 2) for number in range(10)]
        assert not any(producer.metrics().requests_in_flight.values())
        # Before the connection is closed: what a broker has not read by then it may drop, and with acks=0 nobody knows.
        records = await broker.read(topic_name, 10)

    assert [(record.partition, record.value) for record in records] == [
        (number % 2, b"%d" % number) for number in (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
    ]
    expected = [-1] * 10 if acks == 0 else [number // 2 for number in range(10)]
    assert [metadata.offset for metadata in answers] == expected


async def test_many_tasks_that_each_await(broker: BrokerUnderTest, topic_name: str, fast_loop: None) -> None:
    await broker.create_topic(topic_name, partitions=4)
    values = [b"%d" % number for number in range(400)]
    async with Producer(broker.bootstrap, linger_ms=60_000) as producer:

        async def request(value: bytes) -> RecordMetadata:
            return await producer.send(topic_name, value, key=value)

        answers = await asyncio.wait_for(asyncio.gather(*map(request, values)), 30)

    records = {(record.partition, record.offset): record.value for record in await broker.read(topic_name, 400)}
    check_same([records[place(metadata)] for metadata in answers], values)
    assert len(records) == 400


async def test_on_delivery_is_called_once_each_in_order(broker: BrokerUnderTest, topic_name: str) -> None:
    await broker.create_topic(topic_name, partitions=2)
    calls: list[tuple[int, RecordMetadata | None, KafkaError | None]] = []

    async with Producer(broker.bootstrap, batch_size=200, linger_ms=0) as producer:
        for number in range(100):

            def settled(metadata: RecordMetadata | None, error: KafkaError | None, number: int = number) -> None:
                calls.append((number, metadata, error))

            producer.send(topic_name, b"%d" % number, partition=number % 2, on_delivery=settled)

    assert len(calls) == 100
    for partition in range(2):
        mine = [(number, metadata, error) for number, metadata, error in calls if number % 2 == partition]
        assert [number for number, _, _ in mine] == list(range(partition, 100, 2))
        assert [metadata.offset for _, metadata, _ in mine if metadata is not None] == list(range(50))
        assert {error for _, _, error in mine} == {None}
    records = await broker.read(topic_name, 100)
    assert [record.value for record in records if record.partition == 1] == [b"%d" % n for n in range(1, 100, 2)]


async def test_a_send_that_is_awaited_does_not_linger(broker: BrokerUnderTest, topic_name: str) -> None:
    await broker.create_topic(topic_name)
    async with Producer(broker.bootstrap, linger_ms=60_000) as producer:
        first = producer.send(topic_name, b"1")
        async with asyncio.timeout(10):
            await producer.send(topic_name, b"2")
        assert first.done()
        third = producer.send(topic_name, b"3")
        await asyncio.sleep(0.1)
        assert not third.done()
        await asyncio.wait_for(producer.flush(), 10)
        assert third.done()

    assert [record.value for record in await broker.read(topic_name, 3)] == [b"1", b"2", b"3"]


async def test_strict_linger(broker: BrokerUnderTest, topic_name: str) -> None:
    await broker.create_topic(topic_name)
    async with Producer(broker.bootstrap, linger_ms=300, strict_linger=True) as producer:
        await producer.partitions_for(topic_name)
        start = asyncio.get_running_loop().time()
        await producer.send(topic_name, b"1")
        assert asyncio.get_running_loop().time() - start >= 0.29


async def test_flush_and_drain(broker: BrokerUnderTest, topic_name: str) -> None:
    await broker.create_topic(topic_name)
    network = HeldNetwork()
    producer = Producer(broker.bootstrap, linger_ms=60_000, batch_size=1000, buffer_memory=5000)
    await producer.start(dial=network)
    try:
        await producer.send(topic_name, b"first")
        with network.held():
            sent = [(value, producer.send(topic_name, value)) for value in (b"%0400d" % n for n in range(30))]
            assert producer.metrics().waiting_sends > 0
            draining = asyncio.ensure_future(producer.drain())
            with pytest.raises(TimeoutError, match=r"were not settled within 0\.2 s"):
                await producer.flush(timeout=0.2)
            assert not draining.done()
            assert not any(delivery.done() for _, delivery in sent)
        await asyncio.wait_for(draining, 10)
        assert producer.metrics().waiting_sends == 0
        await asyncio.wait_for(producer.flush(), 10)
        assert all(delivery.done() for _, delivery in sent)
        later = producer.send(topic_name, b"later")
        await producer.drain()
        assert not later.done()
    finally:
        await producer.close()

    records = await broker.read(topic_name, 32)
    assert [record.value for record in records] == [b"first", *(value for value, _ in sent), b"later"]


async def test_partitions_for(broker: BrokerUnderTest, topic_name: str) -> None:
    await broker.create_topic(topic_name, partitions=3)
    async with Producer(broker.bootstrap) as producer:
        infos = await producer.partitions_for(topic_name)

    assert [(info.topic, info.partition) for info in infos] == [(topic_name, number) for number in range(3)]
    addresses = broker.bootstrap.split(",")
    for info in infos:
        assert info.leader is not None
        assert f"{info.leader.host}:{info.leader.port}".replace("localhost", "127.0.0.1") in addresses
        assert info.leader.id in info.in_sync_replicas
        assert len(info.replicas) == broker.size
        assert info.offline_replicas == ()


async def test_metrics_count_what_was_sent(broker: BrokerUnderTest, topic_name: str) -> None:
    await broker.create_topic(topic_name, partitions=2)
    async with Producer(broker.bootstrap) as producer:
        deliveries = [producer.send(topic_name, b"x" * 100, partition=number % 2) for number in range(20)]
        waiting = producer.metrics()
        await asyncio.gather(*deliveries)
        done = producer.metrics()

    assert waiting.waiting_sends + waiting.buffered_records == 20
    assert waiting.record_send_total == 0
    assert done.record_send_total == 20
    assert done.record_error_total == done.batch_error_total == 0
    assert done.buffered_bytes == done.buffered_batches == done.buffered_records == done.waiting_sends == 0
    assert done.batch_send_total == 2
    assert done.records_per_batch_avg == 10
    assert done.batch_size_avg > 1000
    # A topic made a moment ago may not be at home on its broker yet.
    assert 1 <= done.request_total <= 2 + done.batch_retry_total
    assert set(done.requests_in_flight.values()) == {0}
    assert done.topics == 1
