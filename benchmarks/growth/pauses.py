"""How long the loop was away: the longest of its turns while the meter runs.

The meter is a callback that puts itself on the loop again, so that it is called once each turn and the loop never
sleeps: from one call to the next is what everything else in the loop had to wait. In seconds of the clock, which is
what a program notices, and of this thread's CPU, which knows nothing of other processes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class PauseMeter:
    """From `start()` to `stop()`; `wall` and `cpu` are the longest turns in seconds."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        wall_clock: Callable[[], float] = time.perf_counter,
        cpu_clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self.wall = 0.0
        self.cpu = 0.0
        self._loop = loop
        self._wall_clock = wall_clock
        self._cpu_clock = cpu_clock
        self._wall_at = 0.0
        self._cpu_at = 0.0
        self._running = False

    def start(self) -> None:
        """Forget what was, and watch from now on."""
        self.wall = self.cpu = 0.0
        self._wall_at, self._cpu_at = self._wall_clock(), self._cpu_clock()
        if not self._running:
            self._running = True
            self._loop.call_soon(self._tick)

    def stop(self) -> None:
        self._look()
        self._running = False

    def _tick(self) -> None:
        if self._running:
            self._look()
            self._loop.call_soon(self._tick)

    def _look(self) -> None:
        wall, cpu = self._wall_clock(), self._cpu_clock()
        self.wall = max(self.wall, wall - self._wall_at)
        self.cpu = max(self.cpu, cpu - self._cpu_at)
        self._wall_at, self._cpu_at = wall, cpu
