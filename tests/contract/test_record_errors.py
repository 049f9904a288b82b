"""Records that a broker refuses one by one (KIP-467): those get their own error with the broker's words, the others of
their batch one that says they can be sent again, and so they can.
"""

from __future__ import annotations

import asyncio
import time

import pytest

from aioproducer import KafkaError, Persisted, Producer, RecordMetadata
from aioproducer.errors import InvalidRecordError, InvalidTimestampError
from tests.support.brokers import BrokerUnderTest

pytestmark = pytest.mark.usefixtures("no_leaks")

COUNT = 6
REFUSED = (2, 4)


async def one_batch(
    producer: Producer, topic: str, bad: dict[str, object], good: dict[str, object]
) -> list[RecordMetadata | BaseException]:
    """What becomes of `COUNT` records of one batch, of which those of REFUSED have the arguments `bad`."""
    await producer.partitions_for(topic)
    deliveries = [
        producer.send(topic, b"%d" % number, **(bad if number in REFUSED else good))  # type: ignore[arg-type]  # of send
        for number in range(COUNT)
    ]
    return await asyncio.gather(*deliveries, return_exceptions=True)


def check(outcomes: list[RecordMetadata | BaseException], own: type[KafkaError]) -> list[int]:
    """That those refused have their own error and all others are told to be sent again; which those are."""
    again = []
    for number, outcome in enumerate(outcomes):
        assert isinstance(outcome, KafkaError)
        assert outcome.persisted is Persisted.NO
        if number in REFUSED:
            assert isinstance(outcome, own)
            assert not outcome.retriable
            assert f"record {number} of a batch" in str(outcome)
        else:
            assert not isinstance(outcome, own)
            assert outcome.retriable
            assert "send it again" in str(outcome)
            again.append(number)
    return again


@pytest.mark.parametrize("idempotent", [True, False])
async def test_records_without_key_on_a_compacted_topic(
    broker: BrokerUnderTest, topic_name: str, idempotent: bool
) -> None:
    broker.needs("record-validation")
    await broker.create_topic(topic_name, cleanup_policy="compact")
    async with Producer(broker.bootstrap, linger_ms=20, enable_idempotence=idempotent) as producer:
        await producer.send(topic_name, b"first", key=b"k")
        outcomes = await one_batch(producer, topic_name, {}, {"key": b"k"})
        again = check(outcomes, InvalidRecordError)
        # The broker says it in its own words, which differ between releases.
        assert "key" in str(outcomes[REFUSED[0]])
        answers = await asyncio.gather(*[producer.send(topic_name, b"%d" % n, key=b"k") for n in again])

    assert [metadata.offset for metadata in answers] == list(range(1, 1 + len(again)))
    records = await broker.read(topic_name, 1 + len(again))
    assert [record.value for record in records] == [b"first", *(b"%d" % number for number in again)]


async def test_records_from_the_future(broker: BrokerUnderTest, topic_name: str) -> None:
    broker.needs("record-validation")
    await broker.create_topic(topic_name, message_timestamp_after_max_ms=60_000)
    future = int(time.time() * 1000) + 24 * 3600 * 1000
    async with Producer(broker.bootstrap, linger_ms=20) as producer:
        await producer.send(topic_name, b"first")
        outcomes = await one_batch(producer, topic_name, {"timestamp_ms": future}, {})
        again = check(outcomes, InvalidTimestampError)
        assert str(future) in str(outcomes[REFUSED[0]])
        await asyncio.gather(*[producer.send(topic_name, b"%d" % number) for number in again])

    records = await broker.read(topic_name, 1 + len(again))
    assert [record.value for record in records] == [b"first", *(b"%d" % number for number in again)]
