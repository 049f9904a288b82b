"""Deliveries: awaiting, callbacks, state, and what they cost."""

from __future__ import annotations

import asyncio
import gc
import logging
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

from aioproducer.delivery import Delivery
from aioproducer.errors import KafkaError, NotEnoughReplicasError
from aioproducer.models import RecordMetadata
from tests.support.deliveries import Batch, metadata, park, turns
from tests.support.virtual_time import virtual_time

# await


@virtual_time
async def test_await() -> None:
    batch = Batch()
    batch.after(1, batch.succeed)
    assert await batch.deliveries[1] == metadata(41)
    assert await batch.deliveries[1] == metadata(41), "awaited twice, and after it was done"
    assert await batch.deliveries[2] == metadata(42)


@virtual_time
async def test_await_raises_the_error_as_often_as_asked() -> None:
    batch = Batch(1)
    batch.after(1, batch.fail)
    for _ in range(2):
        with pytest.raises(NotEnoughReplicasError, match="not enough") as raised:
            await batch.deliveries[0]
        assert raised.value.__context__ is None


@virtual_time
async def test_several_tasks_await_one_delivery() -> None:
    batch = Batch(1)

    async def wait() -> RecordMetadata:
        return await batch.deliveries[0]

    tasks = [asyncio.create_task(wait()) for _ in range(3)]
    batch.after(1, batch.succeed)
    assert await asyncio.gather(*tasks) == [metadata(40)] * 3


@virtual_time
async def test_errors_raised_in_several_tasks_do_not_mix() -> None:
    batch = Batch(1)
    raised: list[BaseException] = []

    async def wait(note: str) -> None:
        try:
            raise ValueError(note)
        except ValueError:
            try:
                await batch.deliveries[0]
            except KafkaError as error:
                raised.append(error)

    tasks = [asyncio.create_task(wait(note)) for note in ("one", "two")]
    batch.after(1, batch.fail)
    await asyncio.wait(tasks)
    assert [str(error.__context__) for error in raised] == ["one", "two"]


@virtual_time
async def test_cancelling_one_of_several_waiters_cancels_that_one() -> None:
    batch = Batch(1)

    async def wait() -> RecordMetadata:
        return await batch.deliveries[0]

    tasks = [asyncio.create_task(wait()) for _ in range(3)]
    await turns()
    tasks[1].cancel("enough")
    with pytest.raises(asyncio.CancelledError, match="enough"):
        await tasks[1]
    assert not batch.deliveries[0].cancelled()
    batch.succeed()
    assert await tasks[0] == await tasks[2] == metadata(40)


@virtual_time
async def test_a_waiter_cancelled_in_the_turn_of_the_outcome_is_cancelled() -> None:
    batch = Batch(1)

    async def wait() -> RecordMetadata:
        return await batch.deliveries[0]

    task = asyncio.create_task(wait())
    await turns()
    batch.succeed()
    assert task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await batch.deliveries[0] == metadata(40)


@virtual_time
async def test_a_task_cancelled_before_it_begins_to_wait() -> None:
    batch = Batch(1)

    async def wait() -> None:
        me = asyncio.current_task()
        assert me is not None
        me.cancel()
        await batch.deliveries[0]

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(wait())
    assert batch.outcome.take_entries() == []


@virtual_time
async def test_cancelled_waiters_leave_nothing_behind() -> None:
    batch = Batch(1)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await batch.deliveries[0]
    assert batch.outcome.take_entries() == []


# callbacks


@virtual_time
async def test_done_callbacks() -> None:
    batch = Batch(2)
    first, second = batch.deliveries
    heard: list[Delivery] = []
    first.add_done_callback(heard.append)
    first.add_done_callback(heard.append)
    second.add_done_callback(heard.append)
    assert first.remove_done_callback(heard.append) == 2
    assert first.remove_done_callback(heard.append) == 0
    first.add_done_callback(heard.append)
    batch.succeed()
    assert heard == []
    await turns()
    assert heard == [second, first]
    assert first.remove_done_callback(heard.append) == 0
    first.add_done_callback(heard.append)
    assert len(heard) == 2
    await turns()
    assert heard[2:] == [first]


@virtual_time
async def test_done_callbacks_run_in_the_context_of_who_added_them() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="none")
    batch = Batch(1)
    [delivery] = batch.deliveries
    heard: list[str] = []

    def callback(_delivery: Delivery) -> None:
        heard.append(variable.get())

    variable.set("adder")
    delivery.add_done_callback(callback)
    given = copy_context()
    given.run(variable.set, "given")
    delivery.add_done_callback(callback, context=given)
    variable.set("settler")
    batch.succeed()
    await turns()
    delivery.add_done_callback(callback)
    delivery.add_done_callback(callback, context=given)
    await turns()
    assert heard == ["adder", "given", "settler", "given"]


# state


@virtual_time
async def test_state_and_repr() -> None:
    batch, failed = Batch(1), Batch(1)
    [delivery] = batch.deliveries
    assert not delivery.done()
    assert not delivery.cancelled()
    assert repr(delivery) == "<Delivery to orders[0], in a batch>"
    with pytest.raises(asyncio.InvalidStateError, match="await it"):
        delivery.result()
    with pytest.raises(asyncio.InvalidStateError, match="await it"):
        delivery.exception()
    batch.succeed()
    assert delivery.done()
    assert delivery.result() == metadata(40)
    assert delivery.exception() is None
    assert not delivery.cancel()
    assert repr(delivery) == "<Delivery to orders[0], acknowledged>"
    failed.fail()
    assert isinstance(failed.deliveries[0].exception(), NotEnoughReplicasError)
    with pytest.raises(NotEnoughReplicasError):
        failed.deliveries[0].result()
    assert repr(failed.deliveries[0]) == "<Delivery to orders[0], failed>"


@virtual_time
async def test_cancel_gives_the_handle_of_an_accepted_record_up() -> None:
    batch = Batch(2)
    given_up, other = batch.deliveries
    heard: list[Delivery] = []
    given_up.add_done_callback(heard.append)
    other.add_done_callback(heard.append)
    reported: list[object] = []
    batch.outcome.report(0, lambda metadata, _error: reported.append(metadata))

    async def wait() -> RecordMetadata:
        return await given_up

    waiter = asyncio.create_task(wait())
    await turns()
    assert given_up.cancel("enough")
    assert not given_up.cancel()
    await turns()
    assert heard == [given_up]
    assert given_up.done()
    assert given_up.cancelled()
    assert repr(given_up) == "<Delivery, cancelled>"
    for ask in (given_up.result, given_up.exception):
        with pytest.raises(asyncio.CancelledError, match="enough"):
            ask()
    given_up.add_done_callback(heard.append)
    await turns()
    assert heard == [given_up, given_up]
    batch.succeed()
    assert await waiter == metadata(40)
    assert await given_up == metadata(40)
    await turns()
    assert reported == [metadata(40)]
    assert heard == [given_up, given_up, other]


@virtual_time
async def test_expedite_is_like_awaiting() -> None:
    batch = Batch(1)
    wanted: list[object] = []
    batch.outcome.on_wanted = wanted.append
    batch.deliveries[0].expedite()
    assert wanted == [batch.outcome]
    parked = park()
    parked.delivery.expedite()
    parked.delivery.cancel()
    parked.delivery.expedite()
    assert wanted == [batch.outcome]


# cost


@virtual_time
async def test_no_future_and_no_task_per_record() -> None:
    loop = asyncio.get_running_loop()
    made: list[str] = []

    class Counting:
        def create_future(self) -> asyncio.Future[Any]:
            made.append("future")
            return original_future()

        def create_task(self, *args: Any, **kwargs: Any) -> asyncio.Task[Any]:
            made.append("task")
            return original_task(*args, **kwargs)

    original_future, original_task = loop.create_future, loop.create_task
    counting = Counting()
    loop.create_future = counting.create_future  # type: ignore[method-assign]
    loop.create_task = counting.create_task  # type: ignore[method-assign]
    batch = Batch(500)
    before = sum(isinstance(thing, asyncio.Future) for thing in gc.get_objects())
    batch.after(1, batch.succeed)
    for delivery in batch.deliveries:
        await delivery
    await asyncio.gather(*batch.deliveries)
    after = sum(isinstance(thing, asyncio.Future) for thing in gc.get_objects())
    assert made.count("task") == 0
    assert made.count("future") <= 1, "gather's own"
    assert after - before <= 1


@virtual_time
async def test_an_error_nobody_looked_at_is_logged_and_one_that_was_awaited_is_not() -> None:
    logger = logging.getLogger("aioproducer")
    logged: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: logged.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    try:
        batch = Batch(3)
        batch.fail()
        try:
            await batch.deliveries[0]
        except NotEnoughReplicasError:
            pass
        batch.deliveries.pop()
        assert not logged
        del batch
        assert len(logged) == 1
        assert logged[0].startswith("2 of 3 records to orders[0] failed and nobody looked at it")
        assert logged[0].endswith("NotEnoughReplicasError: not enough")
    finally:
        logger.removeHandler(handler)
