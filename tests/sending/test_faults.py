"""Whatever goes wrong between producer and brokers: the records are in the log once, in the order of the calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from aioproducer.config import Options
from aioproducer.errors import (
    ClusterAuthorizationError,
    DeliveryTimeoutError,
    InvalidProducerEpochError,
    KafkaError,
    Persisted,
    ProducerFencedError,
)
from aioproducer.models import RecordMetadata
from aioproducer.testing import EmbeddedCluster
from tests.sending.running import SMALL, number, outcomes, running, send_numbers, stored

pytestmark = pytest.mark.usefixtures("no_leaks")

Fault = Callable[[EmbeddedCluster], object]

COUNT = 200

FAULTS: dict[str, Fault] = {
    "NOT_LEADER": lambda c: c.fail("produce", 6, skip=2, times=3),
    "NOT_LEADER after append": lambda c: c.fail("produce", 6, skip=2, times=2, after_append=True),
    "REQUEST_TIMED_OUT": lambda c: c.fail("produce", 7, skip=1, times=4),
    "REQUEST_TIMED_OUT after append": lambda c: c.fail("produce", 7, skip=1, times=4, after_append=True),
    "NOT_ENOUGH_REPLICAS": lambda c: c.fail("produce", 19, skip=3, times=7),
    "NOT_ENOUGH_REPLICAS at first": lambda c: c.fail("produce", 19, times=3),
    "CORRUPT_MESSAGE once": lambda c: c.fail("produce", 2, skip=4),
    "disconnect": lambda c: c.disconnect("produce", skip=3, times=3),
    "disconnect after append": lambda c: c.disconnect("produce", skip=3, times=3, after_append=True),
    "answer cut": lambda c: c.cut_frame("produce", skip=2, times=2),
    "garbage": lambda c: c.garbage("produce", skip=2, times=2),
    "delay": lambda c: c.delay("produce", 0.01, skip=2, times=3),
    "OUT_OF_ORDER": lambda c: c.fail("produce", 45, skip=2, times=2),
    "UNKNOWN_PRODUCER_ID": lambda c: c.fail("produce", 59, skip=2),
    "INVALID_PRODUCER_EPOCH": lambda c: c.fail("produce", 47, skip=2),
    "connections refused": lambda c: (c.disconnect("produce", skip=2), c.disconnect("connect", times=3)),
    "several": lambda c: (
        c.fail("produce", 6, skip=1),
        c.disconnect("produce", skip=4, after_append=True),
        c.fail("produce", 20, skip=7, after_append=True),
        c.delay("produce", 0.005, skip=9, times=2),
        c.disconnect("produce", skip=12),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
async def test_nothing_is_lost_doubled_or_out_of_order(fault: str, warm: bool) -> None:
    async with EmbeddedCluster() as cluster:
        cluster.create_topic("t")
        async with running(cluster, SMALL) as producer:
            if warm:
                await asyncio.gather(*send_numbers(producer, "t", 0, 1))
            FAULTS[fault](cluster)
            deliveries = send_numbers(producer, "t", int(warm), COUNT)
            await asyncio.gather(*deliveries)
            assert stored(cluster, "t") == list(range(COUNT))
            offsets = [(await delivery).offset for delivery in deliveries]
            assert offsets == list(range(int(warm), COUNT))
            assert producer.metrics().buffered_bytes == 0


@pytest.mark.parametrize("fault", ["NOT_ENOUGH_REPLICAS", "disconnect", "delay", "NOT_LEADER"])
async def test_with_one_in_flight_the_order_is_kept_without_idempotence(fault: str) -> None:
    options: Options = {"enable_idempotence": False, "max_in_flight_requests_per_connection": 1}
    async with EmbeddedCluster() as cluster:
        cluster.create_topic("t")
        async with running(cluster, SMALL, options) as producer:
            FAULTS[fault](cluster)
            await asyncio.gather(*send_numbers(producer, "t", 0, COUNT))
            assert stored(cluster, "t") == list(range(COUNT))


@pytest.mark.parametrize("most", [1, 3, 5])
async def test_as_many_batches_of_one_partition_are_in_flight_as_allowed(most: int) -> None:
    async with EmbeddedCluster() as cluster:
        cluster.create_topic("t")
        async with running(cluster, SMALL, max_in_flight_requests_per_connection=most) as producer:
            await producer.send("t", number(0))
            cluster.delay("produce", 0.03, times=2)
            deliveries = send_numbers(producer, "t", 1, 100)
            seen = 0
            while not deliveries[-1].done():
                seen = max(seen, producer.metrics().requests_in_flight[1])
                await asyncio.sleep(0.0005)
            assert seen == most
            assert stored(cluster, "t") == list(range(100))


async def test_sequences_are_contiguous_from_zero() -> None:
    async with EmbeddedCluster() as cluster:
        cluster.create_topic("t", partitions=3)
        async with running(cluster, SMALL) as producer:
            cluster.fail("produce", 19, skip=2, times=3)
            await asyncio.gather(*(producer.send("t", number(n), partition=n % 3) for n in range(90)))
            for partition in range(3):
                records = cluster.records("t", partition)
                assert [record.sequence for record in records] == list(range(30))
                assert {record.epoch for record in records} == {0}
            assert producer.metrics().epoch_bump_total == 0


async def test_the_first_batch_refused_with_more_behind_it() -> None:
    async with EmbeddedCluster() as cluster:
        cluster.create_topic("t")
        async with running(cluster, SMALL) as producer:
            cluster.fail("produce", 19)
            await asyncio.gather(*send_numbers(producer, "t", 0, 50))
            assert stored(cluster, "t") == list(range(50))
            assert producer.metrics().epoch_bump_total == 0


async def test_a_refused_batch_fails_alone_and_those_behind_it_go_through_in_order() -> None:
    async with EmbeddedCluster() as cluster:
        cluster.create_topic("t")
        async with running(cluster, SMALL) as producer:
            await producer.send("t", number(0))
            cluster.fail("produce", 12345, skip=1)
            found = await outcomes(send_numbers(producer, "t", 1, 100))
            failed = {n for n, outcome in enumerate(found, 1) if isinstance(outcome, KafkaError)}
            assert failed
            assert len(failed) < 20
            assert stored(cluster, "t") == [n for n in range(100) if n not in failed]


async def test_the_broker_forgets_the_producer() -> None:
    async with EmbeddedCluster() as cluster:
        cluster.create_topic("t")
        async with running(cluster, SMALL) as producer:
            for start in range(0, 100, 20):
                await asyncio.gather(*send_numbers(producer, "t", start, start + 20))
                cluster.forget_producers("t", 0)
            assert stored(cluster, "t") == list(range(100))


async def test_a_topic_that_is_deleted_and_created_again() -> None:
    async with EmbeddedCluster() as cluster:
        cluster.create_topic("t")
        async with running(cluster, SMALL) as producer:
            await asyncio.gather(*send_numbers(producer, "t", 0, 20))
            cluster.delete_topic("t")
            cluster.create_topic("t")
            await asyncio.gather(*send_numbers(producer, "t", 20, 60))
            assert stored(cluster, "t") == list(range(20, 60))


async def test_a_batch_given_up_leaves_no_gap_for_those_after_it() -> None:
    # As long as a slow machine needs to connect again and send the rest.
    timing: Options = {"delivery_timeout_ms": 1500, "request_timeout_ms": 1200}
    async with EmbeddedCluster() as cluster:
        cluster.create_topic("t")
        async with running(cluster, SMALL, timing) as producer:
            await producer.send("t", number(0))
            silence = cluster.silence("produce", times=None)
            [error] = await outcomes(send_numbers(producer, "t", 1, 2))
            assert isinstance(error, DeliveryTimeoutError)
            assert error.persisted is Persisted.MAYBE
            silence.remove()
            await cluster.cut_connections()
            await asyncio.gather(*send_numbers(producer, "t", 2, 40))
            assert stored(cluster, "t") == [0, *range(2, 40)]
            assert producer.metrics().epoch_bump_total == 1
            assert {record.epoch for record in cluster.records("t")} == {0, 1}


async def test_leaders_move_while_batches_are_in_flight() -> None:
    async with EmbeddedCluster(brokers=3) as cluster:
        cluster.create_topic("t", partitions=2)
        async with running(cluster, SMALL) as producer:
            deliveries = []
            for start in range(0, 400, 50):
                for partition in range(2):
                    deliveries += send_numbers(producer, "t", start, start + 50, partition)
                    cluster.move_leader("t", partition)
                await asyncio.sleep(0.003)
            await asyncio.gather(*deliveries)
            for partition in range(2):
                assert stored(cluster, "t", partition) == list(range(400))


async def test_a_leader_that_the_answer_names_is_tried_without_a_pause() -> None:
    async with EmbeddedCluster(brokers=2) as cluster:
        cluster.create_topic("t")
        async with running(cluster, retry_backoff_ms=5_000, retry_backoff_max_ms=5_000) as producer:
            await producer.send("t", number(0))
            cluster.move_leader("t")
            async with asyncio.timeout(2):
                await producer.send("t", number(1))
            assert stored(cluster, "t") == [0, 1]


async def test_a_broker_dies_and_comes_back() -> None:
    async with EmbeddedCluster(brokers=2) as cluster:
        cluster.create_topic("t")
        async with running(cluster, SMALL) as producer:
            deliveries = send_numbers(producer, "t", 0, 50)
            await deliveries[0]
            await cluster.stop_broker(cluster.leader("t"))
            deliveries += send_numbers(producer, "t", 50, 100)
            await asyncio.gather(*deliveries)
            assert stored(cluster, "t") == list(range(100))


async def test_a_slow_broker_does_not_delay_the_others() -> None:
    async with EmbeddedCluster(brokers=2) as cluster:
        cluster.create_topic("t", partitions=2)
        async with running(cluster) as producer:
            await asyncio.gather(producer.send("t", b"v", partition=0), producer.send("t", b"v", partition=1))
            slow = cluster.leader("t", 0)
            cluster.silence("produce", broker=slow)
            cluster.silence("connect", broker=slow, times=None)
            stuck = [producer.send("t", b"v", partition=0) for _ in range(5)]
            for _ in range(20):
                async with asyncio.timeout(1):
                    await producer.send("t", b"v", partition=1)
            assert not any(delivery.done() for delivery in stuck)
            cluster.clear_faults()
            await cluster.cut_connections(slow)
            await asyncio.gather(*stuck)


async def test_a_partition_that_is_refused_does_not_delay_its_neighbours_on_the_broker() -> None:
    async with EmbeddedCluster() as cluster:
        cluster.create_topic("t", partitions=2)
        async with running(cluster) as producer:
            await asyncio.gather(producer.send("t", b"v", partition=0), producer.send("t", b"v", partition=1))
            fault = cluster.fail("produce", 19, partition=("t", 0), times=None)
            stuck = [producer.send("t", b"v", partition=0) for _ in range(5)]
            for _ in range(20):
                async with asyncio.timeout(1):
                    await producer.send("t", b"v", partition=1)
            assert not any(delivery.done() for delivery in stuck)
            fault.remove()
            await asyncio.gather(*stuck)


async def test_a_throttled_producer_leaves_the_broker_alone() -> None:
    async with EmbeddedCluster() as cluster:
        cluster.create_topic("t")
        async with running(cluster) as producer:
            cluster.throttle("produce", 60)
            await producer.send("t", number(0))
            began = asyncio.get_running_loop().time()
            delivery = producer.send("t", number(1))
            await asyncio.sleep(0.03)
            assert producer.metrics().requests_in_flight == {1: 0}
            await delivery
            assert asyncio.get_running_loop().time() - began > 0.04


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
async def test_large_batches_of_every_codec_keep_the_order(codec: str) -> None:
    options: Options = {"compression_type": codec, "batch_size": 400_000, "max_request_size": 2_000_000}  # type: ignore[typeddict-item]  # all five are in the table
    async with EmbeddedCluster() as cluster:
        cluster.create_topic("t", max_message_bytes=2_000_000)
        async with running(cluster, options) as producer:
            cluster.fail("produce", 19, skip=1)
            deliveries = [producer.send("t", number(n) + b" " * 12_000, partition=0) for n in range(150)]
            await asyncio.gather(*deliveries)
            assert stored(cluster, "t") == list(range(150))
            assert {batch.codec for batch in cluster.batches("t")} == {codec}


async def test_while_the_coordinator_loads_the_records_wait() -> None:
    async with EmbeddedCluster() as cluster:
        cluster.create_topic("t")
        fault = cluster.fail("init_producer_id", "COORDINATOR_LOAD_IN_PROGRESS", times=4)
        async with running(cluster) as producer:
            assert (await producer.send("t", number(0))).offset == 0
            assert fault.hits == 4


async def test_without_the_right_to_a_producer_id_records_fail_until_it_is_granted() -> None:
    async with EmbeddedCluster() as cluster:
        cluster.create_topic("t")
        fault = cluster.fail("init_producer_id", 31, times=None)
        async with running(cluster) as producer:
            for _ in range(2):
                with pytest.raises(ClusterAuthorizationError, match="enable_idempotence=False") as caught:
                    await producer.send("t", number(0))
                assert (caught.value.fatal, caught.value.persisted) == (False, Persisted.NO)
            fault.remove()
            found: list[RecordMetadata | KafkaError] = []
            while not found or isinstance(found[-1], KafkaError):
                found += await outcomes([producer.send("t", number(1))])
            assert stored(cluster, "t") == [1]


async def test_a_stored_batch_whose_epoch_is_refused_is_not_stored_again() -> None:
    async with EmbeddedCluster() as cluster:
        cluster.create_topic("t")
        async with running(cluster) as producer:
            await producer.send("t", number(0))
            cluster.fail("produce", 7, after_append=True)
            cluster.fail("produce", 47)
            with pytest.raises(InvalidProducerEpochError) as caught:
                await producer.send("t", number(1))
            assert caught.value.persisted is Persisted.MAYBE
            await producer.send("t", number(2))
            assert stored(cluster, "t") == [0, 1, 2]


@pytest.mark.parametrize("waiting", ["in flight", "for a slot", "for room", "for a broker", "for an id", "throttled"])
async def test_closing_at_once_settles_everything(waiting: str) -> None:
    async with EmbeddedCluster() as cluster:
        cluster.create_topic("t")
        if waiting == "for an id":
            cluster.silence("init_producer_id", times=None)
        options: Options = {"buffer_memory": 2000 if waiting == "for room" else 1_000_000}
        async with running(cluster, SMALL, options) as producer:
            if waiting != "for an id":
                await producer.send("t", number(0))
            if waiting == "for a broker":
                await cluster.stop_broker(1, fail_over=False)
            elif waiting == "throttled":
                cluster.throttle("produce", 60_000)
                await producer.send("t", number(0))
            else:
                cluster.silence("produce")
            deliveries = send_numbers(producer, "t", 1, 2 if waiting == "in flight" else 100)
            await asyncio.sleep(0.02)
            await producer.close(0)
            assert all(delivery.done() for delivery in deliveries)
            assert all(delivery.exception() is not None for delivery in deliveries)
            assert producer.metrics().buffered_bytes == 0


@pytest.mark.parametrize("codec", ["none", "gzip"])
async def test_closing_while_everything_moves_never_hangs(codec: str) -> None:
    options: Options = {"compression_type": codec}  # type: ignore[typeddict-item]  # both are in the table
    for pause in (0, 0.001, 0.003, 0.006):
        async with EmbeddedCluster(brokers=2) as cluster:
            cluster.create_topic("t", partitions=2)
            async with running(cluster, options, batch_size=40_000) as producer:
                deliveries = [producer.send("t", number(n) * 1000, partition=n % 2) for n in range(60)]
                await asyncio.sleep(pause)
                await producer.close(0)
                assert all(delivery.done() for delivery in deliveries)
                for delivery in deliveries:
                    delivery.exception()
                assert producer.metrics().buffered_bytes == 0


async def test_when_the_brokers_shut_the_producer_out_nothing_waits_for_its_time_to_be_over() -> None:
    async with EmbeddedCluster() as cluster:
        cluster.create_topic("t", partitions=2)
        async with running(cluster, SMALL, buffer_memory=3000, linger_ms=50) as producer:
            await asyncio.gather(*(producer.send("t", number(0), partition=partition) for partition in range(2)))
            cluster.fail("produce", "PRODUCER_FENCED", partition=("t", 0))
            sent = [producer.send("t", bytes(400), partition=n % 2) for n in range(20)]
            assert producer.metrics().waiting_sends > 0
            async with asyncio.timeout(5):
                results = await asyncio.gather(*sent, return_exceptions=True)
            # What the answer said of the other partition counts.
            acknowledged = [result for result in results if isinstance(result, RecordMetadata)]
            assert {result.partition for result in acknowledged} == {1}
            refused = [result for result in results if isinstance(result, ProducerFencedError)]
            assert len(acknowledged) + len(refused) == len(sent)
            # What is in the log beyond that was on its way, and is said to be perhaps there.
            maybe = sum(error.persisted is Persisted.MAYBE for error in refused)
            assert len(acknowledged) < cluster.end_offset("t", 1) <= 1 + len(acknowledged) + maybe
            with pytest.raises(ProducerFencedError):
                producer.send("t", number(1))
            metrics = producer.metrics()
            assert (metrics.buffered_bytes, metrics.waiting_sends) == (0, 0)
