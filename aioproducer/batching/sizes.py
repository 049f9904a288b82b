"""How full the batches of each topic may be made: how well its records compress, and what its brokers found too large.

Java's rule (CompressionRatioEstimator): a worse ratio than estimated is believed fast, a better one slowly. Beyond
Java's: a topic that takes less than `batch_size` is given no such batch again, for each would be refused.
"""

from __future__ import annotations

_WORSE_STEP = 0.05
_BETTER_STEP = 0.005
_SAFETY = 1.05


class BatchSizes:
    """By topic: compressed over uncompressed size, 1.0 until something is known; and the most bytes, where one batch
    was too large."""

    __slots__ = ("_limits", "_ratios")

    def __init__(self) -> None:
        self._ratios: dict[str, float] = {}
        self._limits: dict[str, int] = {}

    def estimate(self, topic: str) -> float:
        return self._ratios.get(topic, 1.0)

    def observe(self, topic: str, ratio: float) -> None:
        """Learn from a batch that was compressed."""
        estimate = self.estimate(topic)
        self._ratios[topic] = (
            max(estimate + _WORSE_STEP, ratio) if ratio > estimate else max(estimate - _BETTER_STEP, ratio)
        )

    def too_large(self, topic: str, size: int) -> None:
        """Learn from a batch of several records that a broker refused for its size on the wire. It goes on in halves,
        so half of it is the limit from now on; and the ratio that made it so full is not believed any more.
        """
        self._limits[topic] = min(size // 2, self._limits.get(topic, size))
        self._ratios[topic] = max(1.0, self.estimate(topic))

    def limit(self, topic: str, size: int) -> int:
        """How many bytes a batch may have on the wire: `size`, or less where that was too large."""
        return min(size, self._limits.get(topic, size))

    def fill(self, topic: str, compressed_size: int) -> int:
        """How many uncompressed bytes are expected to end at or below `compressed_size`."""
        return int(compressed_size / (self.estimate(topic) * _SAFETY))
