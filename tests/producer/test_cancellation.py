"""Every public call that waits is cancelled at each point at which it waits, in every way, in memory and virtual time.

The cancellation comes out, and nobody else notices: records of others are acknowledged, once and in order, nothing is
held, the next send works, and no task, stream, timer or future is left when the producer is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import cache
from typing import Any

import pytest

from aioproducer import Delivery, Producer
from aioproducer.config import Options
from aioproducer.errors import ProducerClosedError
from aioproducer.testing import EmbeddedCluster
from tests.support.cancelling import WAYS, Begin, Steps
from tests.support.counting_loop import CountingLoop, run_counted
from tests.support.troubles import TROUBLES, heal
from tests.support.waiting_calls import SCENARIOS, SMALL, Scenario, in_every_place, slow
from tests.support.world import TOPIC, World, world

_MOST_SUSPENSIONS = 60
"""A call that is suspended more often goes round in circles."""


# -- a run


async def run(scenario: Scenario, way: Callable[[Begin], Awaitable[None]] | None, at: int) -> int:
    """Cancels the call at one suspension, or lets it end if there is no way; returns how often it was suspended."""
    async with world(**scenario.options) as here:
        if not scenario.starts:
            await here.producer.start()
            # Everything is known, as in a producer that has been running for a while.
            await here.producer.partitions_for(TOPIC)
            here.crowd()
        ordered = scenario.before(here)
        if ordered is not None:
            await ordered
        made: list[Steps] = []

        def begin(act: Callable[[], object], **when: bool) -> Steps:
            made.append(Steps(scenario.call(here), at, act, **when))
            return made[0]

        if way is not None:
            await way(begin)
            assert made[0].suspensions >= at, "it was not reached"
        elif scenario.fails is not None:
            with pytest.raises(scenario.fails):
                await begin(lambda: None)
        else:
            await begin(lambda: None)
        await check(here, scenario, cancelled=way is not None)
        return made[0].suspensions


async def check(here: World, scenario: Scenario, *, cancelled: bool) -> None:
    here.cluster.clear_faults()
    if scenario.closes:
        # A close that was cancelled comes to its end without a second one.
        await asyncio.sleep(1)
        assert repr(here.producer).endswith(", closed>")
        await here.told_the_truth()
        return
    if scenario.starts:
        await here.start_brokers()
        # Also a start that raised can be made again.
        if cancelled or scenario.fails:
            assert repr(here.producer).endswith(", new>")
            await here.producer.start()
        here.crowd()
    await here.unharmed()


@cache
def suspensions(name: str) -> int:
    """How often the call is suspended when nobody cancels it."""
    counted: list[int] = []

    async def count() -> None:
        counted.append(await run(SCENARIOS[name], None, 0))

    run_counted(count)
    assert 0 < counted[0] < _MOST_SUSPENSIONS
    return counted[0]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("name", SCENARIOS)
def test_cancelled_at_each_suspension(name: str, way: Callable[[Begin], Awaitable[None]]) -> None:
    for at in range(1, suspensions(name) + 1):

        async def cancel(at: int = at) -> None:
            await run(SCENARIOS[name], way, at)

        run_counted(cancel)


# -- at each turn of the loop, while something else in there is half done


def after_turns(work: Callable[[], Coroutine[Any, Any, None]], turns: int) -> Coroutine[Any, Any, bool]:
    """Begins it, and cancels it so many turns of the loop later; returns whether it was still under way."""

    async def cancel() -> bool:
        task = asyncio.create_task(work())
        for _ in range(turns):
            await asyncio.sleep(0)
        under_way = task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled() is under_way, f"swallowed, or something else came out: {task.exception()!r}"
        return under_way

    return cancel()


@pytest.mark.parametrize("turns", range(16))
def test_a_start_on_sockets_is_cancelled_at_each_turn(turns: int) -> None:
    async def test() -> None:
        async with EmbeddedCluster(2) as cluster:
            producer = Producer(cluster.bootstrap_servers)
            assert await after_turns(producer.start, turns)
            assert repr(producer).endswith(", new>")
            async with producer:
                await producer.send(TOPIC, b"x")
            assert [record.value for record in cluster.records(TOPIC)] == [b"x"]

    run_counted(test, CountingLoop)


@pytest.mark.parametrize("turns", range(1, 12))
def test_a_close_on_sockets_is_cancelled_at_each_turn(turns: int) -> None:
    async def test() -> None:
        async with EmbeddedCluster(2) as cluster:
            cluster.create_topic(TOPIC)
            producer = Producer(cluster.bootstrap_servers)
            await producer.start()
            await producer.send(TOPIC, b"x")
            cluster.silence("Produce", times=None)
            producer.send(TOPIC, b"y").expedite()
            delivery = producer.send("new", b"z")
            assert await after_turns(producer.close, turns)
            assert isinstance(delivery.exception(), ProducerClosedError)
            await producer.close()
            assert repr(producer).endswith(", closed>")

    run_counted(test, CountingLoop)


@pytest.mark.parametrize("turns", range(12))
@pytest.mark.parametrize("name", [name for name, scenario in SCENARIOS.items() if not scenario.starts])
def test_cancelled_at_each_turn(name: str, turns: int) -> None:
    """In memory no time passes while turns are counted: the requests that are under way meanwhile stay there."""
    scenario = SCENARIOS[name]

    async def test() -> None:
        async with world(**scenario.options) as here:
            await here.producer.start()
            scenario.before(here)
            here.crowd()

            async def call() -> None:
                await scenario.call(here)

            await after_turns(call, turns)
            if scenario.closes and not turns:
                await here.producer.close()  # for that one never began
            await check(here, scenario, cancelled=True)

    run_counted(test)


# -- handles that are cancelled


async def give_up(delivery: Delivery) -> None:
    delivery.cancel()


async def give_up_in_gather(delivery: Delivery) -> None:
    gathering = asyncio.gather(delivery)
    await asyncio.sleep(0)
    gathering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gathering


async def time_out_in_wait_for(delivery: Delivery) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(delivery, 0.01)


@pytest.mark.parametrize("how", [give_up, give_up_in_gather, time_out_in_wait_for])
@pytest.mark.parametrize("which", range(8))
def test_a_handle_is_given_up(which: int, how: Callable[[Delivery], Awaitable[None]]) -> None:
    """A record that waits for its topic or for room is withdrawn; one in a batch goes on. Nobody else notices."""

    async def test() -> None:
        async with world(**SMALL) as here:
            await here.producer.start()
            await here.producer.partitions_for(TOPIC)
            in_every_place(here)
            here.crowd()
            _, _, delivery = here.deliveries[which]
            in_a_batch = "in a batch" in repr(delivery)
            assert in_a_batch is (which in {0, 2, 3, 4})
            await how(delivery)
            if delivery.cancelled() and not in_a_batch:
                here.withdrawn(delivery)
            await here.unharmed()

    run_counted(test)


def test_all_that_wait_are_cancelled_at_once() -> None:
    async def test() -> None:
        async with world(**SMALL) as here:
            await here.producer.start()
            await here.producer.partitions_for(TOPIC)
            in_every_place(here)
            here.crowd()
            crowd, here.others = here.others, []
            await asyncio.sleep(0.01)
            for task in crowd:
                task.cancel()
            await asyncio.wait(crowd)
            # The topic was known, so that one has its answer.
            assert [task.cancelled() for task in crowd] == [True] * (len(crowd) - 1) + [False]
            await here.unharmed()

    run_counted(test)


# -- what a cancelled call leaves behind while what it waited for is still to come

LASTING = [name for name, scenario in SCENARIOS.items() if not scenario.starts and not scenario.closes]


@pytest.mark.parametrize("name", [name for name in LASTING if "turn" not in name and "send" not in name])
def test_cancelled_often_it_leaves_nothing_where_it_waited(name: str) -> None:
    """Not even futures that are done already, which a list of those who wait might keep until the trouble ends."""
    scenario = SCENARIOS[name]

    async def test() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CountingLoop)
        async with world(**scenario.options) as here:
            await here.producer.start()
            await here.producer.partitions_for(TOPIC)
            scenario.before(here)
            waits_for = scenario.call(here)
            alive: list[int] = []
            for _ in range(6):
                # A delivery may be awaited any number of times; calls are made anew.
                again = waits_for if isinstance(waits_for, Delivery) else scenario.call(here)
                limit = asyncio.timeout(0)
                with pytest.raises(TimeoutError):
                    await _within(limit, again)
                alive.append(len(loop.made))
            assert alive[1:] == alive[1:2] * 5
            await asyncio.wait_for(_awaited(waits_for), 100)
            await here.unharmed()

    run_counted(test)


async def _within(limit: asyncio.Timeout, work: Awaitable[object]) -> None:
    async with limit:
        await work


async def _awaited(work: Awaitable[object]) -> None:
    await work


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_after_a_cancelled_flush_records_linger_again(way: Callable[[Begin], Awaitable[None]]) -> None:
    async def test() -> None:
        async with world(linger_ms=500) as here:
            await here.producer.start()
            await here.send()
            slow(here)
            here.send()
            await way(lambda act, **when: Steps(here.producer.flush(), 1, act, **when))
            here.cluster.clear_faults()
            await asyncio.sleep(1)
            batches = len(here.cluster.batches(TOPIC, 0))
            for _ in range(3):
                here.send()
                await asyncio.sleep(0.1)
            await here.producer.flush()
            assert len(here.cluster.batches(TOPIC, 0)) == batches + 1
            await here.unharmed()

    run_counted(test)


# -- in trouble, and with other promises

PATIENT: Options = {"request_timeout_ms": 1000, "delivery_timeout_ms": 20_000}
PROMISES: dict[str, Options] = {
    "idempotent": PATIENT,
    "one in flight": {**PATIENT, "max_in_flight_requests_per_connection": 1},
    "at least once": {**PATIENT, "enable_idempotence": False, "acks": 1, "max_in_flight_requests_per_connection": 1},
}


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize("name", [name for name, trouble in TROUBLES.items() if not trouble.at_start])
def test_cancelled_in_trouble(name: str, promise: str) -> None:
    """Everybody who waits is cancelled while the brokers suffer; when that is over, all records come through."""
    trouble = TROUBLES[name]

    async def test() -> None:
        async with world(**PROMISES[promise]) as here:
            producer = here.producer
            await producer.start()
            for partition in (0, 1):
                await here.send(partition=partition)
            await trouble.come(here)
            deliveries = [here.send(trouble.topic) for _ in range(3)]
            calls: list[Awaitable[object]] = [*deliveries, producer.flush(), producer.flush(100)]
            calls.append(producer.partitions_for("other"))
            waiting = [asyncio.create_task(_awaited(call)) for call in calls]
            for seconds in (0.01, 0.5, 1.5):
                await asyncio.sleep(seconds)
                for task in waiting[::2]:
                    task.cancel()
            await heal(here)
            await asyncio.wait(waiting)
            errors = [task.exception() for task in waiting if not task.cancelled()]
            assert errors == [None] * len(errors)
            await asyncio.gather(*deliveries)
            if producer.config.enable_idempotence:
                await here.unharmed()
            else:
                # A lost answer doubles here, so all that can be asked for is that nothing is lost.
                await producer.close()
                logs = here.logs()
                assert all(set(values) == set(logs[where]) for where, values in here.sent.items())

    run_counted(test)
