"""Work in slices: the result, the turns it leaves, and what becomes of it when nobody waits any more."""

from __future__ import annotations

import asyncio

import pytest

from aioproducer.slices import SLICE, in_slices
from aioproducer.work import Work, at_once

pytestmark = pytest.mark.asyncio


def work(*portions: int, done: list[int] | None = None) -> Work[str]:
    for portion in portions:
        yield portion
        if done is not None:
            done.append(portion)
    return "done"


async def turns_of(*portions: int) -> int:
    turns = 0
    task = asyncio.get_running_loop().create_task(in_slices(work(*portions)))
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    assert task.result() == "done"
    return turns


async def test_little_work_takes_no_turn_and_much_takes_one_per_slice() -> None:
    assert await turns_of() == await turns_of(SLICE - 1) == 1
    assert await turns_of(SLICE) == 2
    assert await turns_of(*[1] * SLICE * 5) == 6
    assert at_once(work(*[SLICE] * 5)) == "done"


async def test_work_that_fails_or_is_given_up_is_ended() -> None:
    def failing() -> Work[str]:
        yield 1
        raise KeyError("bug")

    with pytest.raises(KeyError, match="bug"):
        await in_slices(failing())
    done: list[int] = []
    task = asyncio.get_running_loop().create_task(in_slices(work(*[SLICE] * 100, done=done)))
    for _ in range(3):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(done) == 2
