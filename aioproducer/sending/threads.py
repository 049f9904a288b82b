"""The threads that compress: how many there are, and when what runs them is imported. What is compressed in them, and
what is not worth a thread, is the sender's matter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from aioproducer.records.codecs import Codec

# Compressing lets go of the interpreter's lock, so more than one is of use; more than a few would take the cores away.
_THREADS = 4

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Threads:
    """A producer's own few, for all its senders: a service may have filled the usual ones with calls that wait for this
    producer.
    """

    def __init__(self) -> None:
        # Imported here, because with its half for asyncio it takes 22 ms: a producer that does not compress is spared
        # them before its first acknowledgement.
        import anyio.to_thread

        self._run = anyio.to_thread.run_sync
        self._limiter = anyio.CapacityLimiter(_THREADS)

    async def run(self, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """The result of calling `function` in one of the threads, as soon as one is free."""
        return await self._run(function, *arguments, limiter=self._limiter)


def compressing_threads(codec: Codec) -> Threads | None:
    """None if nothing is to be compressed."""
    return Threads() if codec.id else None
