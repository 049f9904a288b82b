"""The states of a producer's life, where it may be called, and the error for a call that is not allowed: what to do
instead.

Which call moves the producer on is `producer`'s.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from enum import Enum, auto
from threading import get_ident
from weakref import WeakSet

from aioproducer.errors import MisuseError, ProducerClosedError, ProducerNotStartedError


class State(Enum):
    NEW = auto()
    STARTING = auto()
    RUNNING = auto()
    FAILED = auto()
    """Nothing can be sent any more, but `close()` is still to come."""
    CLOSING = auto()
    CLOSED = auto()


_NOT_STARTED = (
    "{call} on a producer that is not started: use it within `async with Producer(...) as producer:`, or await "
    "start() first"
)
_CLOSED = "{call} on a producer that is closed: make a new one"

_REFUSALS: Mapping[State, tuple[type[MisuseError], str]] = {
    State.NEW: (ProducerNotStartedError, _NOT_STARTED),
    State.STARTING: (ProducerNotStartedError, _NOT_STARTED),
    State.CLOSING: (ProducerClosedError, _CLOSED),
    State.CLOSED: (ProducerClosedError, _CLOSED),
}


def misuse(state: State, call: str) -> MisuseError:
    """The error for `call` (as "send()") in this state; where the state allows it, it came from the wrong place."""
    if call == "start()" and state in (State.STARTING, State.RUNNING, State.FAILED):
        return MisuseError("start() on a producer that is started already: start it once, and share it")
    if state in _REFUSALS:
        error_class, text = _REFUSALS[state]
        return error_class(text.format(call=call))
    return MisuseError(
        f"{call} from outside of the event loop that the producer was started on: call it there (from a thread: "
        "`loop.call_soon_threadsafe`, or `asyncio.run_coroutine_threadsafe`), or start a producer for this loop"
    )


class Open:
    """Whether a producer takes records, and from where: `loop` is the loop it was started on from `begin` to `end`, and
    None before and after; `thread` is the loop's.
    """

    __slots__ = ("__weakref__", "loop", "thread")

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.thread = 0

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.thread = get_ident()
        _open.add(self)

    def end(self) -> None:
        self.loop = None

    def here(self) -> asyncio.AbstractEventLoop | None:
        """The loop, if this is a call from its thread while it runs.

        `asyncio.get_running_loop` would find out the same, by a system call on Python 3.11: 100 ns.
        """
        loop = self.loop
        return loop if loop is not None and get_ident() == self.thread and loop.is_running() else None


_open: WeakSet[Open] = WeakSet()


def _forked() -> None:
    """In a child process the loop looks as if it ran, and nobody turns it."""
    for each in _open:
        each.end()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
