"""The background: started, stopped, waited with; what it still starts, and that nothing is left of it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from aioproducer.background import CancelledFromOutsideError
from aioproducer.errors import ProducerClosedError
from tests.support.background import Watched, Work, is_over, running
from tests.support.deliveries import turns
from tests.support.virtual_time import virtual_time

# -- started and stopped


@virtual_time
async def test_stop_ends_all_tasks_and_is_no_death() -> None:
    work = Work()
    async with running() as background:
        assert repr(background) == "<Background of me, running>"
        background.spawn(work.last("a"))
        kept = background.keep(work.last("b", farewell=3), "b")
        assert kept.get_name() == "aioproducer b"
        await turns()
        await background.stop()
        assert work.events == ["a began", "b began", "a ended", "b ended"]
        assert asyncio.get_running_loop().time() == 3
        await is_over(background)
    assert background.deaths == []


@virtual_time
async def test_spawned_tasks_may_end_and_be_cancelled() -> None:
    work = Work()
    async with running() as background:
        await background.spawn(work.end())
        task = background.spawn(work.last())
        await turns()
        task.cancel()
        unborn = background.spawn(work.last("unborn"))
        unborn.cancel()
        await asyncio.wait((task, unborn))
        await background.spawn(work.end())
    assert work.events == ["done", "work began", "work ended", "done"]
    assert background.deaths == []


@virtual_time
async def test_stopped_before_start_and_never_started() -> None:
    background = Watched()
    await background.stop()
    await is_over(background)


@virtual_time
async def test_nothing_is_started_before_start() -> None:
    background = Watched()
    await is_over(background)
    await background.start()
    await background.spawn(Work().end())
    await background.stop()


@virtual_time
async def test_stopped_twice_and_at_once() -> None:
    work = Work()
    background = Watched()
    await background.start()
    background.keep(work.last(farewell=1), "work")
    await turns()
    await asyncio.gather(background.stop(), background.stop(), background.stop())
    assert work.events == ["work began", "work ended"]
    await background.stop()
    assert asyncio.get_running_loop().time() == 1


@virtual_time
async def test_a_stop_that_is_cancelled_leaves_nothing_behind() -> None:
    work = Work()
    background = Watched()
    await background.start()
    background.keep(work.last(farewell=1), "work")
    await turns()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await background.stop()
    await background.stop()
    assert work.events == ["work began", "work ended"]


@virtual_time
async def test_stopping_cancels_what_is_kept_and_lets_the_others_go_on() -> None:
    work = Work()
    async with running() as background:
        background.spawn(work.last("other"))
        kept = background.keep(work.last("kept"), "kept")
        await turns()
        background.stopping()
        await asyncio.wait((kept,))
        assert work.events == ["other began", "kept began", "kept ended"]
        await is_over(background)
    assert background.deaths == []
    assert work.events[-1] == "other ended"


@virtual_time
async def test_a_start_whose_task_is_cancelled_before_it_begins() -> None:
    background = Watched()
    starting = asyncio.create_task(background.start())
    await asyncio.sleep(0)
    for task in asyncio.all_tasks():
        if task.get_name() == "aioproducer me":
            task.cancel()
    with pytest.raises(CancelledFromOutsideError, match="'background'"):
        await starting
    assert len(background.deaths) == 1
    await background.stop()


@virtual_time
async def test_stopped_while_it_starts() -> None:
    background = Watched()
    starting = asyncio.create_task(background.start())
    await asyncio.sleep(0)
    await background.stop()
    with pytest.raises(ProducerClosedError):
        await starting
    assert background.deaths == []


@virtual_time
async def test_a_start_that_is_cancelled() -> None:
    background = Watched()
    starting = asyncio.create_task(background.start())
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await background.stop()
    assert background.deaths == []


# -- until_done


@virtual_time
async def test_until_done_gives_the_result() -> None:
    async with running() as background:
        assert await background.until_done(Work().answer(after=1), "asks") == 7
        with pytest.raises(LookupError, match="not there"):
            await background.until_done(Work().fail(LookupError("not there")), "asks")
    assert background.deaths == []


def _ends_by_itself(work: Work) -> Coroutine[Any, Any, None]:
    return work.last("asked", farewell=1)


@pytest.mark.parametrize("times", [1, 2])
@virtual_time
async def test_until_done_is_cancelled(times: int) -> None:
    """The second time it does not wait; what it waited for ends all the same."""
    work = Work()
    async with running() as background:
        waiting = asyncio.create_task(background.until_done(_ends_by_itself(work), "asks"))
        await turns()
        for _ in range(times):
            waiting.cancel()
            await turns()
        assert waiting.done() == (times == 2)
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.sleep(2)
        assert work.events == ["asked began", "asked ended"]
    assert background.deaths == []


@virtual_time
async def test_until_done_is_cancelled_when_the_error_is_there_already() -> None:
    """Nobody hears of that error then, so the loop must not complain that nobody did."""
    async with running() as background:
        ready = asyncio.Event()

        async def ask() -> None:
            await ready.wait()
            raise LookupError("too late")

        waiting = asyncio.create_task(background.until_done(ask(), "asks"))
        await turns()
        ready.set()
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


@virtual_time
async def test_until_done_raises_the_cause_of_a_death() -> None:
    work, bug = Work(), ZeroDivisionError("a bug")
    async with running() as background:
        background.spawn(work.fail(bug, after=1))
        with pytest.raises(ZeroDivisionError) as caught:
            await background.until_done(_ends_by_itself(work), "asks")
        assert caught.value is bug
        assert work.events == ["asked began", "asked ended"]
        with pytest.raises(ZeroDivisionError):
            await background.until_done(work.answer(), "asks")


@virtual_time
async def test_until_done_is_stopped() -> None:
    work = Work()
    async with running() as background:
        waiting = asyncio.create_task(background.until_done(_ends_by_itself(work), "asks"))
        await turns()
        await background.stop()
        with pytest.raises(ProducerClosedError):
            await waiting
    assert background.deaths == []
    assert work.events == ["asked began", "asked ended"]


@virtual_time
async def test_what_until_done_waits_for_is_cancelled_from_outside() -> None:
    async with running() as background:
        waiting = asyncio.create_task(background.until_done(Work().answer(after=60), "asks"))
        await turns()
        (asked,) = (task for task in asyncio.all_tasks() if task.get_name() == "aioproducer asks")
        asked.cancel()
        with pytest.raises(CancelledFromOutsideError, match="'asks'"):
            await waiting
        assert len(background.deaths) == 1
