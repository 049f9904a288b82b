"""What is done to a real cluster of three while it is written to: leaders killed, brokers frozen or stopped in order,
leaders moved, connections cut. One broker at a time, so that a cluster that keeps its promises loses nothing. It
judges nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from random import Random

from tests.support.admin import FAILURES, elect_preferred, reassign
from tests.support.cuts import CutNetwork
from tests.support.real_kafka import RealKafka

_KILL_EVERY = 10.0
_ELECTIONS = 3


class Chaos:
    """Does it to `cluster` and the leaders of `topic`, and counts in `done` by kind. What it is to do `at_least` comes
    first.
    """

    def __init__(
        self,
        cluster: RealKafka,
        topic: str,
        partitions: int,
        networks: Sequence[CutNetwork],
        random: Random,
        at_least: Mapping[str, int],
    ) -> None:
        self.done: Counter[str] = Counter()
        self._cluster = cluster
        self._topic = topic
        self._partitions = partitions
        self._networks = networks
        self._random = random
        self._at_least = at_least
        self._over = asyncio.Event()

    def lacks(self) -> list[str]:
        """The kinds of which there were too few so far."""
        return [kind for kind, count in self._at_least.items() if self.done[kind] < count]

    @asynccontextmanager
    async def reigning(self) -> AsyncIterator[None]:
        """Faults during the block; at its end what is under way is finished, and every broker is back."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._brokers())
            tasks.create_task(self._connections())
            try:
                yield
            finally:
                self._over.set()

    async def _brokers(self) -> None:
        loop = asyncio.get_running_loop()
        others = cycle((self._freeze, self._move, self._leave))
        while not self._over.is_set():
            next_kill = loop.time() + _KILL_EVERY
            await asyncio.to_thread(self._kill)
            if (self.done["leader killed"] % 2 or self.lacks()) and not self._over.is_set():
                await asyncio.to_thread(next(others))
            await self._pause(next_kill - loop.time())

    async def _connections(self) -> None:
        while not self._over.is_set():
            await self._pause(self._random.uniform(0.2, 3))
            if self._random.random() < 0.2:
                self.done["connection cut"] += sum(network.cut() for network in self._networks)
            else:
                self.done["connection cut"] += self._random.choice(self._networks).cut_one(self._random)

    def _kill(self) -> None:
        partition, leader = self._a_leader()
        self._cluster.kill(leader)
        self.done["leader killed"] += 1
        # It may be on its way back before it is missed.
        early = self._random.random() < 0.5
        if early:
            self._cluster.restart(leader, wait=False)
        self._cluster.wait_new_leader(self._topic, partition, leader)
        if not early:
            self._cluster.restart(leader, wait=False)
        self._cluster.wait_in_sync(self._topic)

    def _freeze(self) -> None:
        """Shorter than it takes for the broker to be missed, or longer."""
        broker = self._random.choice(self._cluster.node_ids)
        seconds = self._random.choice((1.0, 2.0, 4.5))
        with self._cluster.frozen(broker):
            time.sleep(seconds)
        self.done["broker frozen"] += 1
        self._cluster.wait_in_sync(self._topic)

    def _move(self) -> None:
        """Other replicas are preferred from now on, and elected."""
        brokers = list(self._cluster.node_ids)
        wanted = {}
        for partition in range(self._partitions):
            self._random.shuffle(brokers)
            wanted[partition] = tuple(brokers)
        try:
            reassign(self._cluster.bootstrap, self._topic, wanted)
        except FAILURES:
            self.done["leader not moved"] += 1
        else:
            self._elect()

    def _leave(self) -> None:
        """An orderly end and a new beginning. A broker that comes back so remembers less of each producer than one that
        was killed: it leads again at once, where it is preferred.
        """
        _, broker = self._a_leader()
        self._cluster.stop_broker(broker)
        self.done["broker stopped"] += 1
        self._cluster.restart(broker, wait=False)
        self._cluster.wait_in_sync(self._topic)
        self._elect()

    def _elect(self) -> None:
        for _ in range(_ELECTIONS):
            try:
                moved = elect_preferred(self._cluster.bootstrap, self._topic)
            except FAILURES:
                moved = 0  # the controller may have moved a moment ago
            if moved:
                self.done["leader moved"] += moved
                return
            time.sleep(1)
        self.done["leader not moved"] += 1

    def _a_leader(self) -> tuple[int, int]:
        """A partition, and who leads it."""
        partition = self._random.randrange(self._partitions)
        # A broker that came back a moment ago may not know of one yet.
        return partition, self._cluster.wait_new_leader(self._topic, partition, -1)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await self._over.wait()
        except TimeoutError:
            pass
