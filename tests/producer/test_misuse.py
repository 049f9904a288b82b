"""Calls at the wrong time and from the wrong place: each says what to do instead, and harms nothing."""

from __future__ import annotations

import asyncio
import logging
import os

import pytest

from aioproducer import Producer, RecordMetadata
from aioproducer.errors import MisuseError, ProducerClosedError, ProducerNotStartedError
from aioproducer.testing import EmbeddedCluster
from tests.support.producers import CALLS, TOPIC, values

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.mark.parametrize("call", CALLS)
async def test_before_start(call: str) -> None:
    producer = Producer("127.0.0.1:1")
    with pytest.raises(ProducerNotStartedError) as caught:
        await CALLS[call](producer)
    assert str(caught.value).startswith(f"{call} on a producer that is not started: use it within `async with ")


@pytest.mark.parametrize("call", CALLS)
async def test_after_close(cluster: EmbeddedCluster, call: str) -> None:
    producer = Producer(cluster.bootstrap_servers)
    await producer.start()
    await producer.close()
    with pytest.raises(ProducerClosedError) as caught:
        await CALLS[call](producer)
    assert str(caught.value) == f"{call} on a producer that is closed: make a new one"


@pytest.mark.parametrize("call", CALLS)
async def test_while_it_starts(cluster: EmbeddedCluster, call: str) -> None:
    producer = Producer(cluster.bootstrap_servers)
    starting = asyncio.ensure_future(producer.start())
    await asyncio.sleep(0)
    with pytest.raises(ProducerNotStartedError):
        await CALLS[call](producer)
    await starting
    await CALLS[call](producer)
    await producer.close()


async def test_send_all_before_start_and_after_close(cluster: EmbeddedCluster) -> None:
    producer = Producer(cluster.bootstrap_servers)
    with pytest.raises(ProducerNotStartedError):
        await producer.send_all(TOPIC, [b"x"])
    await producer.start()
    await producer.close()
    with pytest.raises(ProducerClosedError):
        await producer.send_all(TOPIC, [b"x"])
    assert values(cluster) == []


async def test_metrics_before_start_and_after_close(cluster: EmbeddedCluster) -> None:
    producer = Producer(cluster.bootstrap_servers)
    with pytest.raises(ProducerNotStartedError, match="metrics"):
        producer.metrics()
    async with producer:
        await producer.send(TOPIC, b"x")
    assert producer.metrics().record_send_total == 1


async def test_started_twice(started: Producer) -> None:
    with pytest.raises(MisuseError, match=r"start\(\) on a producer that is started already: start it once"):
        await started.start()
    await started.send(TOPIC, b"x")


async def test_started_twice_at_once(cluster: EmbeddedCluster) -> None:
    producer = Producer(cluster.bootstrap_servers)
    outcomes = await asyncio.gather(producer.start(), producer.start(), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), MisuseError]
    await producer.send(TOPIC, b"x")
    await producer.close()


async def test_started_after_close(cluster: EmbeddedCluster) -> None:
    producer = Producer(cluster.bootstrap_servers)
    async with producer:
        pass
    with pytest.raises(ProducerClosedError, match="make a new one"):
        await producer.start()


async def test_closed_while_it_starts(cluster: EmbeddedCluster) -> None:
    producer = Producer(cluster.bootstrap_servers)
    starting = asyncio.ensure_future(producer.start())
    await asyncio.sleep(0)
    with pytest.raises(MisuseError, match="cancel the task"):
        await producer.close()
    await starting
    await producer.close()


async def test_from_a_thread_without_a_loop(started: Producer, cluster: EmbeddedCluster) -> None:
    with pytest.raises(MisuseError, match=r"send\(\) from outside of the event loop.*call_soon_threadsafe"):
        await asyncio.to_thread(started.send, TOPIC, b"x")
    await started.flush()
    assert values(cluster) == []


@pytest.mark.parametrize("call", CALLS)
async def test_from_a_thread_with_a_loop_of_its_own(started: Producer, cluster: EmbeddedCluster, call: str) -> None:
    async def elsewhere() -> None:
        await CALLS[call](started)

    def run() -> None:
        with asyncio.Runner() as runner:
            runner.run(elsewhere())

    with pytest.raises(MisuseError, match=rf"{call[:-2]}\(\) from outside of the event loop"):
        await asyncio.to_thread(run)
    await started.send(TOPIC, b"from here")
    assert values(cluster) == [b"from here"]


async def test_closed_from_another_loop(started: Producer) -> None:
    with pytest.raises(MisuseError, match=r"close\(\) from outside of the event loop"):
        await asyncio.to_thread(lambda: asyncio.run(started.close()))
    await started.send(TOPIC, b"x")


async def test_from_a_thread_as_it_is_meant(started: Producer, cluster: EmbeddedCluster) -> None:
    loop = asyncio.get_running_loop()

    async def send() -> RecordMetadata:
        return await started.send(TOPIC, b"x")

    def work() -> RecordMetadata:
        return asyncio.run_coroutine_threadsafe(send(), loop).result(10)

    assert (await asyncio.to_thread(work)).offset == 0


def test_without_a_loop() -> None:
    with pytest.raises(ProducerNotStartedError):
        Producer("127.0.0.1:1").send(TOPIC, b"x")


def test_when_its_loop_is_over() -> None:
    async def open_and_leave_open() -> Producer:
        async with EmbeddedCluster() as cluster:
            producer = Producer(cluster.bootstrap_servers)
            await producer.start()
            await producer.send(TOPIC, b"x")
            await producer.close()
            return producer

    with asyncio.Runner() as runner:
        producer = runner.run(open_and_leave_open())
    with pytest.raises(ProducerClosedError):
        producer.send(TOPIC, b"x")
    with asyncio.Runner() as runner:
        runner.run(producer.close())


def test_never_closed(caplog: pytest.LogCaptureFixture) -> None:
    """The loop ends, and the producer with it: nothing hangs, and one warning says what was forgotten."""

    async def leave_open(servers: str) -> Producer:
        producer = Producer(servers)
        await producer.start()
        await producer.send(TOPIC, b"x")
        return producer

    with asyncio.Runner() as runner:
        brokers = EmbeddedCluster()
        runner.run(brokers.start())
        producer = runner.run(leave_open(brokers.bootstrap_servers))
        runner.run(brokers.close())
    with pytest.raises(MisuseError):
        producer.send(TOPIC, b"x")
    del producer
    (told,) = (record.message for record in caplog.records if record.levelno >= logging.WARNING)
    assert "close a producer before its loop" in told


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
async def test_from_a_child_process(started: Producer, cluster: EmbeddedCluster) -> None:
    child = os.fork()
    if not child:
        # Nothing of the parent's may run here, whatever happens.
        try:
            started.send(TOPIC, b"x")
        except MisuseError:
            os._exit(0)
        finally:
            os._exit(1)
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    assert status == 0
    await started.send(TOPIC, b"from here")
    assert values(cluster) == [b"from here"]


def test_on_another_loop_of_the_same_thread() -> None:
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    try:
        cluster = first.run_until_complete(EmbeddedCluster().__aenter__())
        producer = Producer(cluster.bootstrap_servers)
        first.run_until_complete(producer.start())

        async def elsewhere() -> None:
            with pytest.raises(MisuseError, match=r"send\(\) from outside of the event loop"):
                producer.send(TOPIC, b"x")
            with pytest.raises(MisuseError, match=r"drain\(\) from outside of the event loop"):
                await producer.drain()

        second.run_until_complete(elsewhere())
        first.run_until_complete(producer.close())
        first.run_until_complete(cluster.__aexit__(None, None, None))
    finally:
        first.close()
        second.close()
