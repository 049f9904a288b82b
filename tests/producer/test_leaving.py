"""`async with` is left by an error or a cancellation, also while the brokers suffer, and while it closes: it closes all
the same, in its time, and the error comes out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from aioproducer import Delivery, Persisted
from aioproducer.config import Options
from aioproducer.errors import KafkaTimeoutError, ProducerClosedError
from tests.support.counting_loop import run_counted
from tests.support.troubles import TROUBLES, Trouble
from tests.support.world import World, world

PATIENCE: Options = {
    "request_timeout_ms": 1000,
    "delivery_timeout_ms": 6000,
    "max_block_ms": 3000,
    "retry_backoff_ms": 100,
    "retry_backoff_max_ms": 100,
}
DELIVERY_TIMEOUT = 6.0
SLACK = 0.1


async def suffer(here: World, trouble: Trouble) -> list[Delivery]:
    """Sends a record, lets the trouble come, and sends more."""
    await here.send()
    await trouble.come(here)
    await asyncio.sleep(SLACK)
    return [here.send(trouble.topic) for _ in range(3)]


def in_trouble(name: str, body: Callable[[World, list[Delivery]], Awaitable[None]], *, limit: float) -> None:
    """Runs `body` in an `async with`; all of it takes `limit` virtual seconds at most, and leaves nothing behind."""

    async def test() -> None:
        async with world(**PATIENCE) as here:
            sent: list[Delivery] = []

            async def use() -> None:
                async with here.producer:
                    sent.extend(await suffer(here, TROUBLES[name]))
                    await body(here, sent)

            task = asyncio.create_task(use(), name="uses the producer")
            await asyncio.wait((task,))
            assert here.now < limit + 0.5
            assert repr(here.producer).endswith(", closed>")
            await here.told_the_truth()
            assert all(delivery.done() for delivery in sent)
            if task.cancelled():
                raise asyncio.CancelledError
            task.result()

    run_counted(test)


every_trouble = pytest.mark.parametrize("name", [name for name, each in TROUBLES.items() if not each.at_start])


@every_trouble
def test_left_by_an_error(name: str) -> None:
    """The records have their time; the error is that of the body, not what became of them."""

    async def body(_here: World, _sent: list[Delivery]) -> None:
        raise ZeroDivisionError("of the body")

    with pytest.raises(ZeroDivisionError, match="of the body") as caught:
        in_trouble(name, body, limit=DELIVERY_TIMEOUT)
    assert caught.value.__context__ is None


@every_trouble
def test_left_by_a_cancellation(name: str) -> None:
    """One cancellation ends the body, and the records have their time."""

    async def body(_here: World, sent: list[Delivery]) -> None:
        checked.extend(sent)
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_soon(task.cancel)
        await asyncio.sleep(1000)

    checked: list[Delivery] = []
    with pytest.raises(asyncio.CancelledError):
        in_trouble(name, body, limit=DELIVERY_TIMEOUT)
    assert all(isinstance(delivery.exception(), KafkaTimeoutError | None) for delivery in checked)


@every_trouble
@pytest.mark.parametrize("by_error", [False, True])
def test_cancelled_while_it_closes(name: str, by_error: bool) -> None:
    """That ends everything at once, whatever the body was left by."""

    async def body(_here: World, sent: list[Delivery]) -> None:
        checked.extend(sent)
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(0.5, task.cancel)
        if by_error:
            raise ZeroDivisionError

    checked: list[Delivery] = []
    with pytest.raises(asyncio.CancelledError):
        in_trouble(name, body, limit=0.5 + SLACK)
    assert {type(delivery.exception()) for delivery in checked} == {ProducerClosedError}
    assert {error.persisted for delivery in checked if (error := delivery.exception())} == {TROUBLES[name].persisted}


@pytest.mark.parametrize("name", ["silent", "down", "silent about a topic"])
def test_a_time_limit_around_all_of_it(name: str) -> None:
    """`asyncio.timeout` outside: the body is cancelled by it, and the end then lasts as long as the records do."""

    async def test() -> None:
        async with world(**PATIENCE) as here:
            with pytest.raises(TimeoutError) as caught:  # noqa: PT012  # leaving is what is tested
                async with asyncio.timeout(0.5), here.producer:
                    await suffer(here, TROUBLES[name])
                    await asyncio.sleep(1000)
            assert type(caught.value) is TimeoutError
            assert here.now < DELIVERY_TIMEOUT + 0.5
            await here.told_the_truth()

    run_counted(test)


def test_an_error_in_the_body_when_the_producer_has_failed() -> None:
    """What the body raises goes by what the producer would say."""

    async def test() -> None:
        async with world() as here:
            with pytest.raises(ZeroDivisionError):  # noqa: PT012  # leaving is what is tested
                async with here.producer:
                    (victim,) = (task for task in asyncio.all_tasks() if task.get_name() == "aioproducer deadlines")
                    victim.cancel()
                    await asyncio.sleep(SLACK)
                    raise ZeroDivisionError
            assert repr(here.producer).endswith(", closed>")

    run_counted(test)


def test_left_at_once() -> None:
    async def test() -> None:
        async with world() as here:
            async with here.producer:
                delivery = here.send()
            assert delivery.result().offset == 0
            await here.all_are_stored()

    run_counted(test)


def test_a_record_that_nobody_has_room_for_is_certainly_not_stored() -> None:
    async def test() -> None:
        async with world(buffer_memory=2000, batch_size=600) as here:
            with pytest.raises(ZeroDivisionError):  # noqa: PT012  # leaving is what is tested
                async with here.producer:
                    await here.send()
                    here.cluster.silence("Produce", times=None)
                    sent = [here.send(size=500) for _ in range(8)]
                    asyncio.get_running_loop().call_later(0.5, lambda: here.spawn(here.producer.close(0)))
                    raise ZeroDivisionError
            told = [error.persisted for delivery in sent if (error := delivery.exception()) is not None]
            assert told == [Persisted.MAYBE] * 3 + [Persisted.NO] * 5
            await here.told_the_truth()

    run_counted(test)
