"""How long to wait before the next attempt: doubling, with a random part, up to a limit (KIP-144, KIP-580). Pure."""

from __future__ import annotations

_MOST_DOUBLINGS = 60  # beyond, the power would only make larger numbers of what the limit cuts off anyway


class ExponentialBackoff:
    """`base_ms`, twice that, four times … up to `max_ms`, each by up to `jitter` (a share) shorter or longer.

    With `max_ms` below `base_ms` it is always `max_ms`, as in Java's client.
    """

    __slots__ = ("_base", "_jitter", "_max")

    def __init__(self, base_ms: float, max_ms: float, jitter: float = 0.2) -> None:
        self._base = base_ms / 1000
        self._max = max_ms / 1000
        self._jitter = jitter

    @property
    def longest(self) -> float:
        """No delay is longer, in seconds."""
        return self._max

    def delay(self, attempt: int, random: float) -> float:
        """Seconds before the attempt after number `attempt`, counted from 0. `random` is from 0 to 1."""
        doubled: float = self._base * 2.0 ** min(attempt, _MOST_DOUBLINGS)
        if doubled > self._max:
            doubled = self._max
        return min(doubled * (1 + self._jitter * (2 * random - 1)), self._max)
