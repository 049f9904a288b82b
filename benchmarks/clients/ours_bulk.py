"""aioproducer's `send_all`: the bulk path, one outcome for all."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.clients import ours
from benchmarks.shapes import Shape


class BenchmarkClient(ours.BenchmarkClient):
    @staticmethod
    def refuses(shape: Shape) -> str | None:
        return None if shape.tasks == 0 and shape.bare else "is for values in bulk"

    async def plain(self, topic: str, values: Iterable[bytes]) -> int:
        return await self.producer.send_all(topic, values)
