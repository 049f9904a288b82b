"""A background under watch, and work for its tasks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from aioproducer.background import Background
from aioproducer.errors import ProducerClosedError
from tests.support.deliveries import turns


class Watched(Background):
    """A background, and the deaths that were told."""

    def __init__(self, on_death: Callable[[BaseException], None] | None = None) -> None:
        self.deaths: list[BaseException] = []
        super().__init__(asyncio.get_running_loop(), "me", on_death=on_death or self.deaths.append)


@asynccontextmanager
async def running() -> AsyncIterator[Watched]:
    background = Watched()
    await background.start()
    try:
        yield background
    finally:
        await background.stop()
        assert repr(background) == "<Background of me, not running>"


class Work:
    """Coroutines for tasks, and what became of them."""

    def __init__(self) -> None:
        self.events: list[str] = []

    async def last(self, name: str = "work", farewell: float = 0) -> None:
        """Goes on until it is cancelled, and then takes `farewell` seconds to end."""
        self.events.append(f"{name} began")
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            if farewell:
                await asyncio.sleep(farewell)
            self.events.append(f"{name} ended")

    async def fail(self, error: BaseException, after: float = 0) -> None:
        await asyncio.sleep(after)
        raise error

    async def answer(self, after: float = 0) -> int:
        await asyncio.sleep(after)
        return 7

    async def end(self) -> None:
        self.events.append("done")


async def is_over(background: Background) -> None:
    """Nothing more is started, and what is refused leaves no warning."""
    work = Work()
    with pytest.raises(ProducerClosedError, match="nothing more is started"):
        background.spawn(work.end())
    with pytest.raises(ProducerClosedError):
        background.keep(work.last(), "late")
    await turns()
    assert work.events == []
