"""`send_all` of a whole producer: what holds for a loop of `send` holds for it, though no record has a handle there."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from aioproducer import Delivery, Producer, ProducerRecord
from aioproducer.errors import (
    ArgumentTypeError,
    BulkSendError,
    InvalidTopicError,
    MisuseError,
    ProducerClosedError,
    RecordTooLargeError,
)
from aioproducer.outcome import Outcome
from aioproducer.testing import EmbeddedCluster
from tests.support.producers import values

pytestmark = pytest.mark.usefixtures("no_leaks")

ONE = "one-partition"


@pytest.fixture
async def cluster() -> AsyncIterator[EmbeddedCluster]:
    async with EmbeddedCluster() as opened:
        opened.create_topic(ONE, partitions=1)
        yield opened


async def test_the_order_is_that_of_the_calls_also_with_sends_in_between(cluster: EmbeddedCluster) -> None:
    async with Producer(cluster.bootstrap_servers, batch_size=1000, linger_ms=5) as producer:
        expected: list[bytes] = []

        def mixed() -> Iterator[bytes | ProducerRecord | bytearray]:
            for number in range(2000):
                ours = b"ours %d" % number
                if number % 7 == 0:
                    expected.append(b"theirs")
                    producer.send(ONE, b"theirs")
                expected.append(ours)
                yield (
                    ProducerRecord(ours, key=b"k")
                    if number % 11 == 0
                    else bytearray(ours)
                    if number % 13 == 0
                    else ours
                )

        assert await producer.send_all(ONE, mixed()) == 2000
        await producer.flush()
        assert values(cluster, ONE) == expected


def outcomes() -> list[object]:
    return [thing for thing in gc.get_objects() if type(thing) is Outcome]


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_small_buffer_holds_it_back(cluster: EmbeddedCluster, asynchronous: bool) -> None:
    async with Producer(cluster.bootstrap_servers, batch_size=1000, buffer_memory=4000) as producer:
        most = kept = 0
        gc.collect()
        before = len(outcomes())

        def numbered() -> Iterator[bytes]:
            nonlocal most, kept
            for number in range(3000):
                yield b"%d" % number
                most = max(most, producer.metrics().buffered_bytes)
            kept = len(outcomes()) - before

        async def numbered_asynchronously() -> AsyncIterator[bytes]:
            for value in numbered():
                yield value

        assert await producer.send_all(ONE, numbered_asynchronously() if asynchronous else numbered()) == 3000
        assert values(cluster, ONE) == [b"%d" % number for number in range(3000)]
        assert 2000 < most <= 4000
        # What is settled is not kept to the end.
        assert kept < 10


async def test_no_handle_is_made_for_each_value(cluster: EmbeddedCluster) -> None:
    async with Producer(cluster.bootstrap_servers, linger_ms=60_000, batch_size=1 << 20) as producer:
        await producer.send(ONE, b"first")
        gc.collect()
        out = 0

        def counted() -> Iterator[bytes]:
            nonlocal out
            for _ in range(400):
                yield b"value"
            out = sum(type(thing) is Delivery for thing in gc.get_objects())

        assert await producer.send_all(ONE, counted()) == 400
        assert 1 <= out < 20


async def test_the_loop_turns_meanwhile(cluster: EmbeddedCluster) -> None:
    async with Producer(cluster.bootstrap_servers, linger_ms=5, batch_size=1 << 20) as producer:
        await producer.send(ONE, b"first")
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        at_the_end = 0

        def many() -> Iterator[bytes]:
            nonlocal at_the_end
            for _ in range(5200):
                yield b"value"
            at_the_end = turns

        other = asyncio.create_task(turn())
        assert await producer.send_all(ONE, many()) == 5200
        other.cancel()
        assert at_the_end >= 10


async def test_failures_are_those_of_its_own_records(
    cluster: EmbeddedCluster, caplog: pytest.LogCaptureFixture
) -> None:
    async with Producer(cluster.bootstrap_servers, linger_ms=60_000) as producer:
        await producer.send(ONE, b"first")
        cluster.fail("Produce", "INVALID_RECORD", partition=(ONE, 0))

        def mixed() -> Iterator[bytes]:
            for number in range(20):
                if number % 5 == 0:
                    producer.send(ONE, b"theirs")
                yield b"%d" % number

        with pytest.raises(BulkSendError, match=r"20 of 20 records to 'one-partition' failed, .* number 0 ") as raised:
            await producer.send_all(ONE, mixed())
        assert (raised.value.sent, raised.value.failed, raised.value.first_index) == (20, 20, 0)
        assert await producer.send_all(ONE, [b"again"]) == 1
    gc.collect()
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    # Ours were looked at, one by one; theirs nobody looked at.
    assert len(told) == 1
    assert told[0].startswith("4 of 24 records to one-partition[0] failed")


async def test_a_batch_that_fails_amid_others(cluster: EmbeddedCluster) -> None:
    async with Producer(cluster.bootstrap_servers, linger_ms=5, batch_size=200) as producer:
        await producer.send(ONE, b"first")
        cluster.fail("Produce", "INVALID_RECORD", partition=(ONE, 0))
        given = [b"%04d" % number for number in range(500)]
        with pytest.raises(BulkSendError) as raised:
            await producer.send_all(ONE, given)
        there = values(cluster, ONE)[1:]
        error = raised.value
        assert (error.sent, error.failed, error.first_index) == (500, 500 - len(there), 0)
        assert there == given[error.failed :]


async def test_closed_meanwhile(cluster: EmbeddedCluster) -> None:
    async with Producer(cluster.bootstrap_servers) as producer:
        await producer.send(ONE, b"first")
        sent = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal sent
            while True:
                await asyncio.sleep(0)
                yield b"%d" % sent
                sent += 1

        sending = asyncio.create_task(producer.send_all(ONE, endless()))
        # Nothing announces it, so it is looked for.
        while sent < 50:  # noqa: ASYNC110
            await asyncio.sleep(0)
        await producer.close()
        with pytest.raises(ProducerClosedError):
            await sending
        assert values(cluster, ONE)[1:] == [b"%d" % number for number in range(sent)]


async def test_cancelled_what_was_taken_goes_on(cluster: EmbeddedCluster) -> None:
    async with Producer(cluster.bootstrap_servers, batch_size=500, buffer_memory=2000) as producer:
        await producer.send(ONE, b"first")
        taken: list[bytes] = []

        def numbered() -> Iterator[bytes]:
            for number in range(100_000):
                taken.append(b"%d" % number)
                yield taken[-1]

        sending = asyncio.create_task(producer.send_all(ONE, numbered()))
        while len(taken) < 300:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await producer.flush()
        assert values(cluster, ONE)[1:] == taken


@pytest.mark.parametrize(
    ("topic", "bad", "error"),
    [
        (ONE, "text", ArgumentTypeError),
        (ONE, b"x" * 2_000_000, RecordTooLargeError),
        ("no topic", b"x", InvalidTopicError),
    ],
)
async def test_what_send_refuses_ends_it(
    cluster: EmbeddedCluster, topic: str, bad: Any, error: type[Exception]
) -> None:
    async with Producer(cluster.bootstrap_servers) as producer:
        await producer.send(ONE, b"first")
        good = [b"a", b"b"] if topic == ONE else []
        with pytest.raises(error):
            await producer.send_all(topic, [*good, bad, b"never"])
        await producer.flush()
        assert values(cluster, ONE) == [b"first", *good]


async def test_serializers_see_each_value(cluster: EmbeddedCluster) -> None:
    def upper(topic: str, value: bytes) -> bytes:
        return value.upper()

    async with Producer(cluster.bootstrap_servers, value_serializer=upper) as producer:
        assert await producer.send_all(ONE, [b"a"] * 3) == 3
    assert values(cluster, ONE) == [b"A"] * 3


async def test_from_another_loop(cluster: EmbeddedCluster) -> None:
    async with Producer(cluster.bootstrap_servers, linger_ms=60_000) as producer:
        await producer.send(ONE, b"first")
        producer.send(ONE, b"of an open batch")
        with pytest.raises(MisuseError, match="outside of the event loop"):
            await asyncio.to_thread(asyncio.run, producer.send_all(ONE, [b"a", b"b"]))
        await producer.flush()
    assert values(cluster, ONE) == [b"first", b"of an open batch"]


async def test_a_topic_that_is_none_is_refused_as_by_send(cluster: EmbeddedCluster) -> None:
    async with Producer(cluster.bootstrap_servers) as producer:
        topic: Any = [ONE]
        with pytest.raises(ArgumentTypeError, match="topic="):
            await producer.send_all(topic, [b"x"])
