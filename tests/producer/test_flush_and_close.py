"""`flush` and `close` end in time under every trouble, each delivery settled, and what its error says of the log is so.

All in memory and virtual time: each test counts tasks, streams, timers and futures, and none is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import pytest

from aioproducer import Delivery, Persisted
from aioproducer.config import Options
from aioproducer.errors import (
    DeliveryTimeoutError,
    FlushTimeoutError,
    KafkaError,
    MaxBlockTimeoutError,
    ProducerClosedError,
)
from tests.support.counting_loop import run_counted
from tests.support.troubles import TROUBLES, Trouble, heal
from tests.support.world import TOPIC, World, world

PATIENCE: Options = {
    "request_timeout_ms": 1000,
    "delivery_timeout_ms": 6000,
    "max_block_ms": 3000,
    "linger_ms": 0,
    # Long beside the way of a request, so that the end of a wait is hardly ever met by one that is on its way.
    "retry_backoff_ms": 100,
    "retry_backoff_max_ms": 100,
}
DELIVERY_TIMEOUT = 6.0
MAX_BLOCK = 3.0
SLACK = 0.1
"""Virtual seconds for what is on its way; a tenth of the shortest time-out."""

every_trouble = pytest.mark.parametrize("name", TROUBLES)


@asynccontextmanager
async def troubled(name: str) -> AsyncIterator[tuple[World, Trouble, list[Delivery]]]:
    """A producer that has run for a while, the trouble that then came, and records that were sent into it."""
    trouble = TROUBLES[name]
    async with world(**PATIENCE) as here:
        if trouble.at_start:
            await trouble.come(here)
        await here.producer.start()
        if not trouble.at_start:
            for partition in (0, 1):
                await here.send(partition=partition)
            await trouble.come(here)
            await asyncio.sleep(SLACK)
        yield here, trouble, [here.send(trouble.topic, partition) for partition in (0, 0, 0)]


def persisted(deliveries: list[Delivery]) -> set[Persisted]:
    """What their errors say; all have to be settled."""
    errors = [delivery.exception() for delivery in deliveries]
    return {error.persisted for error in errors if error is not None}


async def takes(work: Awaitable[object]) -> float:
    """Virtual seconds."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await work
    return loop.time() - begun


# -- flush


@every_trouble
def test_a_flush_that_has_not_the_time_leaves_the_records_alive(name: str) -> None:
    async def test() -> None:
        async with troubled(name) as (here, _, deliveries):
            begun = here.now
            with pytest.raises(FlushTimeoutError, match=r"not settled within 0\.5 s; they go on"):
                await here.producer.flush(0.5)
            assert here.now - begun == pytest.approx(0.5)
            assert not any(delivery.done() for delivery in deliveries)
            await heal(here)
            await here.unharmed()

    run_counted(test)


@every_trouble
def test_a_flush_without_a_limit_ends_with_the_records(name: str) -> None:
    """Throttling aside, which goes by, each fails in its time, and says why. The next ones go through."""

    async def test() -> None:
        async with troubled(name) as (here, trouble, deliveries):
            limit = trouble.lasts(max_block=MAX_BLOCK, delivery_timeout=DELIVERY_TIMEOUT)
            expected = MaxBlockTimeoutError if trouble.waits_for_topic else DeliveryTimeoutError
            assert await takes(here.producer.flush()) < limit + SLACK
            errors = [delivery.exception() for delivery in deliveries]
            if name == "throttled":
                assert errors == [None] * len(deliveries)
            else:
                assert all(isinstance(error, expected) for error in errors), errors
                assert persisted(deliveries) == {trouble.persisted}
            await heal(here)
            for partition in (0, 1):
                await here.send(partition=partition)
            await here.producer.close()
            await here.told_the_truth()

    run_counted(test)


# -- close


@every_trouble
def test_a_close_that_has_not_the_time_settles_everything(name: str) -> None:
    async def test() -> None:
        async with troubled(name) as (here, trouble, deliveries):
            assert await takes(here.producer.close(0.5)) < 0.5 + SLACK
            assert {type(delivery.exception()) for delivery in deliveries} == {ProducerClosedError}
            assert persisted(deliveries) == {trouble.persisted}
            await here.told_the_truth()

    run_counted(test)


@every_trouble
def test_a_close_without_any_time(name: str) -> None:
    """What was not written by then is certainly not in the log."""

    async def test() -> None:
        async with troubled(name) as (here, _, deliveries):
            assert await takes(here.producer.close(0)) < SLACK
            assert {type(delivery.exception()) for delivery in deliveries} == {ProducerClosedError}
            assert persisted(deliveries) == {Persisted.NO}
            await here.told_the_truth()

    run_counted(test)


@every_trouble
def test_a_close_by_default_waits_for_the_trouble_to_end(name: str) -> None:
    async def test() -> None:
        async with troubled(name) as (here, _, _):

            async def end_of_trouble() -> None:
                await asyncio.sleep(1.5)
                await heal(here)

            here.spawn(end_of_trouble())
            assert await takes(here.producer.close()) < DELIVERY_TIMEOUT
            await here.all_are_stored()

    run_counted(test)


@every_trouble
def test_a_close_by_default_lasts_as_long_as_the_records(name: str) -> None:
    async def test() -> None:
        async with troubled(name) as (here, trouble, deliveries):
            limit = trouble.lasts(max_block=MAX_BLOCK, delivery_timeout=DELIVERY_TIMEOUT)
            assert await takes(here.producer.close()) < limit + SLACK
            if name != "throttled":
                assert persisted(deliveries) == {trouble.persisted}
                assert ProducerClosedError not in {type(delivery.exception()) for delivery in deliveries}
            await here.told_the_truth()

    run_counted(test)


# -- a full buffer


FULL: Options = {**PATIENCE, "buffer_memory": 2000, "batch_size": 600}


@asynccontextmanager
async def full() -> AsyncIterator[tuple[World, list[Delivery]]]:
    """Three records of ten fit; the broker is silent."""
    async with world(**FULL) as here:
        await here.producer.start()
        await here.send()
        here.cluster.silence("Produce", times=None)
        yield here, [here.send(size=500) for _ in range(10)]


def test_a_flush_with_a_full_buffer() -> None:
    async def test() -> None:
        async with full() as (here, _):
            with pytest.raises(FlushTimeoutError):
                await here.producer.flush(0.5)
            await heal(here)
            await here.unharmed()

    run_counted(test)


@pytest.mark.parametrize("timeout", [0.5, None])
def test_a_close_with_a_full_buffer(timeout: float | None) -> None:
    """Those in front may be in the log, those that were never let in are not."""

    async def test() -> None:
        async with full() as (here, deliveries):
            limit = DELIVERY_TIMEOUT + MAX_BLOCK if timeout is None else timeout
            assert await takes(here.producer.close(timeout)) < limit + SLACK
            assert persisted(deliveries[:3]) == {Persisted.MAYBE}
            assert persisted(deliveries[3:]) == {Persisted.NO}
            await here.told_the_truth()

    run_counted(test)


# -- many at once


@every_trouble
def test_flushes_and_closes_at_once(name: str) -> None:
    """Each has its own time; the end is that of the close that has the least."""

    async def test() -> None:
        async with troubled(name) as (here, _, _):
            producer, loop = here.producer, asyncio.get_running_loop()
            ends: dict[str, float] = {}

            async def call(what: str, work: Awaitable[object]) -> None:
                try:
                    await work
                except FlushTimeoutError:
                    what += ", time-out"
                ends[what] = round(loop.time() - begun, 1)

            begun = loop.time()
            calls = [
                call("flush(0.3)", producer.flush(0.3)),
                call("flush()", producer.flush()),
                call("flush(9)", producer.flush(9)),
                call("close()", producer.close()),
                call("close(0.5)", producer.close(0.5)),
                call("close(8)", producer.close(8)),
            ]
            await asyncio.gather(*calls)
            assert ends == {
                "flush(0.3), time-out": 0.3,
                "flush()": 0.5,
                "flush(9)": 0.5,
                "close()": 0.5,
                "close(0.5)": 0.5,
                "close(8)": 0.5,
            }
            await here.told_the_truth()

    run_counted(test)


# -- from a callback


@pytest.mark.parametrize("name", [None, "silent", "answers lost", "too few replicas", "silent about a topic"])
@pytest.mark.parametrize("call", ["flush", "close"])
def test_called_from_on_delivery(call: str, name: str | None) -> None:
    async def test() -> None:
        async with world(**PATIENCE) as here:
            await here.producer.start()
            await here.send()
            topic = TOPIC
            if name is not None:
                await TROUBLES[name].come(here)
                topic = TROUBLES[name].topic
            calls: asyncio.Queue[Awaitable[None]] = asyncio.Queue()
            told: list[KafkaError | None] = []

            def on_delivery(_metadata: object, error: KafkaError | None) -> None:
                told.append(error)
                here.send()
                calls.put_nowait(
                    asyncio.ensure_future(here.producer.close() if call == "close" else here.producer.flush())
                )

            sent = here.producer.send(topic, here.value(topic), partition=0, on_delivery=on_delivery)
            call_made = await calls.get()
            assert sent.done()
            assert await takes(call_made) < DELIVERY_TIMEOUT + SLACK
            assert len(told) == 1
            assert (told[0] is None) is (name is None)
            assert here.deliveries[-1][2].done()
            await here.producer.close()
            await here.told_the_truth()

    run_counted(test)
