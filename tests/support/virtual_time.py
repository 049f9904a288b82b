"""Runs an async test in virtual time: when all tasks wait, the clock jumps to the next timer instead of sleeping.

Only for what opens no real socket and starts no thread. A test that would wait for ever fails at once; so does one that
leaves a task behind, or makes the loop report an error. `SimulatedTimeLoop` is for thousands of runs that have to be
the same each time.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_TIME_OF_A_TURN = 1e-7
_LOOKS_WITHOUT_TURN = 100_000
_TURNS_WITHOUT_TIME = 50_000
"""So many turns of the loop in one moment, and something turns in circles."""


class _JumpingSelector(selectors.DefaultSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if events:
            return events
        if timeout is None:
            raise RuntimeError("all tasks wait, and no timer is set: this test would wait for ever")
        self.now += max(timeout, 0.0)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop whose clock begins at 0 and moves only by jumps."""

    def __init__(self) -> None:
        self.clock = _JumpingSelector()
        super().__init__(self.clock)

    def time(self) -> float:
        return self.clock.now


class _NumberedFuture(asyncio.Future[T]):
    """Its hash is its number, so that sets of futures have the same order in each run."""

    def __init__(self, loop: SimulatedTimeLoop) -> None:
        super().__init__(loop=loop)
        self._number = next(loop.numbers)

    def __hash__(self) -> int:
        return self._number


class _NumberedTask(asyncio.Task[T]):
    """As `_NumberedFuture`."""

    def __init__(self, coro: Coroutine[Any, Any, T], loop: SimulatedTimeLoop, **kwargs: Any) -> None:
        # First, for the base class puts the task into sets.
        self._number = next(loop.numbers)
        super().__init__(coro, loop=loop, **kwargs)

    def __hash__(self) -> int:
        return self._number


class _NoSelector:
    """No files: it only moves the clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self._turns = 0
        self._looks = 0

    def look(self) -> float:
        """The time. Who looks at it for ever without letting the loop turn is stopped."""
        self._looks += 1
        if self._looks > _LOOKS_WITHOUT_TURN:
            self._looks = 0
            raise RuntimeError(f"a task keeps the loop for itself at {self.now:.3f} s")
        return self.now

    def select(self, timeout: float | None = None) -> list[object]:
        if timeout is None:
            raise RuntimeError("all tasks wait, and no timer is set: they would wait for ever")
        self._looks = 0
        # A little also for a turn that waits for nothing: who looks at the clock again and again sees it move.
        self.now += max(timeout, 0.0) + _TIME_OF_A_TURN
        if timeout > 0:
            self._turns = 0
        else:
            self._turns += 1
            if self._turns > _TURNS_WITHOUT_TIME:
                self._turns = 0
                raise RuntimeError(f"the loop turns in circles at {self.now:.3f} s")
        return []


class SimulatedTimeLoop(asyncio.BaseEventLoop):
    """A loop in virtual time without files and threads: quick to make, and the order of all that happens depends on
    nothing but the program, neither on addresses of objects nor on the machine.
    """

    def __init__(self) -> None:
        super().__init__()
        self.set_debug(False)
        self.numbers = count()
        # The three names that the base class leaves to those who wait for files.
        self._selector = _NoSelector()
        self._clock_resolution = 1e-9
        self.set_task_factory(lambda _loop, coro, **kwargs: _NumberedTask(coro, self, **kwargs))

    def _process_events(self, events: list[object]) -> None:
        pass

    def _write_to_self(self) -> None:
        raise RuntimeError("a thread calls: a simulation has none")

    def time(self) -> float:
        return self._selector.look()

    def create_future(self) -> asyncio.Future[Any]:
        return _NumberedFuture(self)

    @property
    def left(self) -> set[asyncio.Task[Any]]:
        """The tasks that have not ended."""
        return asyncio.all_tasks(self)

    @property
    def timers(self) -> list[asyncio.TimerHandle]:
        """Those that are set and not cancelled."""
        scheduled: list[asyncio.TimerHandle] = vars(self)["_scheduled"]
        return [timer for timer in scheduled if not timer.cancelled()]


def virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Decorates an async test."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        reports: list[dict[str, Any]] = []

        async def main() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
            await test(*args, **kwargs)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, f"left behind: {left}"

        with asyncio.Runner(loop_factory=VirtualTimeLoop, debug=True) as runner:
            runner.run(main())
        assert not reports, f"the loop reports: {reports}"

    return run


class Background:
    """Tasks of a test; `end` cancels those that go on and raises what any of them died of."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[None]] = []

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.append(task)
        return task

    @property
    def alive(self) -> int:
        return sum(not task.done() for task in self.tasks)

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self.tasks, return_exceptions=True):
            if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError):
                raise outcome
