"""Loops that know what is pending on them, and a runner that fails a test which leaves anything behind: tasks, futures,
timers, open sockets, or an error that only the loop was told of.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVarTuple, Unpack
from weakref import WeakSet

from tests.support.leaks import Leaks
from tests.support.virtual_time import VirtualTimeLoop

Ts = TypeVarTuple("Ts")

_ROUNDING = 1e-6
_HUNG = 10_000.0
"""Seconds, as a rule virtual ones, after which a test has hung; a producer always has a timer to wait for."""


class CountingLoop(asyncio.SelectorEventLoop):
    """It counts the futures that it made, and the timers that were set on it."""

    def __init__(self) -> None:
        super().__init__()
        self.made: WeakSet[asyncio.Future[Any]] = WeakSet()
        self.timers: WeakSet[asyncio.TimerHandle] = WeakSet()

    def create_future(self) -> asyncio.Future[Any]:
        future = super().create_future()
        self.made.add(future)
        return future

    def call_at(
        self, when: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = super().call_at(when, callback, *args, context=context)
        # Those of a network in memory stand for the kernel's.
        if not type(getattr(callback, "__self__", None)).__module__.startswith("tests."):
            self.timers.add(timer)
        return timer

    def pending(self) -> list[str]:
        """Those of them that are not settled, run or cancelled."""
        now = self.time() + _ROUNDING
        futures = [f"future {future!r}" for future in self.made if not future.done()]
        return futures + [f"timer {t!r}" for t in self.timers if not t.cancelled() and t.when() > now]


class VirtualCountingLoop(CountingLoop, VirtualTimeLoop):
    """The same in virtual time."""


def run_counted(
    main: Callable[[], Coroutine[Any, Any, None]], loop_factory: type[CountingLoop] = VirtualCountingLoop
) -> None:
    """Runs a test on a loop of its own, and counts what it leaves behind."""
    reports: list[dict[str, Any]] = []

    async def counted() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CountingLoop)
        loop.set_exception_handler(lambda _, context: reports.append(context))
        leaks = Leaks.mark()
        before = set(loop.pending())
        async with asyncio.timeout(_HUNG):
            await main()
        found = await leaks.settled()
        if set(loop.pending()) - before:
            # A cycle is no leak.
            gc.collect()
        found += sorted(set(loop.pending()) - before)
        assert not found, "left behind:\n" + "\n".join(found)

    # Without asyncio's debug mode, for these tests are many small runs.
    with asyncio.Runner(loop_factory=loop_factory, debug=False) as runner:
        runner.run(counted())
    assert not reports, f"the loop reports: {reports}"
