"""Deliveries without a producer: a batch on the running loop that a test settles."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aioproducer.delivery import Delivery, Parked
from aioproducer.errors import NotEnoughReplicasError
from aioproducer.models import RecordMetadata
from aioproducer.outcome import Outcome
from aioproducer.records.headers import NO_HEADERS


class Batch:
    """An outcome on the running loop, and the deliveries of its records."""

    def __init__(self, count: int = 3, topic: str = "orders") -> None:
        self.outcome = Outcome(asyncio.get_running_loop(), topic, 0, 1000, [0] * count, {})
        self.deliveries = [Delivery(self.outcome, index) for index in range(count)]

    def after(self, seconds: float, settle: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(seconds, settle)

    def succeed(self) -> None:
        self.outcome.succeed(40)

    def fail(self) -> None:
        self.outcome.fail(NotEnoughReplicasError("not enough"))


def park(on_delivery: Any = None) -> Parked:
    return Parked(asyncio.get_running_loop(), "orders", None, b"value", NO_HEADERS, None, 1000, on_delivery)


def metadata(offset: int) -> RecordMetadata:
    return RecordMetadata("orders", 0, offset, 1000)


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)
