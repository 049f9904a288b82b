"""Topics and brokers that take less than what the producer makes of its records: MESSAGE_TOO_LARGE on a real broker.

A batch that is too large goes on in parts, in order, each delivery pointing to where its record is; a record that is
too large by itself fails alone.
"""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from aioproducer import Persisted, Producer
from aioproducer.configuration.arguments import CompressionType
from aioproducer.errors import RecordTooLargeError
from tests.support.foreign import read_all_async
from tests.support.readback import Sent, check_log
from tests.support.real_kafka import RealKafka

pytestmark = pytest.mark.usefixtures("no_leaks", "fast_loop")

LIMIT = 20_000
PARTITIONS = 2
RECORDS = 1_500


def values(random: Random, *, compressible: bool) -> list[bytes]:
    """Of many sizes, none too large by itself, and no two alike."""
    found = []
    for number in range(RECORDS):
        size = random.choice((0, 10, 100, 1000, 3000, 9000))
        filler = b"x" * size if compressible else random.randbytes(size)
        found.append(b"%d " % number + filler)
    return found


@pytest.mark.parametrize("compressible", [True, False], ids=["compressible", "incompressible"])
@pytest.mark.parametrize("codec", ["none", "zstd", "gzip", "lz4"])
async def test_a_batch_too_large_for_its_topic_goes_in_parts(
    kafka_1: RealKafka, topic_name: str, codec: CompressionType, compressible: bool
) -> None:
    await asyncio.to_thread(kafka_1.create_topic, topic_name, PARTITIONS, max_message_bytes=LIMIT)
    random = Random(1)
    too_large = [random.randbytes(LIMIT + extra) for extra in (0, 1000, 200_000)]
    sent: list[Sent] = []
    async with (
        Producer(kafka_1.bootstrap, compression_type=codec, batch_size=1_000_000, linger_ms=20) as producer,
        asyncio.timeout(60),
    ):
        assert producer.config.max_in_flight_requests_per_connection == 5
        refused = []
        for number, value in enumerate(values(random, compressible=compressible)):
            if number % 500 == 250:
                refused.append(producer.send(topic_name, too_large[number // 500], partition=number % PARTITIONS))
            sent.append((value, producer.send(topic_name, value, partition=number % PARTITIONS)))
            if number % 300 == 299:
                # Several batches of different sizes, some in flight together.
                await asyncio.sleep(0.03)
        for delivery in refused:
            with pytest.raises(RecordTooLargeError, match=topic_name) as caught:
                await delivery
            assert caught.value.persisted is Persisted.NO
        await producer.flush()
        metrics = producer.metrics()
        assert (metrics.record_error_total, metrics.buffered_bytes) == (len(refused), 0)
        assert metrics.batch_split_total > 0

    check_log(await read_all_async(kafka_1.bootstrap, topic_name, RECORDS), sent)
    assert all(delivery.result().offset >= 0 for _, delivery in sent)


async def test_a_broker_that_takes_less_than_the_producer_makes(kafka_1: RealKafka, topic_name: str) -> None:
    await asyncio.to_thread(kafka_1.create_topic, topic_name, PARTITIONS)
    with kafka_1.configured(message_max_bytes=LIMIT):
        async with (
            Producer(kafka_1.bootstrap, batch_size=1_000_000, linger_ms=20) as producer,
            asyncio.timeout(60),
        ):
            sent: list[Sent] = []
            for number, value in enumerate(values(Random(2), compressible=False)):
                sent.append((value, producer.send(topic_name, value, partition=number % PARTITIONS)))
            await producer.flush()
            assert producer.metrics().record_error_total == 0
            assert producer.metrics().batch_split_total > 0

    check_log(await read_all_async(kafka_1.bootstrap, topic_name, RECORDS), sent)
