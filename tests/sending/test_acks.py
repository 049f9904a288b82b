"""acks, end to end: what each setting asks of the broker, what it tells the caller, and what it never does."""

from __future__ import annotations

import asyncio

import pytest

from aioproducer.config import Options
from aioproducer.errors import DeliveryTimeoutError, KafkaError, NotEnoughReplicasError, Persisted
from aioproducer.models import Acks
from aioproducer.protocol.error_codes import ERROR_CODES
from aioproducer.testing import EmbeddedCluster
from tests.sending.running import number, outcomes, running, send_numbers, stored, until

pytestmark = pytest.mark.usefixtures("no_leaks")

WITHOUT: Options = {"enable_idempotence": False}

PATIENT: Options = {"retry_backoff_ms": 5_000, "retry_backoff_max_ms": 5_000}
"""The time runs out between two attempts, and not while one is under way."""


@pytest.mark.parametrize(
    ("option", "acks"),
    [
        ("all", Acks.ALL),
        ("-1", Acks.ALL),
        (-1, Acks.ALL),
        ("1", Acks.LEADER),
        (1, Acks.LEADER),
        ("0", Acks.NONE),
        (0, Acks.NONE),
    ],
)
async def test_every_form_of_acks(option: str | int, acks: Acks) -> None:
    options: Options = {"acks": option, **WITHOUT}  # type: ignore[typeddict-item]  # numbers as strings, too
    async with EmbeddedCluster() as cluster:
        cluster.create_topic("t")
        async with running(cluster, options) as producer:
            assert producer.config.acks is acks
            metadata = await producer.send("t", number(0))
            assert metadata.offset == (-1 if acks is Acks.NONE else 0)
            await until(lambda: stored(cluster, "t") == [0])


async def test_acks_0_settles_with_topic_partition_and_timestamp_and_without_offset() -> None:
    async with EmbeddedCluster() as cluster:
        cluster.create_topic("t", partitions=2)
        async with running(cluster, WITHOUT, acks=0) as producer:
            cluster.silence("produce")
            metadata = await producer.send("t", b"v", partition=1, timestamp_ms=1_700_000_000_000)
            assert metadata == ("t", 1, -1, 1_700_000_000_000, metadata.timestamp_type)


async def test_acks_0_is_never_sent_twice() -> None:
    async with EmbeddedCluster() as cluster:
        cluster.create_topic("t")
        async with running(cluster, WITHOUT, acks=0) as producer:
            await producer.send("t", number(0))
            for start in range(1, 200, 10):
                cluster.disconnect("produce", after_append=start % 20 == 1)
                await outcomes(send_numbers(producer, "t", start, start + 10))
            last = 200
            while max(stored(cluster, "t"), default=0) < 200:
                # The connection may be gone without the client having seen it, and then these are lost as well.
                await outcomes(send_numbers(producer, "t", last, last + 1))
                last += 1
                await asyncio.sleep(0.002)
            found = stored(cluster, "t")
            assert len(found) == len(set(found))
            assert found == sorted(found)


async def test_acks_1_does_not_wait_for_followers_and_acks_all_does() -> None:
    async with EmbeddedCluster(brokers=3) as cluster:
        cluster.create_topic("t")
        cluster.hold_replication("t")
        async with running(cluster, WITHOUT, acks=1) as producer:
            assert (await producer.send("t", b"v")).offset == 0
        async with running(cluster) as producer:
            delivery = producer.send("t", b"v")
            await until(lambda: cluster.end_offset("t") == 2)
            assert not delivery.done()
            cluster.resume_replication("t")
            assert (await delivery).offset == 1


async def test_without_enough_replicas_it_is_retried_until_they_are_back() -> None:
    async with EmbeddedCluster(brokers=3) as cluster:
        cluster.create_topic("t", min_insync_replicas=2)
        cluster.set_isr("t", isr=[cluster.leader("t")])
        async with running(cluster) as producer:
            delivery = producer.send("t", number(0))
            await until(lambda: producer.metrics().record_retry_total >= 2)
            cluster.set_isr("t")
            assert (await delivery).offset == 0
            assert stored(cluster, "t") == [0]


async def test_without_enough_replicas_the_end_is_a_delivery_timeout_that_says_why() -> None:
    async with EmbeddedCluster(brokers=3) as cluster:
        cluster.create_topic("t", min_insync_replicas=2)
        cluster.set_isr("t", isr=[cluster.leader("t")])
        async with running(cluster, PATIENT, delivery_timeout_ms=300, request_timeout_ms=250) as producer:
            with pytest.raises(DeliveryTimeoutError, match="NOT_ENOUGH_REPLICAS") as caught:
                await producer.send("t", b"v")
            assert isinstance(caught.value.__cause__, NotEnoughReplicasError)
            assert (caught.value.retriable, caught.value.persisted) == (True, Persisted.NO)
            # The time was over before it could be sent again.
            assert (producer.metrics().request_total, producer.metrics().record_retry_total) == (1, 0)
            assert cluster.records("t") == []


async def test_with_too_few_replicas_after_the_append_it_is_stored_once() -> None:
    async with EmbeddedCluster() as cluster:
        cluster.create_topic("t")
        async with running(cluster) as producer:
            cluster.fail("produce", "NOT_ENOUGH_REPLICAS_AFTER_APPEND", after_append=True, times=2)
            assert (await producer.send("t", number(0))).offset == 0
            assert stored(cluster, "t") == [0]


async def test_every_code_of_the_table_retries_or_fails_and_the_producer_goes_on() -> None:
    fatal = {code for code, row in ERROR_CODES.items() if row.fatal}
    async with EmbeddedCluster() as cluster:
        cluster.create_topic("t")
        async with running(cluster, WITHOUT) as producer:
            await producer.send("t", b"first")
            for code in [*sorted(ERROR_CODES.keys() - fatal - {0, 46}), 12345]:
                cluster.fail("produce", code)
                before = producer.metrics().record_retry_total
                delivery = producer.send("t", b"%d" % code)
                if code in ERROR_CODES and ERROR_CODES[code].retriable:
                    await delivery
                    assert producer.metrics().record_retry_total == before + 1
                else:
                    with pytest.raises(KafkaError) as caught:
                        await delivery
                    name = ERROR_CODES[code].name if code in ERROR_CODES else "UNKNOWN_CODE_12345"
                    assert f"{name} ({code})" in str(caught.value)
                assert (await producer.send("t", b"next")).offset >= 0


@pytest.mark.parametrize("code", [31, 35, 49, 53, 90])
async def test_a_fatal_error_ends_the_producer_and_later_sends_say_why(code: int) -> None:
    async with EmbeddedCluster() as cluster:
        cluster.create_topic("t")
        async with running(cluster) as producer:
            await producer.send("t", b"v")
            cluster.fail("produce", code)
            with pytest.raises(KafkaError, match=ERROR_CODES[code].name) as caught:
                await producer.send("t", b"v")
            assert caught.value.fatal
            with pytest.raises(KafkaError, match=ERROR_CODES[code].name):
                producer.send("t", b"v")


async def test_a_record_that_is_refused_fails_alone_and_its_neighbours_are_told_to_come_again() -> None:
    async with EmbeddedCluster() as cluster:
        cluster.create_topic("t", cleanup_policy="compact")
        async with running(cluster) as producer:
            keys = [b"a", None, b"c"]
            found = await outcomes([producer.send("t", b"v", key=key, partition=0) for key in keys])
            assert [isinstance(error, KafkaError) and error.retriable for error in found] == [True, False, True]
            again = await asyncio.gather(*(producer.send("t", b"v", key=key, partition=0) for key in keys if key))
            assert [metadata.offset for metadata in again] == [0, 1]


@pytest.mark.parametrize("retries", [0, 2])
async def test_retries_are_counted(retries: int) -> None:
    async with EmbeddedCluster() as cluster:
        cluster.create_topic("t")
        async with running(cluster, WITHOUT, retries=retries) as producer:
            fault = cluster.fail("produce", 19, times=None)
            with pytest.raises(NotEnoughReplicasError, match=rf"after {retries + 1} attempts? \(retries={retries}\)"):
                await producer.send("t", b"v")
            assert fault.hits == retries + 1
