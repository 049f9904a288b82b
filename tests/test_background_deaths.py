"""Tasks of a background that die: what is a death, who is told of what first, and that all others end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aioproducer.background import Background, CancelledFromOutsideError
from tests.support.background import Watched, Work, is_over, running
from tests.support.deliveries import turns
from tests.support.virtual_time import VirtualTimeLoop, virtual_time


@pytest.mark.parametrize("kept", [False, True])
@virtual_time
async def test_a_bug_ends_all(kept: bool) -> None:
    work, bug = Work(), ZeroDivisionError("a bug")
    async with running() as background:
        other = background.keep(work.last("other", farewell=2), "other")
        if kept:
            background.keep(work.fail(bug, after=1), "faulty")
        else:
            background.spawn(work.fail(bug, after=1))
        await asyncio.sleep(1)
        await turns()
        assert background.deaths == [bug]
        assert not other.done()
        await is_over(background)  # also while others still take their time to end
        await asyncio.wait((other,))
        await turns()
        await is_over(background)
    assert background.deaths == [bug]
    assert asyncio.get_running_loop().time() == 3


@virtual_time
async def test_of_two_bugs_at_once_the_first_is_told_once() -> None:
    work = Work()
    bugs = [ZeroDivisionError("first"), LookupError("second"), OSError("third")]
    async with running() as background:
        background.spawn(work.fail(bugs[0]))
        background.keep(work.fail(bugs[1]), "second")
        background.spawn(work.fail(bugs[2], after=1))
        await asyncio.sleep(2)
    assert background.deaths == bugs[:1]


@virtual_time
async def test_a_bug_on_the_way_out_is_not_the_cause() -> None:
    bug = ZeroDivisionError("a bug")

    async def slip() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            raise LookupError("because of the other one")

    async with running() as background:
        background.keep(slip(), "slips")
        background.spawn(Work().fail(bug))
        await turns(10)
    assert background.deaths == [bug]


@virtual_time
async def test_a_kept_task_that_is_cancelled_from_outside() -> None:
    work = Work()
    async with running() as background:
        background.keep(work.last("other"), "other")
        kept = background.keep(work.last("kept"), "kept one")
        await turns()
        kept.cancel()
        await turns(10)
        (death,) = background.deaths
        assert isinstance(death, CancelledFromOutsideError)
        assert str(death) == "its task 'kept one' was cancelled from outside"
        assert work.events[2:] == ["kept ended", "other ended"]
        await is_over(background)


@virtual_time
async def test_a_kept_task_that_is_cancelled_before_it_begins() -> None:
    work = Work()
    async with running() as background:
        background.keep(work.last(), "unborn").cancel()
        await turns(10)
        assert [str(death) for death in background.deaths] == ["its task 'unborn' was cancelled from outside"]
    assert work.events == []


@virtual_time
async def test_a_kept_task_that_returns() -> None:
    async with running() as background:
        background.keep(Work().end(), "short")
        await turns(10)
        (death,) = background.deaths
        assert isinstance(death, RuntimeError)
        assert str(death) == "its task 'short' returned"
        await is_over(background)


@virtual_time
async def test_everything_is_cancelled_from_outside() -> None:
    work = Work()
    async with running() as background:
        background.keep(work.last(), "kept")
        await turns()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await turns(10)
        assert len(background.deaths) == 1
        assert isinstance(background.deaths[0], CancelledFromOutsideError)
        assert work.events == ["work began", "work ended"]


@virtual_time
async def test_only_its_own_task_is_cancelled_from_outside() -> None:
    async with running() as background:
        background.keep(Work().last(), "kept")
        await turns()
        (own,) = (task for task in asyncio.all_tasks() if task.get_name() == "aioproducer me")
        own.cancel()
        await turns(10)
        assert [str(death) for death in background.deaths] == ["its task 'background' was cancelled from outside"]


@virtual_time
async def test_a_death_is_told_before_anybody_else_ends() -> None:
    """So that whoever is told can settle what the others would."""
    work = Work()
    background = Watched(lambda cause: work.events.append(repr(cause)))
    await background.start()
    background.keep(work.last(), "kept")
    background.spawn(work.fail(ZeroDivisionError()))
    await turns(10)
    await background.stop()
    assert work.events == ["work began", "ZeroDivisionError()", "work ended"]


@virtual_time
async def test_who_is_told_may_fail_and_all_end_nevertheless() -> None:
    reports: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))

    def on_death(cause: BaseException) -> None:
        raise LookupError("another bug")

    work = Work()
    background = Watched(on_death)
    await background.start()
    background.keep(work.last("other"), "other")
    kept = background.keep(work.last("kept"), "kept")
    await turns()
    kept.cancel()
    await turns(10)
    assert work.events[2:] == ["kept ended", "other ended"]
    assert [type(report["exception"]) for report in reports] == [LookupError]
    await background.stop()


@virtual_time
async def test_a_bug_after_stopping_is_no_death_and_not_lost() -> None:
    reports: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
    bug = ZeroDivisionError("a bug")
    async with running() as background:
        background.spawn(Work().fail(bug, after=1))
        background.stopping()
        await asyncio.sleep(2)
    assert background.deaths == []
    (report,) = reports
    assert report["exception"] is bug
    assert report["message"] == "a task of me died while the producer was closed"


class _Own(BaseException):
    """As some libraries have them, for what no `except Exception` should catch."""


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_leaves_the_loop_once_and_is_a_death(interrupt: type[BaseException]) -> None:
    loop = VirtualTimeLoop()
    work = Work()
    deaths: list[BaseException] = []

    async def begin() -> Background:
        background = Background(loop, "me", on_death=deaths.append)
        await background.start()
        background.keep(work.last(), "kept")
        background.spawn(work.fail(interrupt(), after=1))
        return background

    try:
        background = loop.run_until_complete(begin())
        with pytest.raises(interrupt):
            loop.run_until_complete(asyncio.sleep(10))
        loop.run_until_complete(asyncio.sleep(1))
        assert [type(death) for death in deaths] == [interrupt]
        assert work.events == ["work began", "work ended"]
        loop.run_until_complete(background.stop())
        loop.run_until_complete(asyncio.sleep(10))
        assert not asyncio.all_tasks(loop)
    finally:
        loop.close()


@virtual_time
async def test_other_base_exceptions_are_deaths() -> None:
    async with running() as background:
        background.spawn(Work().fail(_Own()))
        await turns(10)
        assert [type(death) for death in background.deaths] == [_Own]


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="this Python has no eager tasks")
@virtual_time
async def test_tasks_that_are_over_before_they_are_started() -> None:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]  # since 3.12
    bug = ZeroDivisionError("a bug")

    async def fail() -> None:
        raise bug

    async with running() as background:
        background.spawn(Work().end())
        background.spawn(fail())
        assert background.deaths == [bug]
        await is_over(background)
        await turns(10)
    assert background.deaths == [bug]
