"""Cancels an awaited call at a suspension of a test's choice, in every way in which asyncio and anyio cancel.

`Steps` drives the call and counts its suspensions; a way runs a call in a task of its own, cancels it there, and checks
that the cancellation came out as that way has it: not swallowed, and nothing else in its place. What the call left
behind is for the test to look at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextvars import Context
from typing import Any, TypeAlias

import anyio
import pytest

Act: TypeAlias = Callable[[], object]


class Steps:
    """An awaitable around another one; at suspension number `at`, from 1, it calls `act`, which cancels.

    again: also at each later suspension. with_result: not when it is suspended, but in the turn of the loop in which
    what it waits for is there, before it goes on.
    """

    def __init__(
        self,
        awaitable: Awaitable[object],
        at: int = 0,
        act: Act = lambda: None,
        *,
        again: bool = False,
        with_result: bool = False,
    ) -> None:
        self.suspensions = 0
        self._awaitable = awaitable
        self._at = at
        self._act = act
        self._again = again
        self._with_result = with_result

    def __await__(self) -> Generator[Any, Any, None]:
        steps = self._awaitable.__await__()
        error: BaseException | None = None
        while True:
            try:
                waits_for = next(steps) if error is None else steps.throw(error)
            except StopIteration:
                return
            self.suspensions += 1
            try:
                yield self._suspended(waits_for)
            except BaseException as thrown:
                error = thrown
            else:
                error = None

    def _suspended(self, waits_for: Any) -> Any:
        hit = self.suspensions == self._at or (self._again and 0 < self._at < self.suspensions)
        if not hit:
            return waits_for
        if not self._with_result:
            self._act()
        elif waits_for is None:
            # A bare turn of the loop: the task goes on behind what is called now.
            asyncio.get_running_loop().call_soon(self._act)
        else:
            return _Result(waits_for, self._act)
        return waits_for


_BLOCKING = "_asyncio_future_blocking"
"""asyncio's mark of what a task may wait for."""


class _Result:
    """Stands for the future that a task waits for, and calls `act` just before the task is woken."""

    def __init__(self, future: Any, act: Act) -> None:
        setattr(future, _BLOCKING, False)
        setattr(self, _BLOCKING, True)
        self._future = future
        self._act = act

    def get_loop(self) -> asyncio.AbstractEventLoop:
        loop: asyncio.AbstractEventLoop = self._future.get_loop()
        return loop

    def add_done_callback(self, callback: Callable[[Any], object], *, context: Context | None = None) -> None:
        def woken(_future: object) -> None:
            self._act()
            callback(self)

        self._future.add_done_callback(woken, context=context)

    def cancel(self, msg: object = None) -> bool:
        return bool(self._future.cancel(msg))

    def result(self) -> object:
        return self._future.result()


Begin: TypeAlias = Callable[..., Steps]
"""Makes the call: `begin(act)`, or with the arguments of `Steps` that its maker leaves open."""


async def _ended(task: asyncio.Task[None]) -> None:
    await asyncio.wait((task,))
    assert task.cancelled(), f"swallowed, or something else came out: {task.exception()!r}"


async def _cancel(begin: Begin, **when: bool) -> None:
    """The caller catches it, looks, and goes on; then it is raised again."""

    async def call() -> None:
        try:
            await begin(task.cancel, **when)
        except asyncio.CancelledError:
            while task.uncancel():
                pass
            await asyncio.sleep(0)
            raise

    task = asyncio.create_task(call())
    await _ended(task)


async def by_cancel(begin: Begin) -> None:
    await _cancel(begin)


async def by_cancel_again_and_again(begin: Begin) -> None:
    await _cancel(begin, again=True)


async def by_cancel_with_the_result(begin: Begin) -> None:
    await _cancel(begin, with_result=True)


async def by_cancel_twice_at_once(begin: Begin) -> None:
    async def call() -> None:
        await begin(lambda: (task.cancel(), task.cancel()))

    task = asyncio.create_task(call())
    await _ended(task)
    assert task.cancelling() == 2


async def by_timeout(begin: Begin) -> None:
    """`asyncio.timeout` takes back its cancellation; the task goes on."""

    async def call() -> None:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(None) as limit:
                await begin(lambda: limit.reschedule(asyncio.get_running_loop().time()))
        assert type(caught.value) is TimeoutError
        assert isinstance(caught.value.__cause__, asyncio.CancelledError)
        assert not task.cancelling()
        await asyncio.sleep(0)

    task = asyncio.create_task(call())
    await task


async def by_wait_for(begin: Begin) -> None:
    """A `wait_for` around it is cancelled."""

    async def call() -> None:
        await begin(task.cancel)

    task = asyncio.create_task(asyncio.wait_for(call(), 1e6))
    await _ended(task)


class _SiblingError(Exception):
    pass


async def by_task_group(begin: Begin) -> None:
    """A sibling in its task group fails."""
    fails = asyncio.Event()

    async def sibling() -> None:
        await fails.wait()
        raise _SiblingError

    async def call() -> None:
        try:
            await begin(fails.set)
        finally:
            fails.set()

    async def groups() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(sibling())
            called.append(group.create_task(call()))

    called: list[asyncio.Task[None]] = []
    with pytest.raises(BaseExceptionGroup) as caught:
        await asyncio.create_task(groups())
    assert [type(error) for error in caught.value.exceptions] == [_SiblingError]
    await asyncio.wait(called)
    # The group takes some turns of the loop to cancel it, in which a call that waits for no more than one comes to its
    # end.
    (task,) = called
    assert task.cancelled() or task.exception() is None


async def by_cancel_scope(begin: Begin) -> None:
    """anyio's scopes cancel at every turn of the loop until they are left."""

    async def call() -> None:
        with anyio.CancelScope() as scope:
            await begin(scope.cancel)
        assert scope.cancelled_caught, "the cancellation was swallowed"
        assert not task.cancelling()
        await asyncio.sleep(0)

    task = asyncio.create_task(call())
    await task


WAYS: tuple[Callable[[Begin], Awaitable[None]], ...] = (
    by_cancel,
    by_cancel_again_and_again,
    by_cancel_with_the_result,
    by_cancel_twice_at_once,
    by_timeout,
    by_wait_for,
    by_task_group,
    by_cancel_scope,
)
