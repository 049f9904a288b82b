"""A cluster and a producer in memory, others who use the producer while a test does something with it, and the checks
that they were not harmed, and were told the truth: what is acknowledged is in the log once, in the order of the calls.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from random import Random
from typing import Any, Unpack

from aioproducer import Delivery, Persisted, Producer
from aioproducer.config import Options
from aioproducer.errors import KafkaError
from aioproducer.network.stream import Dialer
from aioproducer.testing import EmbeddedCluster
from tests.support.memory_network import MemoryNetwork, Weather

TOPIC = "orders"

QUICK: Options = {
    "retry_backoff_ms": 2,
    "retry_backoff_max_ms": 10,
    "reconnect_backoff_ms": 1,
    "reconnect_backoff_max_ms": 10,
}

_LONG = 1000.0
"""Virtual seconds after which whatever a test waits for has hung."""


class MemoryProducer(Producer):
    """A producer that is started on a network in memory, also by `async with`."""

    def __init__(self, network: MemoryNetwork, servers: str, **options: Unpack[Options]) -> None:
        super().__init__(servers, **options)
        self._network = network

    async def start(self, *, dial: Dialer | None = None, random: Random | None = None) -> None:
        await super().start(dial=dial or self._network.dial, random=random or Random(1))


class World:
    """others: tasks of other callers, who all have to end well. sent: the values sent to each partition, in the order
    of the calls.
    """

    def __init__(self, cluster: EmbeddedCluster, network: MemoryNetwork, producer: MemoryProducer) -> None:
        self.cluster = cluster
        self.network = network
        self.producer = producer
        self.others: list[asyncio.Task[Any]] = []
        self.sent: defaultdict[tuple[str, int], list[bytes]] = defaultdict(list)
        self.deliveries: list[tuple[tuple[str, int], bytes, Delivery]] = []
        self._number = 0
        self._stopped: set[int] = set()

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def value(self, topic: str = TOPIC, partition: int = 0, size: int = 0) -> bytes:
        """A new value that is about to be sent to the partition, of at least `size` bytes."""
        self._number += 1
        value = (b"%06d" % self._number).ljust(size, b".")
        self.sent[topic, partition].append(value)
        return value

    def send(self, topic: str = TOPIC, partition: int = 0, size: int = 0) -> Delivery:
        value = self.value(topic, partition, size)
        delivery = self.producer.send(topic, value, partition=partition)
        self.deliveries.append(((topic, partition), value, delivery))
        return delivery

    def withdrawn(self, delivery: Delivery) -> None:
        """A record that its sender has taken back: it has to be nowhere."""
        (entry,) = (entry for entry in self.deliveries if entry[2] is delivery)
        self.deliveries.remove(entry)
        self.sent[entry[0]].remove(entry[1])

    async def stop_brokers(self, *which: int, fail_over: bool = True) -> None:
        """Kills these, or both."""
        for broker in which or (1, 2):
            await self.cluster.stop_broker(broker, fail_over=fail_over)
            self._stopped.add(broker)

    async def start_brokers(self) -> None:
        """Those that were stopped are brought back, on the ports they had."""
        while self._stopped:
            await self.cluster.start_broker(self._stopped.pop())

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        self.others.append(asyncio.get_running_loop().create_task(work))

    def crowd(self) -> None:
        """Others send, wait for the same records, and are in all calls that wait."""
        sent = [self.send(partition=partition) for partition in (0, 1, 0, 1)]
        for delivery in sent[:2]:
            self.spawn(_wait(delivery))
            self.spawn(_wait(delivery))
        self.spawn(self.producer.drain())
        self.spawn(self.producer.flush())
        self.spawn(self.producer.partitions_for(TOPIC))

    async def unharmed(self) -> None:
        """All others end well, all that was sent is acknowledged and stored, nothing is held, and sending goes on."""
        producer = self.producer
        async with asyncio.timeout(_LONG):
            await asyncio.gather(*self.others)
            await producer.flush()
            held = producer.metrics()
            assert held.buffered_bytes == held.waiting_sends == held.buffered_records == held.buffered_batches == 0
            assert not any(held.requests_in_flight.values())
            for partition in (0, 1):
                await self.send(partition=partition)
            await producer.close()
        await self.all_are_stored()

    async def all_are_stored(self) -> None:
        """Each record is acknowledged, and in the log where its delivery says, once, in the order of the calls."""
        logs = self.logs()
        assert _without_empty(logs) == _without_empty(self.sent)
        for where, value, delivery in self.deliveries:
            # Awaited, for a handle that was given up does not tell otherwise.
            assert logs[where][(await delivery).offset] == value

    async def told_the_truth(self) -> None:
        """The producer was closed: each record is settled, and what its delivery says of the log is so."""
        for other in self.others:
            assert other.done(), "somebody waits for a producer that is closed"
            assert other.cancelled() or isinstance(other.exception(), KafkaError | None)
        logs = self.logs()
        for where, value, delivery in self.deliveries:
            assert delivery.done()
            error = delivery.exception()
            if error is None:
                assert logs[where][delivery.result().offset] == value
            elif error.persisted is Persisted.NO:
                assert value not in logs[where], f"it is stored all the same: {error}"
        for where, values in logs.items():
            assert values == [value for value in self.sent[where] if value in values], "stored twice, or out of order"

    def logs(self) -> defaultdict[tuple[str, int], list[bytes]]:
        """The values in the log of each partition."""
        found: defaultdict[tuple[str, int], list[bytes]] = defaultdict(list)
        for topic, partitions in self.cluster.topics().items():
            for partition in range(partitions):
                found[topic, partition] = [record.value or b"" for record in self.cluster.records(topic, partition)]
        return found


def _without_empty(values: dict[tuple[str, int], list[bytes]]) -> dict[tuple[str, int], list[bytes]]:
    return {where: there for where, there in values.items() if there}


async def _wait(delivery: Delivery) -> None:
    await delivery


@asynccontextmanager
async def world(**options: Unpack[Options]) -> AsyncIterator[World]:
    """Two brokers, the topic `TOPIC` of two partitions, and a producer that is not started yet. Closes both."""
    network = MemoryNetwork(Random(1), Weather())
    loop = asyncio.get_running_loop()
    async with EmbeddedCluster(2, listen=network.listen, clock=lambda: 1_800_000_000 + loop.time()) as cluster:
        cluster.create_topic(TOPIC, partitions=2)
        together = QUICK.copy()
        together.update(options)
        here = World(cluster, network, MemoryProducer(network, cluster.bootstrap_servers, **together))
        yield here
        async with asyncio.timeout(_LONG):
            await here.producer.close()
    assert not network.streams, "the producer has left connections open"
