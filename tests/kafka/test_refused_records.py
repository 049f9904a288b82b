"""Records that a real broker refuses for what they are: each gets its own error with the broker's words, and its
neighbours in the batch one that says they can be sent again.
"""

from __future__ import annotations

import asyncio
import time

import pytest

from aioproducer import Persisted, Producer
from aioproducer.errors import BrokerError, InvalidRecordError, InvalidTimestampError, KafkaError
from tests.support.foreign import read_all_async
from tests.support.real_kafka import RealKafka

pytestmark = pytest.mark.usefixtures("no_leaks")

HOUR_MS = 3_600_000


async def test_records_without_key_on_a_compacted_topic(kafka_1: RealKafka, topic_name: str) -> None:
    await asyncio.to_thread(kafka_1.create_topic, topic_name, cleanup_policy="compact")
    keys = [b"a", None, b"b", None, b"c"]
    async with Producer(kafka_1.bootstrap, linger_ms=100, strict_linger=True) as producer, asyncio.timeout(30):
        await producer.partitions_for(topic_name)
        deliveries = [producer.send(topic_name, b"%d" % number, key=key) for number, key in enumerate(keys)]
        outcomes = await asyncio.gather(*deliveries, return_exceptions=True)

        for key, error in zip(keys, outcomes, strict=True):
            assert isinstance(error, KafkaError)
            assert error.persisted is Persisted.NO
            if key is None:
                assert isinstance(error, InvalidRecordError)
                assert "Compacted topic cannot accept message without key" in str(error)
                assert not error.retriable
            else:
                assert not isinstance(error, BrokerError)
                assert error.retriable
        assert producer.metrics().record_error_total == len(keys)

        again = [(await producer.send(topic_name, key, key=key)).offset for key in keys if key is not None]
        assert again == [0, 1, 2]

    assert [record.value for record in await read_all_async(kafka_1.bootstrap, topic_name, 3)] == [b"a", b"b", b"c"]


@pytest.mark.parametrize(
    ("setting", "offset_ms"),
    [("message.timestamp.before.max.ms", -HOUR_MS), ("message.timestamp.after.max.ms", HOUR_MS)],
)
async def test_records_whose_time_is_too_far_from_the_brokers(
    kafka_1: RealKafka, topic_name: str, setting: str, offset_ms: int
) -> None:
    await asyncio.to_thread(kafka_1.create_topic, topic_name, **{setting: 60_000})
    now_ms = time.time_ns() // 1_000_000
    async with Producer(kafka_1.bootstrap, linger_ms=100, strict_linger=True) as producer, asyncio.timeout(30):
        await producer.partitions_for(topic_name)
        good, bad, last = (
            producer.send(topic_name, value, timestamp_ms=now_ms + offset)
            for value, offset in ((b"good", 0), (b"bad", offset_ms), (b"last", 0))
        )
        with pytest.raises(InvalidTimestampError, match=str(now_ms + offset_ms)) as caught:
            await bad
        assert caught.value.persisted is Persisted.NO
        for delivery in (good, last):
            with pytest.raises(KafkaError, match="send it again") as neighbour:
                await delivery
            assert not isinstance(neighbour.value, BrokerError)
            assert neighbour.value.retriable
            assert neighbour.value.persisted is Persisted.NO
        assert (await producer.send(topic_name, b"good", timestamp_ms=now_ms)).offset == 0

    assert [record.value for record in await read_all_async(kafka_1.bootstrap, topic_name, 1)] == [b"good"]
