"""Several ways to the same end, the next one begun when the one before fails or takes long: a dead one costs little.

The first that succeeds wins, the others are cancelled. Which ways there are, and what success means, is the caller's.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from aioproducer.errors import KafkaError

C = TypeVar("C")
T = TypeVar("T")

STAGGER = 0.25
"""Seconds after which the next one is begun although the one before may yet succeed; that of RFC 8305."""


async def race(
    candidates: Sequence[C],
    attempt: Callable[[C], Coroutine[Any, Any, T]],
    *,
    clock: Callable[[], float],
    failed: Callable[[C, KafkaError], float | None],
    discard: Callable[[T], None] | None = None,
    stagger: float = STAGGER,
) -> tuple[C, T] | None:
    """The first candidate whose attempt succeeds, and its result; None when all have failed.

    failed: is told each KafkaError; returns the time at which to try that candidate once more, or None for never.
    discard: takes a result that came too late to win. An exception that is no KafkaError ends the race and is raised.
    """
    fresh = deque(candidates)
    fresh_at = clock()
    again: list[tuple[float, int, C]] = []
    running: dict[asyncio.Task[T], C] = {}
    started = 0
    try:
        while fresh or again or running:
            now = clock()
            while fresh and fresh_at <= now:
                candidate = fresh.popleft()
                running[asyncio.create_task(attempt(candidate))] = candidate
                fresh_at = now + stagger
            while again and again[0][0] <= now:
                candidate = heapq.heappop(again)[2]
                running[asyncio.create_task(attempt(candidate))] = candidate
            next_at = min(fresh_at if fresh else float("inf"), again[0][0] if again else float("inf"))
            wait = None if next_at == float("inf") else max(0.0, next_at - now)
            if not running:
                await asyncio.sleep(wait or 0.0)
                continue
            done, _ = await asyncio.wait(running, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if error is None:
                    return running.pop(task), task.result()
                if not isinstance(error, KafkaError):
                    raise error
                candidate = running.pop(task)
                fresh_at = clock()
                at = failed(candidate, error)
                if at is not None:
                    started += 1
                    heapq.heappush(again, (at, started, candidate))
        return None
    finally:
        for task in running:
            task.cancel()
        if running:
            for outcome in await asyncio.gather(*running, return_exceptions=True):
                if discard is not None and not isinstance(outcome, BaseException):
                    discard(outcome)
