"""Order in the log under faults: kept with idempotence for every number in flight, and without it for one in flight.

Without idempotence and with two in flight a retry changes the order; it is shown here, so that the difference is known
to be one of the settings and not of luck.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from aioproducer import Delivery, Producer
from aioproducer.config import Options
from aioproducer.testing import EmbeddedCluster
from tests.support.fault_proxy import Act, most_in_flight
from tests.support.faulty import PRODUCE, FaultyBroker, Ordered, producer_of, until
from tests.support.readback import Sent, check_log

pytestmark = pytest.mark.usefixtures("no_leaks")

QUICK: Options = {
    "linger_ms": 0,
    "retry_backoff_ms": 5,
    "retry_backoff_max_ms": 40,
    "reconnect_backoff_ms": 1,
    "reconnect_backoff_max_ms": 20,
    "request_timeout_ms": 150,
}
COUNT = 120
IN_FLIGHT = (1, 2, 3, 4, 5)

FAULTS: dict[str, Callable[[FaultyBroker], Ordered | tuple[Ordered, ...]]] = {
    "cut before": lambda faulty: faulty.cut_before(skip=1, times=3),
    "answer lost": lambda faulty: faulty.lose_answer(skip=1, times=3),
    "reset": lambda faulty: faulty.proxy.order(Act.LOSE_ANSWER, PRODUCE, reset=True, skip=1, times=3),
    "silence": lambda faulty: faulty.silence(skip=2),
    "answer cut in the middle": lambda faulty: faulty.cut_answer(skip=1, times=3),
    "half of an answer": lambda faulty: faulty.cut_answer(stall=True, skip=1),
    "answers late": lambda faulty: faulty.delay_answer(0.05, skip=1, times=3),
    "answers swapped": lambda faulty: faulty.proxy.order(Act.SWAP_ANSWER, PRODUCE, skip=1, times=3),
    "answers twice": lambda faulty: faulty.proxy.order(Act.REPEAT_ANSWER, PRODUCE, skip=1, times=3),
    "an answer left out": lambda faulty: faulty.proxy.order(Act.SKIP_ANSWER, PRODUCE, skip=1),
    "damaged": lambda faulty: faulty.spoil_request(skip=1, times=3),
    "several": lambda faulty: (
        faulty.lose_answer(skip=2),
        faulty.spoil_request(skip=4),
        faulty.cut_before(skip=5),
        faulty.cut_answer(skip=6),
    ),
}


def send(producer: Producer, topic: str, first: int, last: int) -> list[Sent]:
    values = [b"%06d" % number for number in range(first, last)]
    return [(value, producer.send(topic, value)) for value in values]


@pytest.mark.parametrize("fault", FAULTS)
async def test_with_idempotence(faulty: FaultyBroker, topic_name: str, fault: str, fast_loop: None) -> None:
    """Five producers at once, with one to five in flight and a partition each, hit by whatever hits them."""
    await faulty.broker.create_topic(topic_name, partitions=len(IN_FLIGHT))
    ordered: list[Ordered] = []
    for _ in IN_FLIGHT:
        more = FAULTS[fault](faulty)
        ordered += more if isinstance(more, tuple) else (more,)
    async with asyncio.TaskGroup() as group:
        sending = [
            group.create_task(with_so_many_in_flight(faulty, topic_name, partition, most))
            for partition, most in enumerate(IN_FLIGHT)
        ]
    assert all(one.hits for one in ordered)
    sent = [pair for task in sending for pair in task.result()]
    check_log(await faulty.broker.read(topic_name, len(sent)), sent)


async def with_so_many_in_flight(faulty: FaultyBroker, topic: str, partition: int, most: int) -> list[Sent]:
    options: Options = {"max_in_flight_requests_per_connection": most, "batch_size": 200}
    async with producer_of(faulty.bootstrap, QUICK, options) as producer:
        sent: list[Sent] = []
        for number in range(COUNT):
            value = b"%06d" % number
            sent.append((value, producer.send(topic, value, partition=partition)))
        await asyncio.gather(*[delivery for _, delivery in sent])
        metrics = producer.metrics()
        assert (metrics.buffered_bytes, metrics.record_error_total) == (0, 0)
    return sent


async def two_batches_of_which_the_first_fails_once(
    faulty: FaultyBroker, topic: str, *, in_flight: int, idempotence: bool
) -> list[bytes | None]:
    """What is in the log. Just so many requests were on their way when the first was refused."""
    await faulty.broker.create_topic(topic)
    options: Options = {"enable_idempotence": idempotence, "max_in_flight_requests_per_connection": in_flight}
    async with producer_of(faulty.bootstrap, options, batch_size=0, linger_ms=0, retry_backoff_ms=10) as producer:

        def unanswered() -> int:
            return sum(producer.metrics().requests_in_flight.values())

        await producer.send(topic, b"0")
        faulty.proxy.freeze()
        faulty.spoil_request()
        deliveries = [producer.send(topic, b"1"), producer.send(topic, b"2")]
        await until(lambda: unanswered() == in_flight)
        # One more would follow within the same turns of the loop.
        await asyncio.sleep(0.02)
        assert unanswered() == in_flight
        faulty.proxy.thaw()
        await asyncio.gather(*deliveries)
        assert producer.metrics().batch_retry_total >= 1
    return [record.value for record in await faulty.broker.read(topic, 3)]


async def test_without_idempotence_a_retry_changes_the_order(faulty: FaultyBroker, topic_name: str) -> None:
    found = await two_batches_of_which_the_first_fails_once(faulty, topic_name, in_flight=2, idempotence=False)
    assert found == [b"0", b"2", b"1"]


async def test_without_idempotence_one_in_flight_keeps_the_order(faulty: FaultyBroker, topic_name: str) -> None:
    found = await two_batches_of_which_the_first_fails_once(faulty, topic_name, in_flight=1, idempotence=False)
    assert found == [b"0", b"1", b"2"]


async def test_with_idempotence_the_same_fault_changes_nothing(faulty: FaultyBroker, topic_name: str) -> None:
    found = await two_batches_of_which_the_first_fails_once(faulty, topic_name, in_flight=2, idempotence=True)
    assert found == [b"0", b"1", b"2"]


async def test_one_in_flight_until_the_leader_has_accepted_one(
    faulty: FaultyBroker, topic_name: str, fast_loop: None
) -> None:
    await faulty.broker.create_topic(topic_name)
    async with Producer(faulty.bootstrap, batch_size=0, linger_ms=0) as producer:
        faulty.delay_answer(0.2)
        deliveries = [delivery for _, delivery in send(producer, topic_name, 0, 20)]
        await deliveries[0]
        assert most_in_flight(faulty.proxy.events, PRODUCE) == 1
        faulty.delay_answer(0.2)
        await asyncio.gather(*deliveries)
        # … and as many as are allowed from then on.
        assert most_in_flight(faulty.proxy.events, PRODUCE) == 5


async def test_one_in_flight_until_the_new_leader_has_accepted_one() -> None:
    async with EmbeddedCluster(brokers=2) as cluster:
        cluster.create_topic("t")
        async with Producer(cluster.bootstrap_servers, batch_size=0, linger_ms=0, metadata_max_age_ms=20) as producer:
            await producer.send("t", b"0")
            new = cluster.move_leader("t")
            await knows_leader(producer, new)
            cluster.delay("Produce", 0.2, broker=new, after_append=True)
            cluster.requests.clear()
            deliveries = [producer.send("t", b"%d" % number) for number in range(1, 20)]
            most = 0
            while not deliveries[0].done():
                most = max(most, producer.metrics().requests_in_flight.get(new, 0))
                await asyncio.sleep(0.002)
            assert most == 1
            await asyncio.gather(*deliveries)
            assert [record.value for record in cluster.records("t")] == [b"%d" % number for number in range(20)]
            assert set(produced_at(cluster)) == {new}


def produced_at(cluster: EmbeddedCluster) -> list[int]:
    """To which brokers records were sent, request by request."""
    return [entry.broker for entry in cluster.requests if entry.api == "Produce"]


async def knows_leader(producer: Producer, wanted: int) -> None:
    """Returns when the producer takes that broker for the leader of the only partition."""
    async with asyncio.timeout(10):
        # Nothing announces it.
        while (leader := (await producer.partitions_for("t"))[0].leader) is None or leader.id != wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_nothing_goes_to_a_new_leader_while_the_old_one_has_not_answered() -> None:
    async with EmbeddedCluster(brokers=2) as cluster:
        cluster.create_topic("t")
        async with Producer(cluster.bootstrap_servers, batch_size=0, linger_ms=0, metadata_max_age_ms=40) as producer:
            await producer.send("t", b"0")
            old = cluster.leader("t")
            cluster.delay("Produce", 0.3, broker=old, after_append=True)
            cluster.requests.clear()
            at_the_time: list[int] = []

            def settled(delivery: Delivery) -> None:
                assert delivery.result().offset == 1
                at_the_time.extend(produced_at(cluster))

            first = producer.send("t", b"1")
            first.add_done_callback(settled)
            await until(lambda: produced_at(cluster) == [old])
            new = cluster.move_leader("t")
            await knows_leader(producer, new)
            second = producer.send("t", b"2")
            assert not first.done()
            await asyncio.gather(first, second)
            assert at_the_time == [old]
            assert [record.value for record in cluster.records("t")] == [b"0", b"1", b"2"]
