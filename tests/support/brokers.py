"""The brokers that `tests/contract/` holds the producer against, behind one face: embedded, mocked and real.

A test asks what its broker can do instead of asking which one it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, cast

import pytest
from confluent_kafka import KafkaError, KafkaException

from tests.support import admin
from tests.support.foreign import ForeignRecord, read_all_async
from tests.support.pool import ClusterPool, Kind
from tests.support.rdkafka_mock import RdKafkaMock
from tests.support.real_kafka import RealKafka

if TYPE_CHECKING:
    from aioproducer.testing import EmbeddedCluster, TopicSettings

Capability: TypeAlias = Literal[
    "idempotence",  # gives producer ids
    "deduplication",  # checks sequences: a batch sent twice is stored once, a gap is refused
    "topic-ids",  # Produce by topic id, version 13
    "new-leader-hints",  # names the new leader in a Produce answer (KIP-951), version 10
    "topic-configs",  # obeys the settings of a topic
    "log-append-time",  # … message.timestamp.type
    "max-message-bytes",  # … max.message.bytes
    "min-isr",  # … min.insync.replicas
    "record-validation",  # looks into a batch: checksum, count, offsets
    "acks-0",  # answers no request with acks=0; an answer ends the connection, and what was not read yet is lost
    "many-brokers",  # has three brokers, so partitions have different leaders
    "zstd",  # takes batches of that codec
    "moves-leaders",  # a partition's leader can be moved while the broker that led it lives
    "changing-topics",  # a topic can be deleted, made again and widened
    "restarts",  # its brokers can be killed and come back, on other ports too
    "kafka-python",  # can be read by kafka-python's consumer
]

_EVERY_REAL: frozenset[Capability] = frozenset(
    {
        "idempotence",
        "deduplication",
        "topic-configs",
        "log-append-time",
        "max-message-bytes",
        "record-validation",
        "acks-0",
        "zstd",
        "kafka-python",
        "changing-topics",
        "restarts",
    }
)
_FROM_4_0: frozenset[Capability] = frozenset({"topic-ids", "new-leader-hints"})
_FROM_3_7: frozenset[Capability] = frozenset({"new-leader-hints"})
_IN_PROCESS: frozenset[Capability] = frozenset({"moves-leaders"})
_THREE: frozenset[Capability] = frozenset({"many-brokers", "min-isr"})


class BrokerUnderTest(Protocol):
    """A cluster with topics to write to, and a foreign consumer to read them with."""

    name: str
    """As in the test's id: `embedded-3`, `kafka-4.3.1-x1`, …"""
    bootstrap: str
    """`host:port` of each broker, with commas between."""
    size: int
    """How many brokers it has."""

    def can(self, capability: Capability) -> bool: ...

    def needs(self, *capabilities: Capability) -> None:
        """Skip the test on this broker if it lacks one of them."""

    async def create_topic(
        self, name: str, partitions: int = 1, replicas: int | None = None, **configs: str | int | bool
    ) -> None:
        """Create it with that many replicas (one on each broker), and wait until it can be written to."""

    async def read(self, topic: str, expected: int, timeout: float = 30.0) -> list[ForeignRecord]:
        """All its records by a foreign consumer: see `foreign.read_all`."""

    async def move_leader(self, topic: str, partition: int, to: int) -> None:
        """Make broker `to` the leader while the old one lives; only with `moves-leaders`."""

    async def delete_topic(self, name: str) -> None:
        """Delete it, and return when the cluster has said so; only with `changing-topics`, as the next two."""

    async def make_again(self, name: str, partitions: int) -> None:
        """Create it; if a broker has done that already, for it was asked for, give it as many partitions."""

    async def add_partitions(self, name: str, total: int) -> None:
        """Widen it, and wait until each partition has a leader."""

    async def leader(self, topic: str, partition: int = 0) -> int:
        """The id of the broker that leads it; only with `restarts`, as those that follow."""

    def address(self, node_id: int) -> str:
        """`host:port` of one broker."""

    async def kill(self, *node_ids: int) -> None:
        """End these brokers without good-bye. The cluster notices it, now or within seconds."""

    async def bring_back(self, *node_ids: int, other_ports: bool = False) -> None:
        """Start what was killed, and wait until it serves. `bootstrap` is up to date afterwards."""


class _Broker:
    """What all of them share."""

    def __init__(self, name: str, bootstrap: str, size: int, capabilities: Collection[Capability]) -> None:
        self.name = name
        self.bootstrap = bootstrap
        self.size = size
        self._capabilities = frozenset(capabilities)

    def __repr__(self) -> str:
        return f"<{self.name} at {self.bootstrap}>"

    def can(self, capability: Capability) -> bool:
        return capability in self._capabilities

    def needs(self, *capabilities: Capability) -> None:
        missing = [capability for capability in capabilities if capability not in self._capabilities]
        if missing:
            pytest.skip(f"{self.name} has no {', '.join(missing)}")

    async def read(self, topic: str, expected: int, timeout: float = 30.0) -> list[ForeignRecord]:
        return await read_all_async(self.bootstrap, topic, expected, timeout)

    async def move_leader(self, topic: str, partition: int, to: int) -> None:
        raise self._can_not("moves-leaders")

    async def delete_topic(self, name: str) -> None:
        raise self._can_not("changing-topics")

    async def make_again(self, name: str, partitions: int) -> None:
        raise self._can_not("changing-topics")

    async def add_partitions(self, name: str, total: int) -> None:
        raise self._can_not("changing-topics")

    async def leader(self, topic: str, partition: int = 0) -> int:
        raise self._can_not("restarts")

    def address(self, node_id: int) -> str:
        raise self._can_not("restarts")

    async def kill(self, *node_ids: int) -> None:
        raise self._can_not("restarts")

    async def bring_back(self, *node_ids: int, other_ports: bool = False) -> None:
        raise self._can_not("restarts")

    def _can_not(self, capability: Capability) -> NotImplementedError:
        return NotImplementedError(f"{self.name} can not do that: ask for `{capability}` first")


class RealBroker(_Broker):
    """A leased real cluster; `cluster` to kill brokers of it."""

    def __init__(self, kind: Kind, cluster: RealKafka) -> None:
        capabilities = _EVERY_REAL | (_FROM_3_7 if kind is Kind.OLD else _FROM_4_0)
        if kind.brokers > 1:
            capabilities |= _THREE
        super().__init__(kind.label, cluster.bootstrap, kind.brokers, capabilities)
        self.cluster = cluster

    async def create_topic(
        self, name: str, partitions: int = 1, replicas: int | None = None, **configs: str | int | bool
    ) -> None:
        await asyncio.to_thread(self.cluster.create_topic, name, partitions, replicas, **configs)

    async def delete_topic(self, name: str) -> None:
        await asyncio.to_thread(admin.delete_topic, self.bootstrap, name, wait=False)

    async def make_again(self, name: str, partitions: int) -> None:
        try:
            await self.create_topic(name, partitions)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
            if len(await asyncio.to_thread(admin.describe_topic, self.bootstrap, name)) < partitions:
                await self.add_partitions(name, partitions)

    async def add_partitions(self, name: str, total: int) -> None:
        await asyncio.to_thread(admin.add_partitions, self.bootstrap, name, total)

    async def leader(self, topic: str, partition: int = 0) -> int:
        return await asyncio.to_thread(self.cluster.leader, topic, partition)

    def address(self, node_id: int) -> str:
        return self.cluster.address(node_id)

    async def kill(self, *node_ids: int) -> None:
        for node_id in node_ids:
            await asyncio.to_thread(self.cluster.kill, node_id)

    async def bring_back(self, *node_ids: int, other_ports: bool = False) -> None:
        for node_id in node_ids:
            # None gets ready before most of them are there.
            await asyncio.to_thread(self.cluster.restart, node_id, wait=False, other_port=other_ports)
        await asyncio.to_thread(self.cluster.wait_ready)
        self.bootstrap = self.cluster.bootstrap


class MockBroker(_Broker):
    """librdkafka's mock cluster; `mock` to order faults from it."""

    def __init__(self, mock: RdKafkaMock) -> None:
        capabilities: set[Capability] = {"idempotence", "zstd", "many-brokers", "moves-leaders", "new-leader-hints"}
        super().__init__("rdkafka-mock", mock.bootstrap, mock.size, capabilities)
        self.mock = mock

    async def create_topic(
        self, name: str, partitions: int = 1, replicas: int | None = None, **configs: str | int | bool
    ) -> None:
        if configs:
            raise ValueError(f"librdkafka's mock cluster knows no topic settings, not even {', '.join(configs)}")
        self.mock.create_topic(name, partitions, replicas)

    async def move_leader(self, topic: str, partition: int, to: int) -> None:
        self.mock.set_leader(topic, partition, to)


class EmbeddedBroker(_Broker):
    """The package's own cluster, on the loop of the test; `cluster` for its faults and its logs."""

    def __init__(self, cluster: EmbeddedCluster, size: int) -> None:
        capabilities = _EVERY_REAL | _FROM_4_0 | _IN_PROCESS
        if size > 1:
            capabilities |= _THREE
        super().__init__(f"embedded-{size}", cluster.bootstrap_servers, size, capabilities)
        self.cluster = cluster

    async def create_topic(
        self, name: str, partitions: int = 1, replicas: int | None = None, **configs: str | int | bool
    ) -> None:
        count = self.size if replicas is None else replicas
        # The face is untyped as the real brokers' is; a name that the cluster does not know is a TypeError.
        settings = cast("TopicSettings", configs)
        self.cluster.create_topic(name, partitions=partitions, replication_factor=count, **settings)

    async def move_leader(self, topic: str, partition: int, to: int) -> None:
        self.cluster.move_leader(topic, partition, to)

    async def delete_topic(self, name: str) -> None:
        self.cluster.delete_topic(name)

    async def make_again(self, name: str, partitions: int) -> None:
        # As slow as a real one, so that whoever asks for it meanwhile is the one who has it created.
        await asyncio.sleep(0.05)
        if name not in self.cluster.topics():
            self.cluster.create_topic(name, partitions=partitions, replication_factor=self.size)
        elif self.cluster.topics()[name] < partitions:
            await self.add_partitions(name, partitions)

    async def add_partitions(self, name: str, total: int) -> None:
        self.cluster.add_partitions(name, total)

    async def leader(self, topic: str, partition: int = 0) -> int:
        return self.cluster.leader(topic, partition)

    def address(self, node_id: int) -> str:
        host, port = self.cluster.address(node_id)
        return f"{host}:{port}"

    async def kill(self, *node_ids: int) -> None:
        for node_id in node_ids:
            await self.cluster.stop_broker(node_id)

    async def bring_back(self, *node_ids: int, other_ports: bool = False) -> None:
        for node_id in node_ids:
            await self.cluster.start_broker(node_id, port=0 if other_ports else None)
        self.bootstrap = self.cluster.bootstrap_servers


NAMES: tuple[str, ...] = ("embedded-1", "embedded-3", "rdkafka-mock", *(kind.label for kind in Kind))
"""Every broker there is, cheapest first."""


@asynccontextmanager
async def open_broker(name: str, pool: ClusterPool) -> AsyncIterator[BrokerUnderTest]:
    """The broker of that name, one of NAMES. Starting a real one blocks the loop, on which nothing else runs yet."""
    if name.startswith("embedded-"):
        # Imported here, so that a fault in the embedded cluster does not take the tests of the others along.
        from aioproducer.testing import EmbeddedCluster

        size = int(name.removeprefix("embedded-"))
        async with EmbeddedCluster(brokers=size) as cluster:
            yield EmbeddedBroker(cluster, size)
    elif name == "rdkafka-mock":
        with RdKafkaMock(3) as mock:
            yield MockBroker(mock)
    else:
        kind = next(kind for kind in Kind if kind.label == name)
        with pool.lease(kind) as real:
            yield RealBroker(kind, real)
