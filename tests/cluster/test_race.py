"""The race: staggered beginnings, failures that hasten the next one, second tries, cancelling."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from aioproducer.cluster.race import race
from aioproducer.errors import ConnectionFailedError, KafkaError
from tests.support.virtual_time import virtual_time


class Course:
    """Each runner needs so many seconds; a negative number is the time after which it fails."""

    def __init__(self, *seconds: float) -> None:
        self.seconds = list(seconds)
        self.begun: list[tuple[float, int]] = []
        self.failures: list[int] = []
        self.cancelled: list[int] = []
        self.discarded: list[str] = []

    async def attempt(self, runner: int) -> str:
        loop = asyncio.get_running_loop()
        self.begun.append((round(loop.time(), 3), runner))
        seconds = self.seconds[runner]
        try:
            await asyncio.sleep(abs(seconds))
        except asyncio.CancelledError:
            self.cancelled.append(runner)
            raise
        if seconds < 0:
            raise ConnectionFailedError(f"runner {runner}")
        return f"runner {runner}"

    async def run(self, again: Callable[[int], float | None] = lambda _: None) -> tuple[int, str] | None:
        def failed(runner: int, _error: KafkaError) -> float | None:
            self.failures.append(runner)
            return again(runner)

        return await race(
            range(len(self.seconds)),
            self.attempt,
            clock=asyncio.get_running_loop().time,
            failed=failed,
            discard=self.discarded.append,
        )


@virtual_time
async def test_the_first_alone_if_it_is_quick() -> None:
    course = Course(0.1, 0.1)
    assert await course.run() == (0, "runner 0")
    assert course.begun == [(0.0, 0)]


@virtual_time
async def test_a_slow_one_costs_a_quarter_of_a_second() -> None:
    course = Course(10, 10, 0.1)
    assert await course.run() == (2, "runner 2")
    assert course.begun == [(0.0, 0), (0.25, 1), (0.5, 2)]
    assert course.cancelled == [0, 1]


@virtual_time
async def test_a_failure_begins_the_next_at_once() -> None:
    course = Course(-0.01, -0.01, 1)
    assert await course.run() == (2, "runner 2")
    assert course.begun == [(0.0, 0), (0.01, 1), (0.02, 2)]
    assert course.failures == [0, 1]


@virtual_time
async def test_all_in_vain() -> None:
    course = Course(-0.01, -5, -1)
    assert await course.run() is None
    assert sorted(course.failures) == [0, 1, 2]
    assert await Course().run() is None


@virtual_time
async def test_one_that_failed_is_tried_again_while_another_is_silent() -> None:
    course = Course(-0.01, 1000)
    loop = asyncio.get_running_loop()

    def again(runner: int) -> float:
        if len(course.failures) == 3:
            course.seconds[runner] = 0.1
        return loop.time() + 1

    assert await course.run(again) == (0, "runner 0")
    assert [at for at, runner in course.begun if runner == 0] == pytest.approx([0, 1.01, 2.02, 3.03])


@virtual_time
async def test_a_result_that_comes_too_late_is_discarded() -> None:
    course = Course(0.5, 0.25)
    assert await course.run() in ((0, "runner 0"), (1, "runner 1"))
    assert len(course.discarded) == 1


@virtual_time
async def test_cancelling_and_bugs_leave_nothing_running() -> None:
    course = Course(10, 10)
    running = asyncio.create_task(course.run())
    await asyncio.sleep(1)
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    assert course.cancelled == [0, 1]

    async def buggy(runner: int) -> None:
        await asyncio.sleep(10 if runner else 1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await race([0, 1], buggy, clock=asyncio.get_running_loop().time, failed=lambda *_: None)
