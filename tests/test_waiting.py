"""Waiting in a place: who is woken, in which order, and what one who is woken can do to the others."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

from aioproducer.waiting import Place
from tests.support.deliveries import turns
from tests.support.virtual_time import VirtualTimeLoop, virtual_time


class Here(Place):
    """A place that can be awaited, and counts how often it was told that somebody is going to."""

    __slots__ = ("wanted",)

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop())
        self.wanted = 0
        self.on_wanted = self._count

    def _count(self, _place: Place) -> None:
        self.wanted += 1

    def end(self) -> None:
        self.done = True
        self.tell()


@virtual_time
async def test_all_are_woken_in_their_order_by_one_handle_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Here()
    woken: list[int] = []

    async def one(number: int) -> None:
        await place
        woken.append(number)

    tasks = [asyncio.create_task(one(number)) for number in range(100)]
    await turns()
    assert place.wanted == 100
    loop = asyncio.get_running_loop()
    scheduled = 0
    call_soon = loop.call_soon

    def counting(*args: Any, **kwargs: Any) -> asyncio.Handle:
        nonlocal scheduled
        scheduled += 1
        return call_soon(*args, **kwargs)

    monkeypatch.setattr(loop, "call_soon", counting)
    place.end()
    assert scheduled == 1
    assert woken == [], "not from within"
    monkeypatch.undo()
    await asyncio.gather(*tasks)
    assert woken == list(range(100))


@virtual_time
async def test_one_that_is_woken_may_cancel_another_that_is_about_to_be() -> None:
    place = Here()

    async def canceller() -> None:
        await place
        victim.cancel()

    async def other() -> str:
        await place
        return "woken"

    first = asyncio.create_task(canceller())
    victim, last = asyncio.create_task(other()), asyncio.create_task(other())
    await turns()
    place.end()
    await first
    assert await last == "woken"
    with pytest.raises(asyncio.CancelledError):
        await victim


@virtual_time
async def test_who_is_cancelled_leaves_and_the_others_stay() -> None:
    place, next_place = Here(), Here()
    tasks = [asyncio.create_task(_wait(place)) for _ in range(3)]
    await turns()
    tasks[1].cancel("enough")
    with pytest.raises(asyncio.CancelledError, match="enough"):
        await tasks[1]
    place.hand_over(next_place)
    assert next_place.wanted == 2
    place.end()
    await turns()
    assert not tasks[0].done()
    next_place.end()
    await asyncio.gather(tasks[0], tasks[2])


@virtual_time
async def test_the_stack_of_who_is_cancelled_goes_without_the_collector() -> None:
    class Held:
        pass

    async def waiting(held: Held) -> None:
        await place

    place = Here()
    held = Held()
    kept = weakref.ref(held)
    task = asyncio.create_task(waiting(held))
    del held
    await turns()
    gc.disable()
    try:
        task.cancel()
        await asyncio.wait([task])
        del task
        await turns()
        assert kept() is None
    finally:
        gc.enable()


def test_what_ends_the_loop_in_one_task_leaves_the_others_their_turn() -> None:
    loop = VirtualTimeLoop()
    ended: list[str] = []

    async def main() -> None:
        place = Here()

        async def leaving() -> None:
            await place
            raise KeyboardInterrupt

        async def staying() -> None:
            await place
            ended.append("stayed")

        tasks.extend([asyncio.create_task(leaving()), asyncio.create_task(staying())])
        await turns()
        place.end()
        await turns()

    tasks: list[asyncio.Task[None]] = []
    try:
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(main())
        loop.run_until_complete(turns())
        assert ended == ["stayed"]
        assert isinstance(tasks[0].exception(), KeyboardInterrupt)
    finally:
        loop.close()


async def _wait(place: Here) -> None:
    await place
