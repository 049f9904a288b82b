"""What a client has to be able to do for these loads. No client in here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from benchmarks.growth.loads import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """batch_size: bytes. keeps: batches that are not full stay until `settled`. max_age: seconds between two metadata
    requests.
    """

    batch_size: int
    keeps: bool
    max_age: float


class GrowthClient(Protocol):
    """One producer under measurement: `start`, then anything any number of times, then `stop`."""

    @property
    def batches(self) -> int:
        """How many batches it has made."""
        ...

    async def start(self, bootstrap: str, options: Options) -> None: ...

    async def ask_for(self, topics: Sequence[str]) -> None:
        """Have the metadata of all these topics asked for at once. Returns before it is there, if that can be."""
        ...

    async def known(self, topics: Sequence[str]) -> None:
        """Return when the metadata of all these topics is there."""
        ...

    async def send(self, targets: Iterable[Target]) -> Sequence[Any]:
        """Send a record to each without waiting for its fate."""
        ...

    async def send_at_once(self, topics: Sequence[str]) -> Sequence[Any]:
        """Send a record to each of these topics, as far as possible without a turn of the loop between them."""
        ...

    async def settled(self, sent: Sequence[Any]) -> int:
        """Wait until all that was sent is settled, and return how many of these records were acknowledged."""
        ...

    async def stop(self) -> None: ...
