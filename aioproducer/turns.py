"""When those who wait for an answer go on: where its bytes have arrived, or with the next turn of the loop.

It is given calls, and makes all of them from one handle of the loop. Between `begin` and `end`, which are around the
bytes of answers, it makes them at the `end` instead, if nothing else is on its way: whoever awaits a record goes on in
the turn in which its answer was read, and what he sends then is written before the loop turns. While other answers are
to come, those who wait for them come along a turn later: with three brokers, in half as many requests. What the calls
are is not known here.
"""

from __future__ import annotations

import asyncio
from asyncio import current_task
from collections import deque
from collections.abc import Callable
from typing import TypeAlias, TypeVarTuple, Unpack

Ts = TypeVarTuple("Ts")

Soon: TypeAlias = Callable[..., object]
"""Has a function called with these arguments soon, and never from within this call: `loop.call_soon`, or a `Turn`'s."""


class Turn:
    """Calls are made in their order. What one raises, which only what ends the loop can be, comes out of the loop; the
    others are made if it goes on after that.
    """

    __slots__ = ("_calls", "_expected", "_held", "_loop", "_quiet")

    def __init__(self, loop: asyncio.AbstractEventLoop, quiet: Callable[[], bool]) -> None:
        """`quiet` tells whether nothing is on its way."""
        self._loop = loop
        self._quiet = quiet
        self._calls: deque[tuple[Callable[..., object], tuple[object, ...]]] = deque()
        self._expected = False  # whether a handle of the loop, or an `end`, is to come
        self._held = False

    def soon(self, callback: Callable[[Unpack[Ts]], object], *arguments: *Ts) -> None:
        """Make this call at the end of what goes on, or in the next turn of the loop."""
        self._calls.append((callback, arguments))
        if not self._expected:
            self._expected = True
            self._loop.call_soon(self._run)

    def begin(self) -> None:
        """Bytes have arrived: what comes of them is held until `end`, unless calls are on their way already."""
        if not self._expected:
            self._expected = self._held = True

    def end(self) -> None:
        """Make the calls if it is quiet, and those that come of them: what is sent by those who went on.

        The others have the next turn; and all within a task, where no other can go on.
        """
        if not self._held:
            return
        self._held = False
        try:
            if self._calls and self._quiet() and current_task(self._loop) is None and not self._nested():
                self._make()
                self._make()
        except BaseException as error:
            # Not from here: uvloop takes it for an error of its transport.
            self._loop.call_soon(_raise, error)
        finally:
            self._go_on()

    def release(self) -> None:
        """Instead of `end`, where what goes on is torn down: the calls have the loop's next turn, if it has one."""
        if self._held:
            self._held = False
            self._go_on()

    def _nested(self) -> bool:
        """Whether a task may run the loop from within it, as nest_asyncio lets it: not from where bytes arrive."""
        return getattr(self._loop, "_nest_patched", False)

    def _run(self) -> None:
        self._expected = False
        try:
            self._make()
        finally:
            if not self._expected:
                self._go_on()

    def _make(self) -> None:
        calls = self._calls
        for _ in range(len(calls)):
            callback, arguments = calls.popleft()
            callback(*arguments)

    def _go_on(self) -> None:
        self._expected = bool(self._calls)
        if self._expected:
            self._loop.call_soon(self._run)


def _raise(error: BaseException) -> None:
    raise error
