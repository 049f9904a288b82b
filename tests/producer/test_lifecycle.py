"""The producer's life: started, closed, cancelled, in every order, with nothing left behind."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import pytest

from aioproducer import Persisted, Producer
from aioproducer.errors import ProducerClosedError, ProducerNotStartedError, StartTimeoutError
from aioproducer.testing import EmbeddedCluster
from tests.support.held import HeldNetwork
from tests.support.producers import TOPIC, values
from tests.support.scratch import free_ports

pytestmark = pytest.mark.usefixtures("no_leaks")


# -- started and closed


async def test_entered_and_left_in_different_tasks(cluster: EmbeddedCluster) -> None:
    producer = Producer(cluster.bootstrap_servers)
    await asyncio.create_task(producer.__aenter__())
    await asyncio.create_task(asyncio.wait_for(producer.send(TOPIC, b"x"), 10))
    await asyncio.create_task(producer.__aexit__(None, None, None))
    assert values(cluster) == [b"x"]


async def test_its_starter_may_end_or_be_cancelled(cluster: EmbeddedCluster) -> None:
    producer = Producer(cluster.bootstrap_servers)

    async def start_and_stay() -> None:
        await producer.start()
        ready.set()
        await asyncio.sleep(60)

    ready = asyncio.Event()
    starter = asyncio.create_task(start_and_stay())
    await ready.wait()
    starter.cancel()
    await asyncio.gather(starter, return_exceptions=True)
    await producer.send(TOPIC, b"x")
    await producer.close()


async def test_repr_tells_the_state(cluster: EmbeddedCluster) -> None:
    producer = Producer(cluster.bootstrap_servers, client_id="me")
    assert repr(producer) == f"<Producer me of {cluster.bootstrap_servers}, new>"
    async with producer:
        assert repr(producer).endswith(", running>")
    assert repr(producer).endswith(", closed>")


async def test_closed_before_start() -> None:
    producer = Producer("127.0.0.1:1")
    await producer.close()
    await producer.close(timeout=0)
    with pytest.raises(ProducerClosedError):
        await producer.start()


async def test_closed_twice_and_at_once(cluster: EmbeddedCluster) -> None:
    producer = Producer(cluster.bootstrap_servers, linger_ms=60_000)
    await producer.start()
    delivery = producer.send(TOPIC, b"x")
    await asyncio.gather(producer.close(), producer.close(timeout=5), producer.close())
    assert delivery.result().offset == 0
    await producer.close()


async def test_closed_during_sends(cluster: EmbeddedCluster) -> None:
    """Those accepted by then are finished, also if their topic is not known yet; later ones are refused."""
    producer = Producer(cluster.bootstrap_servers, buffer_memory=2000, batch_size=500)
    await producer.start()
    accepted = [producer.send("new", b"x" * 300, partition=0) for _ in range(40)]
    closing = asyncio.ensure_future(producer.close())
    await asyncio.sleep(0)
    with pytest.raises(ProducerClosedError):
        producer.send(TOPIC, b"late")
    await closing
    assert [delivery.result().offset for delivery in accepted] == list(range(40))


async def test_closed_while_others_wait(cluster: EmbeddedCluster) -> None:
    network = HeldNetwork()
    producer = Producer(cluster.bootstrap_servers, buffer_memory=2000)
    await producer.start(dial=network)
    await producer.send(TOPIC, b"x", partition=0)
    with network.held():
        sent = [producer.send(TOPIC, b"x" * 500, partition=0) for _ in range(10)]
        waiting: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(producer.drain()),
            asyncio.ensure_future(producer.flush()),
            asyncio.ensure_future(producer.partitions_for("elsewhere")),
        ]
        await asyncio.sleep(0.05)
        await asyncio.wait_for(producer.close(timeout=0.1), 5)
        done, pending = await asyncio.wait(waiting, timeout=5)
    assert not pending
    assert all(delivery.done() for delivery in sent)
    assert isinstance(waiting[2].exception(), ProducerClosedError)
    for future in done:
        future.exception()
    for delivery in sent:
        assert isinstance(delivery.exception(), ProducerClosedError)


async def test_close_with_no_time_at_all(cluster: EmbeddedCluster) -> None:
    network = HeldNetwork()
    producer = Producer(cluster.bootstrap_servers, linger_ms=60_000)
    await producer.start(dial=network)
    await producer.send(TOPIC, b"first")
    with network.held():
        deliveries = [producer.send(topic, b"x") for topic in (TOPIC, TOPIC, "unknown")]
        start = time.monotonic()
        await producer.close(timeout=0)
        assert time.monotonic() - start < 1
    assert all(delivery.done() for delivery in deliveries)
    for delivery in deliveries:
        error = delivery.exception()
        assert isinstance(error, ProducerClosedError)
        assert error.persisted is Persisted.NO
    assert values(cluster) == [b"first"]


async def test_a_close_in_a_hurry_does_not_wait_for_one_that_is_not(cluster: EmbeddedCluster) -> None:
    network = HeldNetwork()
    producer = Producer(cluster.bootstrap_servers)
    await producer.start(dial=network)
    await producer.send(TOPIC, b"first")
    with network.held():
        delivery = producer.send(TOPIC, b"x")
        patient = asyncio.ensure_future(producer.close())
        await asyncio.sleep(0.05)
        start = time.monotonic()
        await asyncio.wait_for(producer.close(timeout=0.2), 5)
        assert time.monotonic() - start < 2
        assert isinstance(delivery.exception(), ProducerClosedError)
        await asyncio.wait_for(patient, 5)


async def test_a_close_that_is_cancelled_closes_at_once(cluster: EmbeddedCluster) -> None:
    network = HeldNetwork()
    producer = Producer(cluster.bootstrap_servers)
    await producer.start(dial=network)
    await producer.send(TOPIC, b"first")
    with network.held():
        delivery = producer.send(TOPIC, b"x")
        closing = asyncio.ensure_future(producer.close())
        await asyncio.sleep(0.05)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(closing, 5)
        assert isinstance(delivery.exception(), ProducerClosedError)
        await asyncio.wait_for(producer.close(), 5)


async def test_a_close_that_is_cancelled_twice(cluster: EmbeddedCluster) -> None:
    network = HeldNetwork()
    producer = Producer(cluster.bootstrap_servers)
    await producer.start(dial=network)
    await producer.send(TOPIC, b"first")
    with network.held():
        delivery = producer.send(TOPIC, b"x")
        closing = asyncio.ensure_future(producer.close())
        await asyncio.sleep(0.05)
        closing.cancel()
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(closing, 5)
        assert isinstance(delivery.exception(), ProducerClosedError)
        await asyncio.wait_for(producer.close(), 5)


async def test_a_closing_task_that_is_cancelled_from_outside(cluster: EmbeddedCluster) -> None:
    """As shutdown handlers do; the next call to close does the rest."""
    producer = Producer(cluster.bootstrap_servers)
    await producer.start()
    await producer.send(TOPIC, b"x")
    closing = asyncio.ensure_future(producer.close())
    await asyncio.sleep(0)
    (ending,) = (task for task in asyncio.all_tasks() if task.get_name() == "aioproducer closing")
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(closing, 5)
    await asyncio.wait_for(producer.close(), 5)
    assert repr(producer).endswith(", closed>")


async def test_closed_before_there_is_a_producer_id(cluster: EmbeddedCluster, caplog: pytest.LogCaptureFixture) -> None:
    cluster.silence("InitProducerId", times=None)
    producer = Producer(cluster.bootstrap_servers)
    await producer.start()
    await asyncio.sleep(0.1)
    assert "InitProducerId" in [entry.api for entry in cluster.requests]
    await asyncio.wait_for(producer.close(), 5)
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_left_by_an_exception(cluster: EmbeddedCluster) -> None:
    async def body() -> None:
        async with Producer(cluster.bootstrap_servers, linger_ms=60_000) as producer:
            producer.send(TOPIC, b"x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await body()
    assert values(cluster) == [b"x"]


async def test_left_by_cancellation(cluster: EmbeddedCluster) -> None:
    entered = asyncio.Event()

    async def body() -> None:
        async with Producer(cluster.bootstrap_servers, linger_ms=60_000) as producer:
            producer.send(TOPIC, b"x")
            entered.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(body())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 10)
    assert values(cluster) == [b"x"]


async def test_a_time_limit_around_a_send_takes_only_the_waiter(cluster: EmbeddedCluster) -> None:
    network = HeldNetwork()
    producer = Producer(cluster.bootstrap_servers)
    await producer.start(dial=network)
    await producer.send(TOPIC, b"first", partition=0)
    with network.held():
        delivery = producer.send(TOPIC, b"x", partition=0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await delivery
        assert not delivery.done()
    assert (await delivery).offset == 1
    await producer.close()


# -- the start


async def test_a_start_in_vain_can_be_made_again(cluster: EmbeddedCluster) -> None:
    (port,) = free_ports(1)
    producer = Producer(f"127.0.0.1:{port}", max_block_ms=150)
    for _ in range(2):
        with pytest.raises(StartTimeoutError):
            await producer.start()
    with pytest.raises(ProducerNotStartedError):
        producer.send(TOPIC, b"x")
    await cluster.stop_broker(1)
    await cluster.start_broker(1, port=port)
    async with producer:
        await producer.send(TOPIC, b"x")
    assert values(cluster) == [b"x"]


async def test_a_start_that_is_cancelled_can_be_made_again(cluster: EmbeddedCluster) -> None:
    network = HeldNetwork()
    producer = Producer(cluster.bootstrap_servers)
    with network.held():
        starting = asyncio.ensure_future(producer.start(dial=network))
        await asyncio.sleep(0.05)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(starting, 5)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await producer.start(dial=network)
    async with producer:
        await producer.send(TOPIC, b"x")


async def test_a_start_that_is_cancelled_more_than_once_leaves_nothing_behind(cluster: EmbeddedCluster) -> None:
    network = HeldNetwork()
    producer = Producer(cluster.bootstrap_servers)
    with network.held():
        starting = asyncio.ensure_future(producer.start(dial=network))
        await asyncio.sleep(0.05)
        for _ in range(6):
            starting.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(starting, 5)
    async with producer:
        await producer.send(TOPIC, b"x")


async def test_nothing_is_told_of_a_start_in_vain() -> None:
    (port,) = free_ports(1)
    producer = Producer(f"127.0.0.1:{port}", max_block_ms=50)
    with pytest.raises(StartTimeoutError):
        await producer.start()
    with pytest.raises(ProducerNotStartedError):
        producer.metrics()


async def test_a_start_in_vain_can_be_closed() -> None:
    (port,) = free_ports(1)
    producer = Producer(f"127.0.0.1:{port}", max_block_ms=100)
    with pytest.raises(StartTimeoutError):
        await producer.start()
    await producer.close()
    with pytest.raises(ProducerClosedError):
        await producer.start()


async def test_a_start_waits_for_a_broker_that_comes_late(cluster: EmbeddedCluster) -> None:
    (port,) = free_ports(1)
    producer = Producer(f"127.0.0.1:{port}", max_block_ms=10_000)
    starting = asyncio.ensure_future(producer.start())
    await asyncio.sleep(0.3)
    await cluster.stop_broker(1)
    await cluster.start_broker(1, port=port)
    await starting
    await producer.close()
