"""How full the batches of each topic may be made: by the options, by how well its records compress, and by what its
brokers found too large.

A batch is full, and goes, with `batch_size`; while it can not go it grows by as much again and again, up to
`batch_max_size` (KIP-782). So the further away a broker is, or the slower, the larger its batches are.

Of compression Java's rule (CompressionRatioEstimator): a worse ratio than estimated is believed fast, a better one
slowly. Beyond Java's: a topic whose brokers take less is given no such batch again, for each would be refused.
"""

from __future__ import annotations

from aioproducer.records.batch import HEADER_SIZE

_WORSE_STEP = 0.05
_BETTER_STEP = 0.005
_SAFETY = 1.05


class BatchSizes:
    """By topic: compressed over uncompressed size, 1.0 until something is known; and the most bytes, where one batch
    was too large."""

    __slots__ = ("_batch", "_compressing", "_limits", "_most", "_ratios", "_request")

    def __init__(
        self, *, batch_size: int, batch_max_size: int, max_request_size: int, compressing: bool = False
    ) -> None:
        # All of them without the header of a batch: what is left for its records.
        self._batch = max(1, batch_size - HEADER_SIZE)
        self._most = max(1, batch_max_size - HEADER_SIZE)
        self._request = max(1, max_request_size - HEADER_SIZE)
        self._compressing = compressing
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

    def step(self, topic: str) -> int:
        """How many bytes of records, before compression, a new batch takes, and how many more each time it grows."""
        return self._uncompressed(topic, self._batch)

    def most(self, topic: str) -> int:
        """How many bytes of records, before compression, a batch takes that has grown."""
        return self._uncompressed(topic, self._most)

    def _uncompressed(self, topic: str, size: int) -> int:
        """How many bytes are expected to have `size` on the wire, or less where that was too large. Bytes that do not
        compress go uncompressed: never over the request's size.
        """
        size = min(size, self._limits.get(topic, size))
        if self._compressing:
            size = max(int(size / (self.estimate(topic) * _SAFETY)), 1)
        return min(size, self._request)
