"""What a background task sleeps on: until somebody calls, or until a time. It decides nothing.

One future at a time and one timer, where `asyncio.wait_for` around an `Event` would cost a task or several callbacks
per sleep.
"""

from __future__ import annotations

import asyncio


class Alarm:
    """One task waits, anybody on its loop sets. A call while nobody waits is remembered for the next wait."""

    __slots__ = ("_future", "_loop", "_set")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._set = False
        self._future: asyncio.Future[None] | None = None

    def set(self) -> None:
        """Wake the sleeper."""
        self._set = True
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    async def wait(self, until: float | None) -> None:
        """Sleep until `set`, or until the loop's time is `until`; None for no time."""
        if not self._set and (until is None or until > self._loop.time()):
            future = self._future = self._loop.create_future()
            timer = None if until is None else self._loop.call_at(until, self.set)
            try:
                await future
            finally:
                self._future = None
                if timer is not None:
                    timer.cancel()
        self._set = False
