"""The alarm: no call is lost, no timer is left, whatever the sleeper was doing."""

from __future__ import annotations

import asyncio

import pytest

from aioproducer.sending.alarm import Alarm
from tests.support.virtual_time import virtual_time


@virtual_time
async def test_it_wakes_at_its_time() -> None:
    loop = asyncio.get_running_loop()
    await Alarm(loop).wait(5.0)
    assert loop.time() == 5.0


@virtual_time
async def test_a_time_that_has_come_is_not_waited_for() -> None:
    loop = asyncio.get_running_loop()
    await Alarm(loop).wait(loop.time())
    assert loop.time() == 0.0


@virtual_time
async def test_a_call_wakes_and_leaves_no_timer() -> None:
    loop = asyncio.get_running_loop()
    alarm = Alarm(loop)
    loop.call_later(1, alarm.set)
    await alarm.wait(100.0)
    assert loop.time() == 1.0
    await asyncio.sleep(200)
    # The timer of before would have been remembered.
    await alarm.wait(300.0)
    assert loop.time() == 300.0


@virtual_time
async def test_a_call_while_nobody_waits_is_kept_once() -> None:
    loop = asyncio.get_running_loop()
    alarm = Alarm(loop)
    alarm.set()
    alarm.set()
    await alarm.wait(None)
    await alarm.wait(3.0)
    assert loop.time() == 3.0


@virtual_time
async def test_two_calls_while_it_sleeps_are_one() -> None:
    loop = asyncio.get_running_loop()
    alarm = Alarm(loop)
    loop.call_later(1, alarm.set)
    loop.call_later(1, alarm.set)
    await alarm.wait(None)
    await alarm.wait(3.0)
    assert loop.time() == 3.0


@virtual_time
async def test_a_call_between_the_wake_up_and_the_sleepers_turn_is_covered_by_it() -> None:
    loop = asyncio.get_running_loop()
    alarm = Alarm(loop)
    seen: list[str] = []
    work: list[str] = []

    async def sleeper() -> None:
        while len(seen) < 2:
            await alarm.wait(None)
            seen.extend(work)
            work.clear()

    task = asyncio.create_task(sleeper())
    await asyncio.sleep(0)
    work.append("first")
    alarm.set()
    work.append("second")
    alarm.set()
    await task
    assert seen == ["first", "second"]


@virtual_time
async def test_a_cancelled_sleep_leaves_it_usable() -> None:
    loop = asyncio.get_running_loop()
    alarm = Alarm(loop)
    task = asyncio.create_task(alarm.wait(50.0))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    alarm.set()
    await alarm.wait(None)
    await alarm.wait(60.0)
    assert loop.time() == 60.0


@virtual_time
async def test_a_call_is_not_lost_with_the_sleeper_that_was_cancelled_in_the_same_turn() -> None:
    alarm = Alarm(asyncio.get_running_loop())
    task = asyncio.create_task(alarm.wait(None))
    await asyncio.sleep(0)
    alarm.set()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await alarm.wait(None)
