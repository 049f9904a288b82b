"""The cluster and the network of a run as faults see them: what can be done to them, and undone again.

All that takes something out of a log goes through here, so that the archive knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

from aioproducer.testing import EmbeddedCluster
from tests.simulation.archive import Archive
from tests.simulation.history import History
from tests.simulation.setting import Setting, TopicPlan
from tests.support.memory_network import MemoryNetwork

_MOST_PARTITIONS = 5


class Scene:
    def __init__(self, setting: Setting, cluster: EmbeddedCluster, network: MemoryNetwork, history: History) -> None:
        self.setting = setting
        self.cluster = cluster
        self.network = network
        self.history = history
        self.archive = Archive(cluster, history.clock)
        self._plans = {topic.name: topic for topic in setting.topics}
        self.recreated: set[str] = set()
        self._down: set[int] = set()
        self._unnoticed: set[int] = set()
        self._tasks: list[asyncio.Task[None]] = []

    def clock(self) -> float:
        return self.history.clock()

    # Choosing

    def some_partition(self, random: Random) -> tuple[str, int]:
        plan = random.choice(self.setting.topics)
        return plan.name, random.randrange(self.cluster.topics().get(plan.name, plan.partitions))

    def some_broker(self, random: Random) -> int:
        return random.randint(1, self.setting.brokers)

    def some_port(self, random: Random) -> int:
        return self.cluster.address(self.some_broker(random))[1]

    # Doing

    def create(self, plan: TopicPlan) -> None:
        self.cluster.create_topic(plan.name, plan.partitions, plan.replication, **plan.settings)

    def later(self, seconds: float, undo: Callable[[], object]) -> None:
        """Undo something after a while, or when all is healed."""

        async def wait() -> None:
            try:
                await asyncio.sleep(seconds)
            finally:
                undo()

        self._tasks.append(asyncio.get_running_loop().create_task(wait(), name="undo"))

    def move_leader(self, topic: str, partition: int) -> str:
        if not self._exists(topic, partition):
            return "no topic"
        with self.archive.losing():
            try:
                return f"{topic}[{partition}] to {self.cluster.move_leader(topic, partition)}"
            except ValueError as error:
                return f"in vain: {error}"

    async def stop_broker(self, broker: int, *, notice: float, down: float, elsewhere: bool, orderly: bool) -> str:
        """Kills it; the cluster notices after `notice` seconds, and it is back, perhaps on another port, after
        `down`. `orderly`: it remembers less of the producers then.
        """
        if broker in self._down:
            return f"{broker} is down already"
        self._down.add(broker)
        self._unnoticed.add(broker)
        await self.cluster.stop_broker(broker, fail_over=False)
        if not notice:
            self._notice(broker)

        async def come_back() -> None:
            try:
                await asyncio.sleep(notice)
                if notice < down:
                    self._notice(broker)
                    await asyncio.sleep(down - notice)
            finally:
                if notice < down:
                    self._notice(broker)
                self._unnoticed.discard(broker)
                await self.cluster.start_broker(broker, port=0 if elsewhere else None, from_snapshot=orderly)
                self._down.discard(broker)
                self.history.note(f"broker {broker} is back at {self.cluster.address(broker)[1]}")

        self._tasks.append(asyncio.get_running_loop().create_task(come_back(), name="come back"))
        return f"{broker} for {down:.2f} s, noticed after {notice} s{', in order' if orderly else ''}"

    def _notice(self, broker: int) -> None:
        if broker in self._unnoticed:
            self._unnoticed.discard(broker)
            with self.archive.losing():
                self.cluster.fail_over(broker)

    def shrink_isr(self, topic: str, partition: int, seconds: float) -> str:
        leader = self.cluster.leader(topic, partition) if self._exists(topic, partition) else -1
        if leader < 0:
            return "no leader"
        self.cluster.set_isr(topic, partition, [leader])
        self.later(seconds, lambda: self._grow_isr(topic, partition))
        return f"{topic}[{partition}] to {leader} for {seconds} s"

    def _grow_isr(self, topic: str, partition: int) -> None:
        if self._exists(topic, partition):
            try:
                self.cluster.set_isr(topic, partition)
            except ValueError:
                pass  # the leader is down: what nobody noticed yet

    def hold_replication(self, topic: str, partition: int, seconds: float) -> str:
        if not self._exists(topic, partition):
            return "no topic"
        self.cluster.hold_replication(topic, partition)
        self.later(seconds, lambda: self._resume(topic, partition))
        return f"{topic}[{partition}] for {seconds} s"

    def _resume(self, topic: str, partition: int) -> None:
        if self._exists(topic, partition):
            self.cluster.resume_replication(topic, partition)

    def forget_producers(self, topic: str, partition: int) -> str:
        if not self._exists(topic, partition):
            return "no topic"
        self.cluster.forget_producers(topic, partition)
        self.archive.forgotten(topic, partition)
        return f"{topic}[{partition}]"

    def delete_records(self, topic: str, partition: int, share: float) -> str:
        if not self._exists(topic, partition):
            return "no topic"
        before = int(self.cluster.high_watermark(topic, partition) * share)
        self.archive.take()
        self.cluster.delete_records(topic, partition, before)
        return f"{topic}[{partition}] before {before}"

    def recreate(self, topic: str, pause: float) -> str:
        if topic not in self.cluster.topics():
            return "no topic"
        self.recreated.add(topic)
        self.archive.deleted(topic)
        self.cluster.delete_topic(topic)
        if pause:
            self.later(pause, lambda: self._create_again(topic))
        else:
            self._create_again(topic)
        return f"{topic} after {pause} s"

    def _create_again(self, topic: str) -> None:
        # A producer that asks for it may have had it created already.
        if topic not in self.cluster.topics():
            self.create(self._plans[topic])

    def add_partitions(self, topic: str) -> str:
        partitions = self.cluster.topics().get(topic, _MOST_PARTITIONS)
        if partitions >= _MOST_PARTITIONS:
            return "enough"
        self.cluster.add_partitions(topic, partitions + 1)
        return f"{topic} has {partitions + 1}"

    async def heal(self) -> None:
        """Undoes everything that goes on; what was lost stays lost."""
        self.cluster.clear_faults()
        await asyncio.sleep(0)  # what is to be undone has begun then
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
        for topic, partitions in self.cluster.topics().items():
            for partition in range(partitions):
                self.cluster.resume_replication(topic, partition)
                self.cluster.set_isr(topic, partition)
        self.network.clear_cuts()
        self.network.release_all()
        self.history.note("everything is healed")

    def _exists(self, topic: str, partition: int) -> bool:
        return partition < self.cluster.topics().get(topic, 0)
