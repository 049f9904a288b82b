"""At most once, at least once, exactly once: what a fault of the network leaves in the log under each, and what is said
of it. Each shows the loss or the double that the weaker one allows, and the stronger one does not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from aioproducer import Persisted
from aioproducer.config import Options
from aioproducer.errors import ConnectionFailedError, KafkaError, RequestTimeoutError
from tests.support.faulty import PRODUCE, FaultyBroker, FaultyEmbedded, Ordered, producer_of, until

pytestmark = pytest.mark.usefixtures("no_leaks")

QUICK: Options = {"linger_ms": 0, "retry_backoff_ms": 10, "retry_backoff_max_ms": 50, "reconnect_backoff_ms": 1}

AT_MOST_ONCE: Options = {"enable_idempotence": False, "retries": 0, **QUICK}
AT_LEAST_ONCE: Options = {"enable_idempotence": False, **QUICK}
EXACTLY_ONCE: Options = {"enable_idempotence": True, **QUICK}

STORED: dict[str, Callable[[FaultyBroker], Ordered]] = {
    "answer lost": lambda faulty: faulty.lose_answer(),
    "answer cut": lambda faulty: faulty.cut_answer(),
    "silence": lambda faulty: faulty.silence(),
}
"""Faults after which the record is in the log, and the producer does not know it."""


async def values(faulty: FaultyBroker, topic: str, expected: int) -> list[bytes | None]:
    return [record.value for record in await faulty.broker.read(topic, expected)]


async def test_without_acks_a_record_may_be_lost_and_nobody_is_told(faulty: FaultyBroker, topic_name: str) -> None:
    await faulty.broker.create_topic(topic_name)
    async with producer_of(faulty.bootstrap, AT_MOST_ONCE, acks=0) as producer:
        await producer.send(topic_name, b"0")
        assert await values(faulty, topic_name, 1) == [b"0"]
        cut = faulty.cut_before()
        said = await producer.send(topic_name, b"lost")
        sent = 0
        # Whatever is written until the end of the connection is seen is lost too; nothing is sent twice.
        while connections(faulty) < 2:
            sent += 1
            await producer.send(topic_name, b"%d" % sent)
            await asyncio.sleep(0.005)
        await producer.send(topic_name, b"last")
        found = await values(faulty, topic_name, 2)

    assert cut.hits == 1
    assert said.offset == -1
    assert b"lost" not in found
    assert (found[0], found[-1]) == (b"0", b"last")
    assert len(set(found)) == len(found)


def connections(faulty: FaultyBroker) -> int:
    """Over how many connections records have come to the network."""
    return len({event.connection for event in faulty.proxy.events if event.api == PRODUCE})


@pytest.mark.parametrize("acks", [1, "all"])
async def test_at_most_once_loses_what_did_not_come(faulty: FaultyBroker, topic_name: str, acks: object) -> None:
    await faulty.broker.create_topic(topic_name)
    async with producer_of(faulty.bootstrap, AT_MOST_ONCE, acks=acks) as producer:  # type: ignore[arg-type]  # both are acks
        await producer.send(topic_name, b"0")
        faulty.cut_before()
        with pytest.raises(ConnectionFailedError, match="given up after 1 attempt") as caught:
            await producer.send(topic_name, b"1")
        await producer.send(topic_name, b"2")

    assert caught.value.persisted is Persisted.MAYBE
    assert await values(faulty, topic_name, 2) == [b"0", b"2"]


@pytest.mark.parametrize("fault", STORED)
async def test_at_most_once_never_stores_twice(faulty: FaultyBroker, topic_name: str, fault: str) -> None:
    await faulty.broker.create_topic(topic_name)
    async with producer_of(faulty.bootstrap, AT_MOST_ONCE, request_timeout_ms=800) as producer:
        await producer.send(topic_name, b"0")
        STORED[fault](faulty)
        with pytest.raises(KafkaError) as caught:
            await producer.send(topic_name, b"1")
        await producer.send(topic_name, b"2")

    assert isinstance(caught.value, RequestTimeoutError if fault == "silence" else ConnectionFailedError)
    assert caught.value.persisted is Persisted.MAYBE
    assert await values(faulty, topic_name, 3) == [b"0", b"1", b"2"]


@pytest.mark.parametrize("acks", [1, "all"])
async def test_at_least_once_loses_nothing(faulty: FaultyBroker, topic_name: str, acks: object) -> None:
    await faulty.broker.create_topic(topic_name)
    async with producer_of(faulty.bootstrap, AT_LEAST_ONCE, acks=acks) as producer:  # type: ignore[arg-type]  # both are acks
        await producer.send(topic_name, b"0")
        faulty.cut_before(times=3)
        assert (await producer.send(topic_name, b"1")).offset == 1
        assert producer.metrics().batch_retry_total == 3

    assert await values(faulty, topic_name, 2) == [b"0", b"1"]


@pytest.mark.parametrize("fault", STORED)
async def test_at_least_once_stores_twice(faulty: FaultyBroker, topic_name: str, fault: str) -> None:
    await faulty.broker.create_topic(topic_name)
    async with producer_of(faulty.bootstrap, AT_LEAST_ONCE, request_timeout_ms=800) as producer:
        await producer.send(topic_name, b"0")
        STORED[fault](faulty)
        # That of the copy: the producer knows of no other.
        assert (await producer.send(topic_name, b"1")).offset == 2

    assert await values(faulty, topic_name, 3) == [b"0", b"1", b"1"]


@pytest.mark.parametrize("fault", STORED)
async def test_exactly_once_stores_once_and_tells_the_first_offset(
    faulty: FaultyBroker, topic_name: str, fault: str
) -> None:
    await faulty.broker.create_topic(topic_name)
    a_minute_ago = int(time.time() * 1000) - 60_000
    async with producer_of(faulty.bootstrap, EXACTLY_ONCE, request_timeout_ms=800) as producer:
        await producer.send(topic_name, b"0")
        ordered = STORED[fault](faulty)
        metadata = await producer.send(topic_name, b"1", timestamp_ms=a_minute_ago)
        assert ordered.hits == 1
        assert producer.metrics().batch_retry_total >= 1
        assert producer.metrics().epoch_bump_total == 0
        await producer.send(topic_name, b"2")

    records = await faulty.broker.read(topic_name, 3)
    assert [record.value for record in records] == [b"0", b"1", b"2"]
    assert (metadata.offset, metadata.timestamp_ms) == (1, a_minute_ago)


async def test_exactly_once_with_five_in_flight_and_all_their_answers_lost(
    faulty: FaultyBroker, topic_name: str
) -> None:
    """As many as the broker remembers: each is stored, none is acknowledged, and each is found to be there already."""
    await faulty.broker.create_topic(topic_name)
    async with producer_of(faulty.bootstrap, EXACTLY_ONCE, request_timeout_ms=800, batch_size=0) as producer:
        await producer.send(topic_name, b"0")
        faulty.silence()
        deliveries = [producer.send(topic_name, b"%d" % number) for number in range(1, 6)]
        answers = await asyncio.gather(*deliveries)
        retried = producer.metrics().batch_retry_total

    assert [metadata.offset for metadata in answers] == [1, 2, 3, 4, 5]
    assert retried >= 5
    assert await values(faulty, topic_name, 6) == [b"%d" % number for number in range(6)]


async def test_exactly_once_ends_where_the_broker_forgets(faulty: FaultyBroker, topic_name: str) -> None:
    """A broker knows a batch again for as long as it remembers the producer: `producer.id.expiration.ms`, a day, which
    Kafka counts from the newest timestamp in the partition. So it forgets one that writes records of long ago.
    """
    await faulty.broker.create_topic(topic_name)
    two_days_ago = int(time.time() * 1000) - 2 * 24 * 3600 * 1000
    # The real brokers of the tests look every half second.
    patience = 300 if isinstance(faulty, FaultyEmbedded) else 1500
    async with producer_of(faulty.bootstrap, EXACTLY_ONCE, request_timeout_ms=patience) as producer:
        silence = faulty.silence()
        delivery = producer.send(topic_name, b"0", timestamp_ms=two_days_ago)
        await until(lambda: silence.hits)
        if isinstance(faulty, FaultyEmbedded):
            faulty.cluster.forget_producers(topic_name, 0)
        assert (await delivery).offset == 1

    assert await values(faulty, topic_name, 2) == [b"0", b"0"]
