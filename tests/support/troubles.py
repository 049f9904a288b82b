"""What a cluster may suffer that keeps records from being acknowledged, for as long as it lasts, and what a producer
can then know of a record that it has tried to send: whether it is not, or maybe, in the log.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aioproducer import Persisted
from tests.support.world import TOPIC, World

NEW = "new"
"""A topic that no producer has asked for yet."""

ALONE = "alone"
"""A topic without replicas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """strike: begins it, on a running producer; `at_start`, on one that is not started yet.

    topic: of the records that suffer. persisted: what their errors say, once they were tried.
    """

    strike: Callable[[World], Awaitable[object] | object]
    topic: str = TOPIC
    persisted: Persisted = Persisted.MAYBE
    at_start: bool = False

    async def come(self, world: World) -> None:
        """It begins."""
        struck = self.strike(world)
        if isinstance(struck, Awaitable):
            await struck

    @property
    def waits_for_topic(self) -> bool:
        """Whether the records never come into a batch, so that it is `max_block_ms` that ends them."""
        return self.topic == NEW

    def lasts(self, *, max_block: float, delivery_timeout: float) -> float:
        """Seconds in which a record is settled at the latest."""
        # With a producer that is just started, the topic is unknown, and the trouble may keep it so for a while.
        return max_block if self.waits_for_topic else delivery_timeout + self.at_start * max_block


async def heal(world: World) -> None:
    """Ends every trouble."""
    world.cluster.clear_faults()
    await world.start_brokers()
    world.network.release_all()
    for partition in (0, 1):
        world.cluster.resume_replication(TOPIC, partition)


async def _stop_without_notice(world: World) -> None:
    await world.stop_brokers(fail_over=False)


async def _lose_leaders(world: World) -> None:
    world.cluster.create_topic(ALONE, partitions=2, replication_factor=1)
    for partition in (0, 1):
        await world.send(ALONE, partition)
    await world.stop_brokers(world.cluster.leader(ALONE, 0))


async def _mute(world: World) -> None:
    """The throttle time comes with an answer."""
    world.cluster.throttle("Produce", 2500, times=None)
    for partition in (0, 1):
        await world.send(partition=partition)


def _freeze(world: World) -> None:
    for broker in (1, 2):
        world.network.hold(world.cluster.address(broker)[1])


def _hold_replication(world: World) -> None:
    for partition in (0, 1):
        world.cluster.hold_replication(TOPIC, partition)


async def _cut_for_good(world: World) -> None:
    world.cluster.disconnect("connect", times=None)
    await world.cluster.cut_connections()


NO = Persisted.NO

TROUBLES: dict[str, Trouble] = {
    "silent": Trouble(strike=lambda w: w.cluster.silence("Produce", times=None)),
    "silent after the append": Trouble(strike=lambda w: w.cluster.silence("Produce", after_append=True, times=None)),
    "cut": Trouble(strike=lambda w: w.cluster.disconnect("Produce", times=None)),
    "answers lost": Trouble(strike=lambda w: w.cluster.disconnect("Produce", after_append=True, times=None)),
    "frozen within a frame": Trouble(strike=lambda w: w.cluster.cut_frame("Produce", stall=True, times=None)),
    "garbage": Trouble(strike=lambda w: w.cluster.garbage("Produce", times=None)),
    "host frozen": Trouble(strike=_freeze),
    "replicas slow": Trouble(strike=_hold_replication),
    "refused after the append": Trouble(
        strike=lambda w: w.cluster.fail("Produce", "NOT_ENOUGH_REPLICAS_AFTER_APPEND", after_append=True, times=None)
    ),
    "too few replicas": Trouble(
        strike=lambda w: w.cluster.fail("Produce", "NOT_ENOUGH_REPLICAS", times=None), persisted=NO
    ),
    # Who has lost the lead may have appended before, so nothing certain is known.
    "not the leader": Trouble(strike=lambda w: w.cluster.fail("Produce", "NOT_LEADER_OR_FOLLOWER", times=None)),
    "down": Trouble(strike=World.stop_brokers, persisted=NO),
    "down, not noticed": Trouble(strike=_stop_without_notice, persisted=NO),
    "connections cut at once": Trouble(strike=_cut_for_good, persisted=NO),
    "no leader": Trouble(strike=_lose_leaders, topic=ALONE, persisted=NO),
    "throttled": Trouble(strike=_mute, persisted=NO),
    "no producer id": Trouble(
        strike=lambda w: w.cluster.fail("InitProducerId", "COORDINATOR_LOAD_IN_PROGRESS", times=None),
        persisted=NO,
        at_start=True,
    ),
    "silent about producer ids": Trouble(
        strike=lambda w: w.cluster.silence("InitProducerId", times=None), persisted=NO, at_start=True
    ),
    "silent about a topic": Trouble(
        strike=lambda w: w.cluster.silence("Metadata", times=None), topic=NEW, persisted=NO
    ),
    "topic unknown": Trouble(
        strike=lambda w: w.cluster.fail("Metadata", "UNKNOWN_TOPIC_OR_PARTITION", times=None), topic=NEW, persisted=NO
    ),
    "metadata garbage": Trouble(strike=lambda w: w.cluster.garbage("Metadata", times=None), topic=NEW, persisted=NO),
    "metadata frozen within a frame": Trouble(
        strike=lambda w: w.cluster.cut_frame("Metadata", stall=True, times=None), topic=NEW, persisted=NO
    ),
}
