"""The turn: calls come in order, at the end of what goes on or in the next turn, and never from within."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from aioproducer.turns import Turn
from tests.support.batching import CollectingLoop
from tests.support.deliveries import turns
from tests.support.virtual_time import VirtualTimeLoop, virtual_time


def quiet() -> bool:
    return True


def test_all_calls_are_made_in_their_order_by_one_handle_of_the_loop() -> None:
    loop, made = CollectingLoop(), list[int]()
    turn = Turn(loop, quiet)
    for number in range(3):
        turn.soon(made.append, number)
    assert made == []
    assert len(loop.calls) == 1
    loop.turn()
    assert made == [0, 1, 2]
    assert loop.calls == []


def test_what_comes_of_a_call_of_the_loop_has_the_next_turn() -> None:
    loop, made = CollectingLoop(), list[str]()
    turn = Turn(loop, quiet)

    def first() -> None:
        made.append("first")
        turn.soon(made.append, "second")

    turn.soon(first)
    loop.turn()
    assert made == ["first"]
    assert len(loop.calls) == 1
    loop.turn()
    assert made == ["first", "second"]


def in_a_callback(work: Callable[[asyncio.AbstractEventLoop], None]) -> None:
    """Where bytes arrive: on the loop, and not within a task."""
    loop = VirtualTimeLoop()
    try:
        loop.call_soon(work, loop)
        loop.run_until_complete(turns(10))
    finally:
        loop.close()


def test_held_calls_are_made_at_the_end_and_those_that_come_of_them_as_well() -> None:
    made: list[str] = []

    def chain(turn: Turn, *names: str) -> None:
        made.append(names[0])
        if names[1:]:
            turn.soon(chain, turn, *names[1:])

    def work(loop: asyncio.AbstractEventLoop) -> None:
        turn = Turn(loop, quiet)
        turn.begin()
        turn.soon(chain, turn, "woken", "written", "later")
        turn.soon(made.append, "woken too")
        assert made == []
        turn.end()
        # No further: what goes on by itself leaves the loop its turns.
        assert made == ["woken", "woken too", "written"]
        turn.begin()
        turn.soon(made.append, "last")
        turn.end()
        assert made == ["woken", "woken too", "written"], "those before have a handle already"

    in_a_callback(work)
    assert made == ["woken", "woken too", "written", "later", "last"]


def test_while_something_else_is_on_its_way_they_have_the_next_turn() -> None:
    loop, made = CollectingLoop(), list[int]()
    turn = Turn(loop, lambda: False)
    turn.begin()
    turn.soon(made.append, 1)
    turn.end()
    assert made == []
    loop.turn()
    assert made == [1]
    assert loop.calls == []


def test_an_end_without_calls_leaves_nothing() -> None:
    loop = CollectingLoop()
    turn = Turn(loop, quiet)
    turn.begin()
    turn.end()
    assert loop.calls == []


@virtual_time
async def test_within_a_task_they_have_the_next_turn() -> None:
    turn, made = Turn(asyncio.get_running_loop(), quiet), list[int]()
    turn.begin()
    turn.soon(made.append, 1)
    turn.end()
    assert made == []
    await turns(1)
    assert made == [1]


def test_what_ends_the_loop_comes_out_of_the_loop_and_the_others_have_their_turn() -> None:
    loop, made = VirtualTimeLoop(), list[int]()
    turn = Turn(loop, quiet)

    def interrupted() -> None:
        raise KeyboardInterrupt

    def work() -> None:
        turn.begin()
        turn.soon(interrupted)
        turn.soon(made.append, 1)
        turn.end()

    async def main() -> None:
        loop.call_soon(work)
        await turns()

    try:
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(main())
        loop.run_until_complete(turns())
        assert made == [1]
    finally:
        loop.close()


def test_what_was_held_when_it_was_torn_down_has_the_next_turn() -> None:
    loop, made = CollectingLoop(), list[int]()
    turn = Turn(loop, quiet)
    turn.begin()
    turn.soon(made.append, 1)
    turn.release()
    assert made == []
    loop.turn()
    assert made == [1]
    turn.soon(made.append, 2)
    loop.turn()
    assert made == [1, 2]


def test_a_loop_that_may_be_run_from_within_makes_calls_in_turns_of_its_own() -> None:
    loop, made = CollectingLoop(), list[int]()
    loop._nest_patched = True  # type: ignore[attr-defined]  # noqa: SLF001  # what nest_asyncio marks a loop with
    turn = Turn(loop, quiet)

    def within() -> None:
        turn.soon(made.append, 2)
        loop.turn()  # a task that runs the loop
        made.append(3)

    turn.begin()
    turn.soon(within)
    turn.end()
    assert made == []
    loop.turn()
    assert made == [2, 3]
