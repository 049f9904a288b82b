"""How well the records of each topic compress, as far as is known: how full a batch may be made before it is
compressed.

Java's rule (CompressionRatioEstimator): a worse ratio than estimated is believed fast, a better one slowly.
"""

from __future__ import annotations

_WORSE_STEP = 0.05
_BETTER_STEP = 0.005
_SAFETY = 1.05


class CompressionRatios:
    """Compressed over uncompressed size, by topic; 1.0 until something is known."""

    __slots__ = ("_ratios",)

    def __init__(self) -> None:
        self._ratios: dict[str, float] = {}

    def estimate(self, topic: str) -> float:
        return self._ratios.get(topic, 1.0)

    def observe(self, topic: str, ratio: float) -> None:
        """Learn from a batch that was compressed."""
        estimate = self.estimate(topic)
        self._ratios[topic] = (
            max(estimate + _WORSE_STEP, ratio) if ratio > estimate else max(estimate - _BETTER_STEP, ratio)
        )

    def fill(self, topic: str, compressed_size: int) -> int:
        """How many uncompressed bytes are expected to end at or below `compressed_size`."""
        return int(compressed_size / (self.estimate(topic) * _SAFETY))
