"""Deliveries in what asyncio and anyio have for waiting: gather, wait, wait_for, as_completed, shield, scopes."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest

from aioproducer.delivery import Delivery
from aioproducer.errors import NotEnoughReplicasError
from aioproducer.models import RecordMetadata
from aioproducer.outcome import Outcome
from tests.support.deliveries import Batch, metadata, turns
from tests.support.virtual_time import virtual_time

# gather


@virtual_time
async def test_gather() -> None:
    batch = Batch()
    batch.after(1, batch.succeed)
    assert await asyncio.gather(*batch.deliveries) == [metadata(40), metadata(41), metadata(42)]
    assert await asyncio.gather(*batch.deliveries) == [metadata(40), metadata(41), metadata(42)]


@virtual_time
async def test_gather_raises_the_first_error() -> None:
    bad, good = Batch(1), Batch(1)
    bad.after(1, bad.fail)
    good.after(2, good.succeed)
    with pytest.raises(NotEnoughReplicasError):
        await asyncio.gather(*good.deliveries, *bad.deliveries)
    assert await good.deliveries[0] == metadata(40)


@virtual_time
async def test_gather_returns_exceptions() -> None:
    bad, good = Batch(1), Batch(1)
    bad.after(1, bad.fail)
    good.after(2, good.succeed)
    results = await asyncio.gather(*good.deliveries, *bad.deliveries, return_exceptions=True)
    assert results[0] == metadata(40)
    assert isinstance(results[1], NotEnoughReplicasError)


@pytest.mark.parametrize("return_exceptions", [False, True])
def test_a_cancelled_gather_ends_and_the_records_go_on(return_exceptions: bool) -> None:
    @virtual_time
    async def test() -> None:
        batch = Batch()
        gathering = asyncio.gather(*batch.deliveries, return_exceptions=return_exceptions)
        await turns()
        assert gathering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gathering
        assert all(delivery.cancelled() for delivery in batch.deliveries)
        batch.succeed()
        assert await batch.deliveries[1] == metadata(41)

    test()


@virtual_time
async def test_gather_tells_of_a_handle_that_was_cancelled() -> None:
    batch = Batch(2)
    gathering = asyncio.gather(*batch.deliveries, return_exceptions=True)
    batch.deliveries[0].cancel("enough")
    batch.after(1, batch.succeed)
    results = await gathering
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[0].args == ("enough",)
    assert results[1] == metadata(41)


@virtual_time
async def test_a_cancelled_gather_of_thousands_ends() -> None:
    batch = Batch(5000)
    gathering = asyncio.gather(*batch.deliveries)
    await turns()
    gathering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gathering
    assert batch.outcome.take_entries() == []


# wait, wait_for, as_completed, shield, timeout


@virtual_time
async def test_wait_for_the_first() -> None:
    slow, fast = Batch(1), Batch(1)
    fast.after(1, fast.succeed)
    waited: Any = [slow.deliveries[0], fast.deliveries[0]]
    done, pending = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    assert done == {fast.deliveries[0]}
    assert pending == {slow.deliveries[0]}
    assert slow.outcome.take_entries() == []


@virtual_time
async def test_wait_for_the_first_exception() -> None:
    slow, bad = Batch(1), Batch(1)
    bad.after(1, bad.fail)
    waited: Any = [slow.deliveries[0], bad.deliveries[0]]
    done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_EXCEPTION)
    assert [type(delivery.exception()) for delivery in done] == [NotEnoughReplicasError]


@virtual_time
async def test_wait_with_a_timeout() -> None:
    batch = Batch(2)
    waited: Any = batch.deliveries
    done, pending = await asyncio.wait(waited, timeout=1)
    assert not done
    assert pending == set(batch.deliveries)
    assert not any(delivery.cancelled() for delivery in batch.deliveries)
    batch.succeed()
    assert await batch.deliveries[0] == metadata(40)


@virtual_time
async def test_wait_for() -> None:
    batch = Batch(1)
    batch.after(1, batch.succeed)
    assert await asyncio.wait_for(batch.deliveries[0], 2) == metadata(40)
    assert await asyncio.wait_for(batch.deliveries[0], 0) == metadata(40)


@pytest.mark.parametrize("timeout", [0, 1])
def test_wait_for_with_a_timeout_and_the_record_goes_on(timeout: float) -> None:
    @virtual_time
    async def test() -> None:
        batch = Batch(1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(batch.deliveries[0], timeout)
        batch.after(1, batch.succeed)
        assert await batch.deliveries[0] == metadata(40)

    test()


@virtual_time
async def test_a_timeout_around_await() -> None:
    batch = Batch(1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await batch.deliveries[0]
    assert not batch.deliveries[0].done()
    batch.succeed()
    assert batch.deliveries[0].result() == metadata(40)


@virtual_time
async def test_as_completed() -> None:
    slow, fast = Batch(1, "slow"), Batch(1, "fast")
    fast.after(1, fast.succeed)
    slow.after(2, slow.succeed)
    topics = [(await each).topic for each in asyncio.as_completed([slow.deliveries[0], fast.deliveries[0]])]
    assert topics == ["fast", "slow"]


@virtual_time
async def test_as_completed_with_a_timeout() -> None:
    batch = Batch(1)
    with pytest.raises(TimeoutError):  # noqa: PT012  # the loop is what is tested
        for each in asyncio.as_completed(batch.deliveries, timeout=1):
            await each
    assert not batch.deliveries[0].cancelled()


@virtual_time
async def test_shield() -> None:
    batch = Batch(2)
    shielded: Any = asyncio.shield(batch.deliveries[0])
    shielded.cancel()
    with pytest.raises(asyncio.CancelledError):
        await shielded
    assert not batch.deliveries[0].cancelled()
    batch.after(1, batch.succeed)
    assert await asyncio.shield(batch.deliveries[1]) == metadata(41)
    assert await asyncio.shield(batch.deliveries[1]) == metadata(41)


@virtual_time
async def test_ensure_future_makes_no_task() -> None:
    batch = Batch(1)
    assert asyncio.isfuture(batch.deliveries[0])
    future: Any = asyncio.ensure_future(batch.deliveries[0])
    assert future is batch.deliveries[0]


def test_run_until_complete() -> None:
    loop = asyncio.new_event_loop()
    try:
        outcome = Outcome(loop, "orders", 0, 1000, [0], {})
        loop.call_soon(outcome.succeed, 40)
        future: Any = Delivery(outcome, 0)
        assert loop.run_until_complete(future) == metadata(40)
    finally:
        loop.close()


@virtual_time
async def test_another_loop_is_refused() -> None:
    other = asyncio.new_event_loop()
    try:
        outcome = Outcome(other, "orders", 0, 1000, [0], {})
        with pytest.raises(RuntimeError, match="attached to a different loop"):
            await Delivery(outcome, 0)
    finally:
        other.close()


# anyio


@virtual_time
async def test_anyio_task_group() -> None:
    batch = Batch()
    heard: list[RecordMetadata] = []

    async def wait(delivery: Delivery) -> None:
        heard.append(await delivery)

    async with anyio.create_task_group() as group:
        for delivery in batch.deliveries:
            group.start_soon(wait, delivery)
        batch.after(1, batch.succeed)
    assert heard == [metadata(40), metadata(41), metadata(42)]


@virtual_time
async def test_anyio_task_group_that_is_cancelled() -> None:
    batch = Batch()

    async def wait(delivery: Delivery) -> None:
        await delivery

    async with anyio.create_task_group() as group:
        for delivery in batch.deliveries:
            group.start_soon(wait, delivery)
        await anyio.sleep(1)
        group.cancel_scope.cancel()
    assert batch.outcome.take_entries() == []
    batch.succeed()
    assert await batch.deliveries[0] == metadata(40)


@virtual_time
async def test_anyio_error_cancels_the_siblings() -> None:
    bad, slow = Batch(1), Batch(1)

    async def wait(delivery: Delivery) -> None:
        await delivery

    bad.after(1, bad.fail)
    with pytest.raises(ExceptionGroup) as raised:  # noqa: PT012  # the group is what is tested
        async with anyio.create_task_group() as group:
            group.start_soon(wait, bad.deliveries[0])
            group.start_soon(wait, slow.deliveries[0])
    assert raised.group_contains(NotEnoughReplicasError)
    assert slow.outcome.take_entries() == []


@virtual_time
async def test_anyio_deadlines() -> None:
    batch = Batch(1)
    with anyio.move_on_after(1) as scope:
        await batch.deliveries[0]
    assert scope.cancelled_caught
    with pytest.raises(TimeoutError), anyio.fail_after(1):
        await batch.deliveries[0]
    assert not batch.deliveries[0].cancelled()
    batch.after(1, batch.succeed)
    with anyio.move_on_after(5) as scope:
        assert await batch.deliveries[0] == metadata(40)
    assert not scope.cancelled_caught
