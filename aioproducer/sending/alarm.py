"""What a background task sleeps on: until somebody calls, or until a time. It decides nothing.

One entry in a place and one timer, where `asyncio.wait_for` around an `Event` would cost a task or several callbacks
per sleep.
"""

from __future__ import annotations

import asyncio

from aioproducer.turns import Soon
from aioproducer.waiting import Place


class Alarm:
    """One task waits, anybody on its loop sets. A call while nobody waits is remembered for the next wait."""

    __slots__ = ("_loop", "_place", "_set")

    def __init__(self, loop: asyncio.AbstractEventLoop, soon: Soon | None = None) -> None:
        """soon: has the sleeper go on; the loop's `call_soon` if not given."""
        self._loop = loop
        self._place = Place(loop, soon)
        self._set = False

    def set(self) -> None:
        """Wake the sleeper."""
        self._set = True
        self._place.tell()

    async def wait(self, until: float | None) -> None:
        """Sleep until `set`, or until the loop's time is `until`; None for no time."""
        if not self._set and (until is None or until > self._loop.time()):
            timer = None if until is None else self._loop.call_at(until, self.set)
            try:
                await self._place
            finally:
                if timer is not None:
                    timer.cancel()
        self._set = False
