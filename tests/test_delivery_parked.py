"""Deliveries of records that were not accepted yet: they move to a batch with all who wait, or are withdrawn."""

from __future__ import annotations

import asyncio

import pytest

from aioproducer.delivery import Delivery, Parked
from aioproducer.errors import NotEnoughReplicasError
from aioproducer.models import RecordMetadata
from tests.support.deliveries import Batch, metadata, park, turns
from tests.support.virtual_time import virtual_time


@virtual_time
async def test_a_parked_record_moves_with_all_who_wait() -> None:
    heard: list[object] = []
    parked = park(lambda metadata, _error: heard.append(metadata))
    delivery = parked.delivery
    assert repr(delivery) == "<Delivery to orders, not accepted yet>"
    delivery.add_done_callback(heard.append)

    async def wait() -> RecordMetadata:
        return await delivery

    waiters = [asyncio.create_task(wait()) for _ in range(2)]
    await turns()
    batch = Batch(2)
    wanted: list[object] = []
    batch.outcome.on_wanted = wanted.append
    parked.move_to(batch.outcome, 1)
    assert wanted
    assert not delivery.done()
    assert parked.done
    await turns()
    waiters[0].cancel()
    await turns()
    assert waiters[0].cancelled()
    batch.succeed()
    assert await waiters[1] == metadata(41)
    await turns()
    assert heard == [delivery, metadata(41)] or heard == [metadata(41), delivery]


@virtual_time
async def test_nobody_waiting_for_a_parked_record_does_not_end_the_linger() -> None:
    parked, batch = park(), Batch(1)
    batch.outcome.on_wanted = lambda _place: pytest.fail("nobody waits")
    parked.move_to(batch.outcome, 0)
    assert not batch.deliveries[0].done()


@virtual_time
async def test_a_parked_record_moves_to_a_failure() -> None:
    parked, batch = park(), Batch(1)

    async def wait() -> None:
        with pytest.raises(NotEnoughReplicasError):
            await parked.delivery

    waiter = asyncio.create_task(wait())
    await turns()
    parked.move_to(batch.outcome, 0)
    batch.fail()
    await waiter


@virtual_time
async def test_cancel_withdraws_a_parked_record() -> None:
    withdrawn: list[Parked] = []
    heard: list[Delivery] = []
    parked = park(lambda _metadata, _error: pytest.fail("it was never sent"))
    parked.on_withdrawn = withdrawn.append
    delivery = parked.delivery
    delivery.add_done_callback(heard.append)

    async def wait() -> None:
        await delivery

    waiters = [asyncio.create_task(wait()) for _ in range(2)]
    await turns()
    assert delivery.cancel("enough")
    assert withdrawn == [parked]
    assert delivery.cancelled()
    assert not delivery.cancel()
    for waiter in waiters:
        with pytest.raises(asyncio.CancelledError, match="enough"):
            await waiter
    with pytest.raises(asyncio.CancelledError, match="enough"):
        await delivery
    assert heard == [delivery]
    assert delivery.get_loop() is asyncio.get_running_loop()


@virtual_time
async def test_cancelling_a_waiter_does_not_withdraw_a_parked_record() -> None:
    parked = park()
    parked.on_withdrawn = lambda _parked: pytest.fail("it was withdrawn")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await parked.delivery
    assert not parked.delivery.done()
    assert parked.take_entries() == []


@virtual_time
async def test_wait_for_withdraws_a_parked_record_where_it_cancels_what_it_waits_for() -> None:
    parked = park()
    withdrawn: list[Parked] = []
    parked.on_withdrawn = withdrawn.append
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(parked.delivery, 1)
    assert bool(withdrawn) == parked.delivery.cancelled()
