"""The background of a producer: one task group inside one task, so that nobody's `async with` is held open across
tasks.

1. If a task in it dies of an error, all end, and `on_death` is told the cause.
2. A task that is kept may not end at all; that somebody outside cancels it is a death like any other.
3. After `stop` nothing is left, and nothing more is started.

What the tasks do is theirs; what a death means is `runtime`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from aioproducer.errors import ProducerClosedError

T = TypeVar("T")


class CancelledFromOutsideError(Exception):
    """A task that has to run until the producer is closed was cancelled by somebody else."""


class Background:
    def __init__(
        self, loop: asyncio.AbstractEventLoop, name: str, *, on_death: Callable[[BaseException], None]
    ) -> None:
        self._loop = loop
        self._name = name
        self._on_death = on_death
        self._group: asyncio.TaskGroup | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._cause: BaseException | None = None

    def __repr__(self) -> str:
        return f"<Background of {self._name}, {'running' if self._group is not None else 'not running'}>"

    async def start(self) -> None:
        """From now on tasks can be started."""
        started = self._loop.create_future()
        self._task = self._loop.create_task(self._run(started), name=f"aioproducer {self._name}")
        await started

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task that may end. Raises ProducerClosedError if the background is over."""
        if self._group is None or self._stopping:
            coroutine.close()
            raise ProducerClosedError("the producer is closed: nothing more is started")
        return self._group.create_task(self._watched(coroutine))

    def keep(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Start a task that runs until `stop`, or until it is cancelled after `stop` was called."""
        task = self.spawn(self._kept(coroutine, name))
        task.set_name(f"aioproducer {name}")
        return task

    async def until_done(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine. Raises the cause if the background dies before; may be cancelled."""
        assert self._task is not None
        task = self._loop.create_task(coroutine)
        try:
            await asyncio.wait((task, self._task), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait((task,))
        if self._cause is not None:
            if not task.cancelled():
                task.exception()  # it has been looked at: the cause says more
            raise self._cause
        return task.result()

    def stopping(self) -> None:
        """From now on a task that ends is no death."""
        self._stopping = True

    async def stop(self) -> None:
        """End all tasks; returns when they have ended."""
        self._stopping = True
        task = self._task
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait((task,))

    async def _run(self, started: asyncio.Future[None]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                if not started.done():
                    started.set_result(None)
                await self._kept(self._loop.create_future(), "background")
        except BaseException as error:
            cause: BaseException = error
            while isinstance(cause, BaseExceptionGroup):
                cause = cause.exceptions[0]
            self._die(cause)
            if not isinstance(error, Exception):
                raise
        finally:
            self._group = None

    async def _kept(self, work: Awaitable[None], name: str) -> None:
        try:
            await work
        except asyncio.CancelledError:
            self._die(CancelledFromOutsideError(f"its task {name!r} was cancelled from outside"))
            raise

    async def _watched(self, work: Coroutine[Any, Any, None]) -> None:
        # Here and not in `_run`: by then the group has cancelled the others, and one of them seems to have been first.
        try:
            await work
        except Exception as error:
            self._die(error)
            raise

    def _die(self, cause: BaseException) -> None:
        """The first cause is told, and ends all tasks."""
        if self._stopping or self._cause is not None:
            return
        self._cause = cause
        self._on_death(cause)
        if self._task is not None:
            self._task.cancel()
