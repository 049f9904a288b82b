"""Where the events of a producer go: into its counters, into the log, and to the user's `on_event`.

The user's function is called from the loop, not from within a decision, so that whatever it does (send, close, raise)
meets a producer in order.
"""

from __future__ import annotations

import asyncio
import logging

from aioproducer.telemetry.counters import Counters
from aioproducer.telemetry.events import EventKind, OnEvent, ProducerEvent
from aioproducer.telemetry.incidents import Incidents

logger = logging.getLogger("aioproducer")

_LOG_INTERVAL = 10.0


class Observer:
    def __init__(
        self, counters: Counters, on_event: OnEvent | None, *, client_id: str, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._counters = counters
        self._on_event = on_event
        self._client_id = client_id
        self._loop = loop
        self._incidents = Incidents(_LOG_INTERVAL)

    def emit(self, event: ProducerEvent) -> None:
        """Something happened."""
        self._counters.events[event.kind] += 1
        if event.kind is EventKind.THROTTLE:
            self._counters.throttle_time += event.delay
        # Growth is rare, and each step of it moves keys: a line for each.
        grown = (event.topic, event.partitions) if event.kind is EventKind.GROWTH else None
        before = self._incidents.note((event.kind, event.broker, type(event.error), grown), self._loop.time())
        if before is not None:
            more = f" ({before} more of the kind before it)" if before else ""
            logger.info("%s: %s%s", self._client_id, event, more)
        if self._on_event is not None:
            self._loop.call_soon(self._call, self._on_event, event)

    def _call(self, on_event: OnEvent, event: ProducerEvent) -> None:
        try:
            on_event(event)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException:  # CancelledError too, which is what a cancelled future's result() raises
            logger.exception("on_event %r raised for %r; it is ignored", on_event, event)
