"""The background of a producer: one task group inside one task, so that nobody's `async with` is held open across
tasks.

1. If a task in it dies of an error, all end, and `on_death` is told the first cause.
2. A task that is kept may not end at all; that it returns, or that somebody outside cancels it, is a death like any
   other.
3. After a death, or `stopping`, nothing more is started; after `stop` nothing is left.
4. What goes wrong after `stopping` is no death, but is told to the loop's exception handler.

What the tasks do is theirs; what a death means is `runtime`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from aioproducer.errors import ProducerClosedError

T = TypeVar("T")


class CancelledFromOutsideError(Exception):
    """A task that has to run until the producer is closed was cancelled by somebody else."""

    def __init__(self, name: str) -> None:
        super().__init__(f"its task {name!r} was cancelled from outside")


class Background:
    def __init__(
        self, loop: asyncio.AbstractEventLoop, name: str, *, on_death: Callable[[BaseException], None]
    ) -> None:
        self._loop = loop
        self._name = name
        self._on_death = on_death
        self._group: asyncio.TaskGroup | None = None
        self._task: asyncio.Task[None] | None = None
        self._keepers: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._cause: BaseException | None = None
        self._interrupt: BaseException | None = None

    def __repr__(self) -> str:
        return f"<Background of {self._name}, {'running' if self._group is not None else 'not running'}>"

    async def start(self) -> None:
        """From now on tasks can be started. Raises the cause, or ProducerClosedError, if it is over at once."""
        entered = self._loop.create_future()
        self._task = self._loop.create_task(self._run(entered), name=f"aioproducer {self._name}")
        self._task.add_done_callback(partial(self._ended, "background"))
        await asyncio.wait((self._task, entered), return_when=asyncio.FIRST_COMPLETED)
        if not entered.done():
            raise self._cause or _over()

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task that may end, or be cancelled. Raises ProducerClosedError if the background is over."""
        return self._start(coroutine, None)

    def keep(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Start a task that runs until `stopping` cancels it. Raises ProducerClosedError if the background is over."""
        task = self._start(coroutine, name)
        task.set_name(f"aioproducer {name}")
        self._keepers.add(task)
        task.add_done_callback(self._keepers.discard)
        return task

    async def until_done(self, coroutine: Coroutine[Any, Any, T], name: str) -> T:
        """The result of a coroutine. Raises the cause if the background dies before, ProducerClosedError if it is
        stopped; may be cancelled.
        """
        assert self._task is not None
        task = self._loop.create_task(coroutine, name=f"aioproducer {name}")
        task.add_done_callback(_look_at)
        try:
            await asyncio.wait((task, self._task), return_when=asyncio.FIRST_COMPLETED)
        finally:
            lasted = task.done()
            if not lasted:
                task.cancel()
                await asyncio.wait((task,))
        if lasted and task.cancelled():
            self._die(CancelledFromOutsideError(name))
        if self._cause is not None:
            raise self._cause
        if task.cancelled():
            raise _over()
        return task.result()

    def stopping(self) -> None:
        """Cancel what is kept. From now on a task that ends is no death, and nothing more is started."""
        self._stopping = True
        for task in tuple(self._keepers):
            task.cancel()

    async def stop(self) -> None:
        """End all tasks; returns when they have ended."""
        self._stopping = True
        task = self._task
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait((task,))

    async def _run(self, entered: asyncio.Future[None]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                entered.set_result(None)
                try:
                    await self._loop.create_future()
                except asyncio.CancelledError:
                    # Here, for next the group cancels the others, and one of them would seem to have been first.
                    self._die(CancelledFromOutsideError("background"))
                    raise
        except BaseExceptionGroup:
            pass  # each error in it has been told when its task ended
        except BaseException as error:
            # A KeyboardInterrupt in one of the tasks has left the loop already; once is enough.
            if error is not self._interrupt:
                raise
        finally:
            self._group = None

    def _start(self, coroutine: Coroutine[Any, Any, None], name: str | None) -> asyncio.Task[None]:
        if self._group is None or self._stopping or self._cause is not None:
            coroutine.close()
            raise _over()
        task = self._group.create_task(coroutine)
        # No coroutine around it could do this: in a task that is cancelled before it begins, none is entered.
        if task.done():  # an eager one
            self._ended(name, task)
        else:
            task.add_done_callback(partial(self._ended, name))
        return task

    def _ended(self, name: str | None, task: asyncio.Task[None]) -> None:
        """A task is over; one with a name should not be."""
        if task.cancelled():
            if name is not None:
                self._die(CancelledFromOutsideError(name))
            return
        error = task.exception()
        if error is None:
            if name is not None:
                self._die(RuntimeError(f"its task {name!r} returned"))
            return
        if not isinstance(error, Exception):
            self._interrupt = error
        elif self._stopping:
            message = f"a task of {self._name} died while the producer was closed"
            self._loop.call_exception_handler({"message": message, "exception": error, "task": task})
        self._die(error)

    def _die(self, cause: BaseException) -> None:
        """The first cause is told, and ends all tasks."""
        if self._stopping or self._cause is not None:
            return
        self._cause = cause
        try:
            self._on_death(cause)
        finally:
            if self._task is not None:
                self._task.cancel()


def _over() -> ProducerClosedError:
    return ProducerClosedError("the producer is closed, or can not go on: nothing more is started")


def _look_at(task: asyncio.Task[Any]) -> None:
    """Nobody has to be told of this error: whoever waited for it has left, or hears of a better one."""
    if not task.cancelled():
        task.exception()
