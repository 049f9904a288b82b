"""Each task of a producer is cancelled from outside, at several moments, or dies of a bug: the producer says so and
settles everything with the cause, or does without that task. It never hangs, and a close leaves nothing behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from aioproducer import Persisted
from aioproducer.batching.accumulator import Accumulator
from aioproducer.cluster.cluster import Cluster
from aioproducer.errors import KafkaError, ProducerFailedError
from aioproducer.sending.settlement import Settlement
from tests.support.counting_loop import run_counted
from tests.support.world import TOPIC, World, world

_TASKS = 12
"""More than a producer has in any of these moments."""


def idle(world: World) -> None:
    """Everything is known and connected."""


def waiting(world: World) -> None:
    """For answers to all that can be asked."""
    for api in ("Produce", "Metadata", "InitProducerId"):
        world.cluster.delay(api, 0.3, times=None)
    world.send("new")


def connecting(world: World) -> None:
    """The connections are gone, and new ones come about slowly."""
    world.cluster.delay("connect", 0.3, times=None)
    for broker in (1, 2):
        world.network.reset(world.cluster.address(broker)[1])


@pytest.mark.parametrize("moment", [idle, waiting, connecting])
@pytest.mark.parametrize("which", range(_TASKS))
def test_a_task_is_cancelled_from_outside(which: int, moment: Callable[[World], None]) -> None:
    async def test() -> None:
        async with world(request_timeout_ms=5000, delivery_timeout_ms=20_000) as here:
            await here.producer.start()
            for partition in (0, 1):
                await here.send(partition=partition)
            moment(here)
            here.crowd()
            await asyncio.sleep(0.1)
            tasks = sorted(
                (task for task in asyncio.all_tasks() - set(here.others) if is_the_producers(task)),
                key=lambda task: task.get_name(),
            )
            assert len(tasks) < _TASKS
            if which >= len(tasks):
                return
            tasks[which].cancel()
            await asyncio.wait(here.others)
            here.cluster.clear_faults()
            if repr(here.producer).endswith(", running>"):
                await here.unharmed()
            else:
                await failed(here, "cancelled from outside")

    run_counted(test)


def is_the_producers(task: asyncio.Task[Any]) -> bool:
    """Not the test's, nor the brokers'."""
    return task is not asyncio.current_task() and not task.get_name().startswith("embedded broker")


async def failed(here: World, cause: str) -> None:
    """Everything is settled, with the cause, and every call says it too."""
    for _, _, delivery in here.deliveries:
        error = delivery.exception()
        assert error is None or (isinstance(error, ProducerFailedError) and cause in str(error))
    for call in (here.producer.flush, here.producer.drain, lambda: here.producer.partitions_for(TOPIC)):
        with pytest.raises(ProducerFailedError, match=cause):
            await call()
    with pytest.raises(ProducerFailedError, match=cause):
        here.producer.send(TOPIC, b"late")
    held = here.producer.metrics()
    assert held.waiting_sends == held.buffered_records == held.buffered_batches == 0
    await here.producer.close()
    await here.told_the_truth()


# -- bugs


class Bug:
    """Takes the place of a method, and raises once it is armed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: type, method: str) -> None:
        self.armed = False
        original = getattr(owner, method)

        def call(*args: Any, **kwargs: Any) -> Any:
            if self.armed:
                raise ZeroDivisionError("a bug")
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, method, call)


@pytest.mark.parametrize(
    ("owner", "method"),
    [
        pytest.param(Settlement, "expire", id="deadlines"),
        pytest.param(Accumulator, "drain", id="sender"),
        pytest.param(Settlement, "answered", id="connection, with an answer"),
        pytest.param(Settlement, "lost", id="connection, without an answer"),
        pytest.param(Cluster, "update_leader", id="new leader"),
    ],
)
def test_a_task_dies_of_a_bug(owner: type, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bug = Bug(monkeypatch, owner, method)

    async def test() -> None:
        async with world(request_timeout_ms=1000, delivery_timeout_ms=3000, buffer_memory=2000, batch_size=600) as here:
            await here.producer.start()
            for partition in (0, 1):
                await here.send(partition=partition)
            told: list[KafkaError | None] = []
            here.cluster.delay("Produce", 0.2)
            here.cluster.disconnect("Produce", skip=1)
            here.cluster.fail("Produce", "NOT_LEADER_OR_FOLLOWER", times=None)
            here.cluster.forget_producers(TOPIC, 0)
            here.producer.send(TOPIC, here.value(), partition=0, on_delivery=lambda _, error: told.append(error))
            here.crowd()
            for _ in range(6):
                here.send(size=500)
            bug.armed = True
            await asyncio.wait(here.others)
            assert repr(here.producer).endswith(", failed>")
            assert len(told) == 1
            assert isinstance(told[0], ProducerFailedError)
            assert isinstance(told[0].__cause__, ZeroDivisionError)
            # The last one never left the line of those who wait for room.
            last = here.deliveries[-1][2].exception()
            assert last is not None
            assert last.persisted is Persisted.NO
            await failed(here, "a bug")

    run_counted(test)


def test_the_task_that_gets_producer_ids_dies_of_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    bug = Bug(monkeypatch, Cluster, "ask")

    async def test() -> None:
        async with world() as here:
            here.cluster.fail("InitProducerId", "COORDINATOR_LOAD_IN_PROGRESS", times=None)
            await here.producer.start()
            here.crowd()
            here.send("new")
            await asyncio.sleep(0.1)
            assert not any(delivery.done() for _, _, delivery in here.deliveries)
            bug.armed = True
            await asyncio.wait(here.others)
            await failed(here, "a bug")

    run_counted(test)
