"""Background tasks that die, of a bug or because somebody cancels them: everything pending is told, nothing hangs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from aioproducer import Persisted, Producer, RecordMetadata
from aioproducer.errors import KafkaError, MisuseError, ProducerClosedError, ProducerFailedError
from aioproducer.network.stream import Stream
from aioproducer.sending.sender import Sender
from aioproducer.testing import EmbeddedCluster
from tests.support.held import HeldNetwork
from tests.support.producers import CALLS, TOPIC, BrokenDialer, BrokenRandom

pytestmark = pytest.mark.usefixtures("no_leaks")


# -- cancelled


async def test_when_somebody_cancels_every_task(cluster: EmbeddedCluster) -> None:
    """As shutdown handlers do. The producer can not go on then, and says so; nothing hangs."""
    network = HeldNetwork()
    mine = asyncio.all_tasks()
    producer = Producer(cluster.bootstrap_servers)
    await producer.start(dial=network)
    await producer.send(TOPIC, b"first")
    theirs = {task for task in asyncio.all_tasks() - mine if "aioproducer" in task.get_name()}
    with network.held():
        delivery = producer.send(TOPIC, b"x")
        parked = producer.send("unknown", b"x")
        await asyncio.sleep(0.05)
        for task in theirs:
            task.cancel()
        for each in (delivery, parked):
            with pytest.raises((ProducerFailedError, ProducerClosedError)):
                await asyncio.wait_for(each, 5)
        with pytest.raises((ProducerFailedError, ProducerClosedError)):
            producer.send(TOPIC, b"x")
        await asyncio.wait_for(producer.close(), 5)


async def test_one_task_is_cancelled_from_outside(cluster: EmbeddedCluster, caplog: pytest.LogCaptureFixture) -> None:
    """What it says, and what of the records it says."""
    network = HeldNetwork()
    producer = Producer(cluster.bootstrap_servers, linger_ms=60_000)
    await producer.start(dial=network)
    await producer.send(TOPIC, b"first", partition=0)
    says = (
        "the producer can not go on: its task 'deadlines' was cancelled from outside: close a producer before its "
        "loop, or what it needs, is ended"
    )
    with network.held():
        written = producer.send(TOPIC, b"x", partition=0)
        written.expedite()
        await asyncio.sleep(0.05)
        buffered = producer.send(TOPIC, b"x", partition=0)
        (victim,) = (task for task in asyncio.all_tasks() if task.get_name() == "aioproducer deadlines")
        victim.cancel()
        for delivery, persisted in ((written, Persisted.MAYBE), (buffered, Persisted.NO)):
            with pytest.raises(ProducerFailedError) as caught:
                await asyncio.wait_for(delivery, 5)
            assert str(caught.value) == says
            assert caught.value.persisted is persisted
        await asyncio.wait_for(producer.close(), 5)
    assert [(record.levelname, record.message) for record in caplog.records] == [("WARNING", says)]


async def test_calls_in_vain_do_not_add_up(cluster: EmbeddedCluster) -> None:
    """Each has an error of its own: one for all would keep a traceback, and so the arguments, of every call."""
    producer = Producer(cluster.bootstrap_servers)
    await producer.start()
    (victim,) = (task for task in asyncio.all_tasks() if task.get_name() == "aioproducer deadlines")
    victim.cancel()
    await asyncio.sleep(0.02)
    depths = set()
    for _ in range(5):
        with pytest.raises(ProducerFailedError) as caught:
            producer.send(TOPIC, b"x")
        depths.add(len(caught.traceback))
    assert len(depths) == 1
    await producer.close()


class InterruptedDialer(BrokenDialer):
    async def __call__(self, host: str, port: int) -> Stream:
        if self.armed:
            raise KeyboardInterrupt
        return await super().__call__(host, port)


def test_an_interrupt_while_a_background_task_runs(caplog: pytest.LogCaptureFixture) -> None:
    """Control-C on a loop without `asyncio.run`: it comes out of the loop once, and the producer can be closed."""
    dialer = InterruptedDialer()
    cluster = EmbeddedCluster()
    loop = asyncio.new_event_loop()

    async def begin() -> Producer:
        await cluster.start()
        cluster.create_topic(TOPIC)
        producer = Producer(cluster.bootstrap_servers)
        await producer.start(dial=dialer)
        return producer

    async def send() -> None:
        dialer.armed = True
        await producer.send(TOPIC, b"x")

    async def end() -> None:
        with pytest.raises(ProducerFailedError, match=r"interrupted by KeyboardInterrupt\(\): close this producer"):
            await asyncio.wait_for(sending, 5)
        await asyncio.wait_for(producer.close(), 5)
        await cluster.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    try:
        producer = loop.run_until_complete(begin())
        sending = loop.create_task(send())
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(asyncio.wait([sending]))
        loop.run_until_complete(end())
    finally:
        loop.close()
    assert [record.levelname for record in caplog.records if "can not go on" in record.message] == ["WARNING"]


# -- bugs


async def check_death(producer: Producer, strike: Callable[[], Awaitable[object]]) -> None:
    """A started producer, in which `strike` makes a background task die, settles everything and refuses more."""
    await producer.send(TOPIC, b"before", partition=0)
    told: list[tuple[RecordMetadata | None, KafkaError | None]] = []
    sent = [
        producer.send(TOPIC, b"x" * 500, partition=0, on_delivery=lambda *fate: told.append(fate)) for _ in range(8)
    ]
    assert producer.metrics().waiting_sends > 0
    waiting: list[asyncio.Future[Any]] = [
        asyncio.ensure_future(producer.drain()),
        asyncio.ensure_future(producer.flush()),
    ]
    await asyncio.sleep(0.02)
    await strike()
    await asyncio.wait(waiting, timeout=5)
    assert all(future.done() for future in waiting)
    for future in waiting:
        future.exception()

    for delivery in sent:
        with pytest.raises(ProducerFailedError, match=r"ZeroDivisionError.* a bug") as caught:
            await asyncio.wait_for(delivery, 5)
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
        assert caught.value.fatal
    assert [type(error) for _, error in told] == [ProducerFailedError] * 8
    for call in CALLS.values():
        with pytest.raises(ProducerFailedError) as caught:
            await call(producer)
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises((ProducerFailedError, MisuseError)):
        await producer.start()
    start = time.monotonic()
    await producer.close()
    assert time.monotonic() - start < 1


async def test_the_task_that_refreshes_metadata_dies(
    cluster: EmbeddedCluster, caplog: pytest.LogCaptureFixture
) -> None:
    chance = BrokenRandom()
    producer = Producer(cluster.bootstrap_servers, buffer_memory=2000)
    await producer.start(random=chance)

    async def strike() -> None:
        chance.armed = True
        delivery = producer.send("new", b"x")
        with pytest.raises(ProducerFailedError):
            await asyncio.wait_for(delivery, 5)

    cluster.silence("Produce", partition=(TOPIC, 0), skip=1, times=None)
    await check_death(producer, strike)
    assert [record.levelname for record in caplog.records if "a background task" in record.message] == ["CRITICAL"]


async def test_the_task_that_connects_dies(cluster: EmbeddedCluster) -> None:
    dialer = BrokenDialer()
    producer = Producer(cluster.bootstrap_servers, buffer_memory=2000)
    await producer.start(dial=dialer)

    async def strike() -> None:
        dialer.armed = True
        await cluster.cut_connections()

    cluster.silence("Produce", partition=(TOPIC, 0), skip=1, times=None)
    await check_death(producer, strike)


async def test_a_bug_during_the_start(cluster: EmbeddedCluster) -> None:
    dialer = BrokenDialer()
    dialer.armed = True
    producer = Producer(cluster.bootstrap_servers, max_block_ms=1000)
    start = time.monotonic()
    with pytest.raises((ProducerFailedError, ZeroDivisionError)):
        await producer.start(dial=dialer)
    assert time.monotonic() - start < 0.9
    await producer.close()


# -- interrupted


def test_after_an_interrupt_where_an_answer_is_read_a_second_run_sends_and_closes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As programs do that close their producer after Ctrl-C."""
    loop = asyncio.new_event_loop()
    answered = Sender._answered  # noqa: SLF001
    interrupts: list[bool] = []

    def interrupted(self: Sender, *arguments: Any) -> None:
        answered(self, *arguments)
        if interrupts:
            interrupts.clear()
            raise KeyboardInterrupt

    async def begin() -> None:
        await producer.start()
        await producer.send(TOPIC, b"1")
        interrupts.append(True)
        await producer.send(TOPIC, b"2")

    async def go_on() -> None:
        async with asyncio.timeout(5):
            await producer.send(TOPIC, b"3")
            await producer.close()

    monkeypatch.setattr(Sender, "_answered", interrupted)
    embedded = EmbeddedCluster()
    try:
        cluster = loop.run_until_complete(embedded.__aenter__())
        producer = Producer(cluster.bootstrap_servers)
        main = loop.create_task(begin())
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(main)
        loop.run_until_complete(go_on())
        loop.run_until_complete(main)
        assert [record.value for record in cluster.records(TOPIC)] == [b"1", b"2", b"3"]
        loop.run_until_complete(embedded.__aexit__(None, None, None))
    finally:
        loop.close()
