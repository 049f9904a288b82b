"""flush, close, and leaving `async with` for whatever reason, while nothing goes through: they end in time, with every
delivery settled and told whether its record may be in the log, and nothing is left behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from aioproducer import Delivery, Persisted, Producer
from aioproducer.config import Options
from aioproducer.errors import (
    DeliveryTimeoutError,
    FlushTimeoutError,
    MaxBlockTimeoutError,
    MetadataTimeoutError,
    ProducerClosedError,
)
from aioproducer.testing import EmbeddedCluster
from tests.support.faulty import FaultyBroker, open_embedded, producer_of, until
from tests.support.readback import check_same

pytestmark = pytest.mark.usefixtures("no_leaks")

SHORT: Options = {
    "linger_ms": 0,
    # One record a batch and one batch a request, so that some are written and others are not.
    "batch_size": 0,
    "max_in_flight_requests_per_connection": 1,
    "buffer_memory": 2000,
    "retry_backoff_ms": 5,
    "retry_backoff_max_ms": 20,
    "reconnect_backoff_ms": 1,
    "reconnect_backoff_max_ms": 20,
}
"""With room for some records; the others wait for it."""
TIMES: Options = {"delivery_timeout_ms": 700, "request_timeout_ms": 600, "max_block_ms": 500}
"""Those that wait give up before the others, whose room would let them in."""
COUNT = 12
BOUND = 10.0
"""Seconds that no ending needs, on the slowest machine."""


class Stuck:
    """A producer whose records do not go through."""

    def __init__(self, producer: Producer, topic: str, written: int) -> None:
        self.producer = producer
        self.topic = topic
        self.written = written
        """How many of them are in the log all the same."""
        self.deliveries: list[Delivery] = []

    def send(self) -> None:
        self.deliveries = [self.producer.send(self.topic, b"%04d" % number + bytes(400)) for number in range(COUNT)]

    def check(self, *errors: type[Exception]) -> None:
        """All are settled, with one of these; what may be in the log is said to be."""
        for number, delivery in enumerate(self.deliveries):
            assert delivery.done()
            error = delivery.exception()
            assert isinstance(error, errors), f"{number}: {error!r}"
            assert error.persisted is (Persisted.MAYBE if number < self.written else Persisted.NO), (
                f"{number}: {error!r}"
            )
        if self.producer.metrics().buffered_bytes or self.producer.metrics().waiting_sends:
            raise AssertionError(f"not all was given back: {self.producer.metrics()}")


async def silent(faulty: FaultyBroker, topic: str) -> str:
    await faulty.broker.create_topic(topic)
    faulty.silence(times=None, skip=1)
    return topic


async def refused(faulty: FaultyBroker, topic: str) -> str:
    await faulty.broker.create_topic(topic)
    return topic


async def unknown(faulty: FaultyBroker, topic: str) -> str:
    # Kafka creates no topic whose name differs from that of another only in a dot for an underscore.
    await faulty.broker.create_topic(f"{topic}_1")
    return f"{topic}.1"


SITUATIONS: dict[str, tuple[Callable[[FaultyBroker, str], Awaitable[str]], int]] = {
    "silent": (silent, 1),
    "refused": (refused, 0),
    "unknown topic": (unknown, 0),
}


@pytest.fixture(params=SITUATIONS)
async def situation(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


async def get_stuck(faulty: FaultyBroker, producer: Producer, situation: str, topic_name: str) -> Stuck:
    """Its records are on their way, and some of them written where they can be."""
    prepare, written = SITUATIONS[situation]
    stuck = Stuck(producer, await prepare(faulty, topic_name), written)
    if situation != "unknown topic":
        await producer.send(stuck.topic, b"first")
    if situation == "refused":
        await faulty.refuse()
    stuck.send()
    if written:
        await until(lambda: any(producer.metrics().requests_in_flight.values()))
    return stuck


async def free(faulty: FaultyBroker, situation: str) -> None:
    if situation == "refused":
        await faulty.accept()


async def test_flush_leaves_the_records_alive_and_close_ends_them(
    faulty: FaultyBroker, topic_name: str, situation: str
) -> None:
    async with asyncio.timeout(BOUND):
        producer = producer_of(faulty.bootstrap, SHORT)
        await producer.start()
        stuck = await get_stuck(faulty, producer, situation, topic_name)
        with pytest.raises(FlushTimeoutError, match="they go on"):
            await producer.flush(0.05)
        assert not any(delivery.done() for delivery in stuck.deliveries)
        await producer.close(0.05)
        stuck.check(ProducerClosedError)
        await free(faulty, situation)
    await in_log(faulty, situation, stuck)


async def in_log(faulty: FaultyBroker, situation: str, stuck: Stuck) -> None:
    """What was said to be perhaps in the log is there in these situations, and nothing else."""
    if situation != "unknown topic":
        records = await faulty.broker.read(stuck.topic, 1 + stuck.written)
        expected = [b"first", *(b"%04d" % number + bytes(400) for number in range(stuck.written))]
        check_same([record.value for record in records], expected)


async def test_without_a_timeout_close_takes_as_long_as_the_records_may(
    faulty: FaultyBroker, topic_name: str, situation: str
) -> None:
    async with asyncio.timeout(BOUND):
        async with producer_of(faulty.bootstrap, SHORT, TIMES) as producer:
            stuck = await get_stuck(faulty, producer, situation, topic_name)
        stuck.check(DeliveryTimeoutError, MaxBlockTimeoutError)
        if situation == "unknown topic":
            assert isinstance(stuck.deliveries[0].exception(), MetadataTimeoutError)
        await free(faulty, situation)
    await in_log(faulty, situation, stuck)


async def test_an_exception_ends_it_and_is_not_swallowed(faulty: FaultyBroker, topic_name: str) -> None:
    async with asyncio.timeout(BOUND):
        with pytest.raises(ZeroDivisionError):  # noqa: PT012 - it is about the end of the block
            async with producer_of(faulty.bootstrap, SHORT, TIMES) as producer:
                stuck = await get_stuck(faulty, producer, "silent", topic_name)
                raise ZeroDivisionError
        stuck.check(DeliveryTimeoutError, MaxBlockTimeoutError)


@pytest.mark.parametrize("times", [1, 2])
async def test_cancellation_ends_it_and_is_not_swallowed(
    faulty: FaultyBroker, topic_name: str, situation: str, times: int
) -> None:
    """Cancelled once it lets the accepted records finish; cancelled again meanwhile, it ends at once."""
    found: list[Stuck] = []
    options: Options = {**SHORT, **TIMES} if times == 1 else SHORT

    async def work() -> None:
        async with producer_of(faulty.bootstrap, options) as producer:
            found.append(await get_stuck(faulty, producer, situation, topic_name))
            await asyncio.Event().wait()

    async with asyncio.timeout(BOUND):
        task = asyncio.ensure_future(work())
        await until(lambda: found)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0.02)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        (stuck,) = found
        if times == 1:
            stuck.check(DeliveryTimeoutError, MaxBlockTimeoutError)
        else:
            stuck.check(ProducerClosedError)
        await free(faulty, situation)


async def test_closing_while_frozen_and_thawed_afterwards(faulty: FaultyBroker, topic_name: str) -> None:
    """What was written before the close arrives after it, once; the rest never does."""
    await faulty.broker.create_topic(topic_name)
    async with asyncio.timeout(BOUND):
        producer = producer_of(faulty.bootstrap, SHORT)
        await producer.start()
        await producer.send(topic_name, b"first")
        faulty.proxy.freeze()
        stuck = Stuck(producer, topic_name, 1)
        stuck.send()
        await until(lambda: any(producer.metrics().requests_in_flight.values()))
        await producer.close(0.05)
        stuck.check(ProducerClosedError)
        faulty.proxy.thaw()
        await until(lambda: not faulty.proxy.connections)
    values = [record.value for record in await faulty.broker.read(topic_name, 1)]
    assert values in ([b"first"], [b"first", b"0000" + bytes(400)])


@pytest.mark.parametrize("timeout", [0.05, None])
async def test_while_throttled(timeout: float | None) -> None:
    async with open_embedded() as faulty, asyncio.timeout(BOUND):
        faulty.cluster.create_topic("t")
        producer = producer_of(faulty.bootstrap, SHORT, TIMES)
        await producer.start()
        faulty.cluster.throttle("Produce", 3_600_000)
        await producer.send("t", b"first")
        stuck = Stuck(producer, "t", 0)
        stuck.send()
        with pytest.raises(FlushTimeoutError):
            await producer.flush(0.05)
        await producer.close(timeout)
        stuck.check(*([ProducerClosedError] if timeout else [DeliveryTimeoutError, MaxBlockTimeoutError]))
        assert [record.value for record in faulty.cluster.records("t")] == [b"first"]


@pytest.mark.parametrize("timeout", [0.05, None])
async def test_without_a_leader(timeout: float | None) -> None:
    async with EmbeddedCluster(brokers=2) as cluster, asyncio.timeout(BOUND):
        cluster.create_topic("t", replication_factor=1)
        producer = producer_of(cluster.bootstrap_servers, SHORT, TIMES)
        await producer.start()
        await producer.send("t", b"first")
        await cluster.stop_broker(cluster.leader("t"))
        assert cluster.leader("t") == -1
        stuck = Stuck(producer, "t", 0)
        stuck.send()
        with pytest.raises(FlushTimeoutError):
            await producer.flush(0.05)
        await producer.close(timeout)
        stuck.check(*([ProducerClosedError] if timeout else [DeliveryTimeoutError, MaxBlockTimeoutError]))
        assert [record.value for record in cluster.records("t")] == [b"first"]
