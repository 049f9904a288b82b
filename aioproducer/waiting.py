"""Places where one waits for what becomes of records: tasks that await, callbacks, and counting many down at once.

There is no loop future per record, and none per batch: awaiting costs an entry in the place, and all who await there
are woken by one call from the loop. What is waited for is not known here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterator
from contextvars import Context
from typing import Any, TypeAlias

from aioproducer.turns import Soon

Entry: TypeAlias = tuple[Callable[[Any], object], Any, Context | None]
"""A callback: what is called, with what, in which context."""


class Place:
    """Where a record is, and who waits for what becomes of it there. on_wanted: called with the place when somebody is
    going to wait, if there is a need to know.
    """

    __slots__ = ("_entries", "_soon", "_waits", "done", "loop", "on_wanted")

    def __init__(self, loop: asyncio.AbstractEventLoop, soon: Soon | None = None) -> None:
        """soon: has those who await go on; the loop's `call_soon` if not given."""
        self.loop = loop
        self._soon = soon
        self.done = False
        self.on_wanted: Callable[[Place], object] | None = None
        # By argument: thousands may wait for one batch, and be cancelled one by one.
        self._entries: dict[object, list[Entry]] | None = None
        self._waits: dict[Wait, None] | None = None

    @property
    def soon(self) -> Soon:
        """What has those who await go on."""
        return self._soon or self.loop.call_soon

    # Callbacks

    def subscribe(self, entry: Entry) -> None:
        entries = self._entries
        if entries is None:
            entries = self._entries = {}
        argument = entry[1]
        if argument in entries:
            entries[argument].append(entry)
        else:
            entries[argument] = [entry]
        if self.on_wanted is not None:
            self.on_wanted(self)

    def unsubscribe(self, callback: Callable[[Any], object], argument: object) -> int:
        """Take the callback off wherever it stands with this argument; returns how often it did."""
        entries = self.take_entries_of(argument)
        kept = [entry for entry in entries if entry[0] != callback]
        if kept:
            assert self._entries is not None
            self._entries[argument] = kept
        return len(entries) - len(kept)

    def take_entries(self) -> list[Entry]:
        """All callbacks, which are called by somebody else then."""
        entries, self._entries = self._entries or {}, None
        return [entry for group in entries.values() for entry in group]

    def take_entries_of(self, argument: object) -> list[Entry]:
        """The same of those with this argument alone."""
        return self._entries.pop(argument, []) if self._entries else []

    def call_soon(self, entries: list[Entry]) -> None:
        call_soon = self.loop.call_soon
        for callback, argument, context in entries:
            call_soon(callback, argument, context=context)

    # Tasks

    def __await__(self) -> Generator[Wait, None, None]:
        """Wait until it is told."""
        yield Wait(self)

    def enter(self, wait: Wait) -> None:
        """A task awaits."""
        if self._waits is None:
            self._waits = {}
        self._waits[wait] = None
        if self.on_wanted is not None:
            self.on_wanted(self)

    def leave(self, wait: Wait) -> bool:
        """It does not any more; False if it is being woken already."""
        if self._waits is None or wait not in self._waits:
            return False
        del self._waits[wait]
        return True

    def hand_over(self, other: Place) -> None:
        """Everybody who waits here waits there from now on."""
        for entry in self.take_entries():
            other.subscribe(entry)
        waits, self._waits = self._waits or {}, None
        for wait in waits:
            wait.place = other
            other.enter(wait)

    def tell(self) -> None:
        """It is over: have everybody called who waits."""
        if self._entries:
            entries = self.take_entries()
            if self._soon is None:
                self.call_soon(entries)
            else:
                # Not before what it is to call already: the `on_delivery` of the same record.
                self._soon(self.call_soon, entries)
        if self._waits:
            waits, self._waits = self._waits, None
            self.soon(_wake, self.loop, iter(waits))


class Wait:
    """One task that awaits: what asyncio's Task expects of a future that was yielded to it, and no more."""

    __slots__ = ("_asyncio_future_blocking", "_cancelled", "callback", "context", "place")

    def __init__(self, place: Place) -> None:
        self._asyncio_future_blocking = True
        self.place = place
        self._cancelled: asyncio.CancelledError | None = None

    def __repr__(self) -> str:
        return f"<waiting for {self.place!r}>"

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self.place.loop

    def add_done_callback(self, callback: Callable[[Any], object], *, context: Context) -> None:
        self.callback = callback
        self.context = context
        self.place.enter(self)

    def cancel(self, msg: object = None) -> bool:
        if not self.place.leave(self):
            return False  # the wake-up is on its way, and the task remembers that it was cancelled
        self._cancelled = asyncio.CancelledError() if msg is None else asyncio.CancelledError(msg)
        self.place.loop.call_soon(self.callback, self, context=self.context)
        return True

    def result(self) -> None:
        error, self._cancelled = self._cancelled, None
        if error is not None:
            try:
                raise error
            finally:
                # The task keeps the error, whose traceback has this frame: a circle, which would keep the stack of who
                # waited until the next collection.
                del error, self.callback


def _wake(loop: asyncio.AbstractEventLoop, waits: Iterator[Wait]) -> None:
    """Let all of them go on, in their order: a handle of the loop for all instead of one for each, 0.7 us.

    A step of a task raises what ends the loop, if anything; the others have theirs if the loop goes on after that.
    """
    try:
        for wait in waits:
            wait.context.run(wait.callback, wait)
    except BaseException:
        loop.call_soon(_wake, loop, waits)
        raise


class Countdown:
    """Waits for many places at once, without a future for each."""

    __slots__ = ("_future", "_places", "left")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.left = 0
        self._future = loop.create_future()
        self._places: list[Place] = []

    def wait_for(self, place: Place) -> None:
        self.left += 1
        self._places.append(place)
        place.subscribe((self._one, self, None))

    async def finished(self) -> None:
        """Return when all of them are done. One that is cancelled leaves nothing behind where it waited."""
        try:
            if self.left:
                await self._future
        finally:
            for place in self._places:
                place.unsubscribe(self._one, self)
            self._places.clear()

    def _one(self, _countdown: object) -> None:
        self.left -= 1
        if not self.left and not self._future.done():
            self._future.set_result(None)
