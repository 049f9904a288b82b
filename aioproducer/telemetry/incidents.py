"""Which events are told of in the log: the first of an incident, and then one in a while with how many there were.

When a broker goes, a thousand batches fail within a millisecond, for the same reason; that is one incident, and one
line. It counts and decides; it writes nothing.
"""

from __future__ import annotations

from collections.abc import Hashable

_MANY = 256


class Incidents:
    """`interval`: seconds between two lines about the same thing."""

    __slots__ = ("_interval", "_told")

    def __init__(self, interval: float) -> None:
        self._interval = interval
        # By what it is about: when it was told of last, and how many were not told of since.
        self._told: dict[Hashable, tuple[float, int]] = {}

    def note(self, about: Hashable, now: float) -> int | None:
        """One more. None: it is not to be told of; else how many before it were not."""
        told_at, untold = self._told.get(about, (now - self._interval, 0))
        if now - told_at < self._interval:
            self._told[about] = told_at, untold + 1
            return None
        if len(self._told) >= _MANY:
            self._told = {key: each for key, each in self._told.items() if now - each[0] < self._interval}
        self._told[about] = now, 0
        return untold
