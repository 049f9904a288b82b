"""The calls of a producer that wait, each with what makes it wait: what tests of cancellation go through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from aioproducer import ProducerRecord
from aioproducer.config import Options
from aioproducer.errors import StartTimeoutError
from tests.support.world import TOPIC, World


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """call: what is cancelled. before: what makes it wait. options: of the producer.

    starts, closes: whether the call does that. fails: what it raises when nobody cancels it.
    """

    call: Callable[[World], Awaitable[Any]]
    before: Callable[[World], Awaitable[object] | None] = lambda world: None
    options: Options = field(default_factory=Options)
    starts: bool = False
    closes: bool = False
    fails: type[Exception] | None = None


# -- what makes calls wait


def slow(world: World, *apis: str) -> None:
    for api in apis or ("Produce",):
        world.cluster.delay(api, 0.3, times=None)


def slow_and_full(world: World) -> None:
    """Records wait for room in a buffer of 2000 bytes."""
    slow(world)
    for _ in range(8):
        world.send(size=500)


def unknown_topic(world: World) -> None:
    """Records wait for the metadata of a topic."""
    slow(world, "Metadata")
    world.send("new", size=100)


def in_every_place(world: World) -> None:
    """A record in flight, one in an open batch, one that waits for its topic, and some that wait for room."""
    slow(world, "Produce", "Metadata")
    world.send().expedite()
    world.send("new", size=100)
    for _ in range(6):
        world.send(partition=1, size=500)


# -- the calls


async def drain_behind_many(world: World) -> None:
    """After so many sends it lets the loop turn, though nothing waits."""
    for _ in range(600):
        world.send()
    await world.producer.drain()


def records(world: World, count: int = 12) -> Iterator[ProducerRecord]:
    for _ in range(count):
        yield ProducerRecord(world.value(size=500), partition=0)


async def slow_records(world: World) -> AsyncIterator[ProducerRecord]:
    for record in records(world, 4):
        yield record
        await asyncio.sleep(0.01)


async def aexit(world: World, error: BaseException | None = None) -> None:
    await world.producer.__aexit__(type(error) if error else None, error, None)


SMALL: Options = {"buffer_memory": 2000, "batch_size": 600}

SCENARIOS: dict[str, Scenario] = {
    "start()": Scenario(call=lambda w: w.producer.start(), starts=True),
    "start(), slow broker": Scenario(
        call=lambda w: w.producer.start(), before=lambda w: slow(w, "ApiVersions", "Metadata"), starts=True
    ),
    "start(), no broker": Scenario(
        call=lambda w: w.producer.start(),
        before=World.stop_brokers,
        options={"max_block_ms": 300},
        starts=True,
        fails=StartTimeoutError,
    ),
    "async with": Scenario(call=lambda w: w.producer.__aenter__(), before=lambda w: slow(w, "Metadata"), starts=True),
    "delivery, open batch": Scenario(call=lambda w: w.send(), options={"linger_ms": 200, "strict_linger": True}),
    "delivery, in flight": Scenario(call=lambda w: w.send(), before=slow),
    "delivery, waits for its topic": Scenario(call=lambda w: w.send("new"), before=unknown_topic),
    "delivery, waits for room": Scenario(call=lambda w: w.send(size=500), before=slow_and_full, options=SMALL),
    "drain(), waits for room": Scenario(call=lambda w: w.producer.drain(), before=slow_and_full, options=SMALL),
    "drain(), waits for a topic": Scenario(call=lambda w: w.producer.drain(), before=unknown_topic),
    "drain(), lets the loop turn": Scenario(call=drain_behind_many),
    "send_all()": Scenario(call=lambda w: w.producer.send_all(TOPIC, records(w)), before=slow, options=SMALL),
    "send_all(), async": Scenario(
        call=lambda w: w.producer.send_all(TOPIC, slow_records(w)), before=slow, options=SMALL
    ),
    "flush()": Scenario(call=lambda w: w.producer.flush(), before=in_every_place, options={**SMALL, "linger_ms": 200}),
    "flush(timeout)": Scenario(call=lambda w: w.producer.flush(100), before=in_every_place, options=SMALL),
    "partitions_for()": Scenario(call=lambda w: w.producer.partitions_for("new"), before=lambda w: slow(w, "Metadata")),
    "close()": Scenario(call=lambda w: w.producer.close(), before=in_every_place, options=SMALL, closes=True),
    "close(), nothing to do": Scenario(call=lambda w: w.producer.close(), closes=True),
    "close(timeout)": Scenario(call=lambda w: w.producer.close(0.2), before=in_every_place, options=SMALL, closes=True),
    "async with, left": Scenario(call=aexit, before=in_every_place, options=SMALL, closes=True),
    "async with, left by an error": Scenario(
        call=lambda w: aexit(w, ZeroDivisionError()), before=in_every_place, options=SMALL, closes=True
    ),
}
