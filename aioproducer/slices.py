"""Long work that leaves the loop its turns: how much of it is done before the loop has the next."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from aioproducer.work import Work

T = TypeVar("T")

SLICE = 300
"""About two milliseconds of what is done with metadata, on a slow machine."""


async def in_slices(work: Work[T]) -> T:
    """The result. With less than a slice to do it does not suspend. Cancelled, it leaves the work where it stands."""
    done = 0
    while True:
        try:
            done += next(work)
        except StopIteration as end:
            result: T = end.value
            return result
        if done >= SLICE:
            done = 0
            await asyncio.sleep(0)
