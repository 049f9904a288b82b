"""The states of a producer's life, and the error for a call that one of them does not allow: what to do instead.

Which call moves the producer on is `producer`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto

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
