"""The cluster as its controller sees it: brokers, topics, replicas, leaders, epochs, producer ids. No sockets, no
clock.

Everything that tests do to a cluster is a method here, and every change is told to the listeners. What a request may
do with it is decided by the handlers. A follower copies at once what its leader appends, unless replication is held.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from aioproducer.testing.codes import Code, RefusedError
from aioproducer.testing.log import PartitionLog
from aioproducer.testing.producers import Producers
from aioproducer.testing.topics import TopicConfig, check_name

NO_LEADER = -1


@dataclass(slots=True)
class BrokerState:
    """`up` is whether it runs; `listed` whether the controller still counts on it, which may lag behind a crash."""

    node_id: int
    host: str
    port: int = 0
    rack: str | None = None
    up: bool = False
    listed: bool = True


@dataclass(slots=True)
class Partition:
    """One partition: who has it, who leads it, and its log.

    `held` is set while followers do not copy, so that the high watermark stays where it is.
    """

    topic: str
    index: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]
    leader: int
    leader_epoch: int = 0
    held: bool = False
    log: PartitionLog = field(default_factory=PartitionLog)
    producers: Producers = field(default_factory=Producers)

    def __repr__(self) -> str:
        held = " held" if self.held else ""
        return f"<{self.topic}[{self.index}] leader={self.leader} epoch={self.leader_epoch} isr={self.isr}{held}>"

    def replicate(self) -> None:
        """Lets the high watermark follow the log, unless an in-sync follower does not."""
        if not self.held or self.isr == (self.leader,):
            self.log.high_watermark = self.log.end_offset

    def lead(self, leader: int) -> None:
        """Gives the partition a leader. What only the old one had is lost, as in Kafka, and producers are re-read."""
        if leader == self.leader:
            return
        previous, self.leader = self.leader, leader
        self.leader_epoch += 1
        if leader != NO_LEADER and previous != NO_LEADER and self.log.high_watermark < self.log.end_offset:
            self.log.truncate(self.log.high_watermark)
            self.reload_producers()
        self.replicate()

    def reload_producers(self) -> None:
        """Rebuilds what is remembered of producers from the batches in the log."""
        self.producers.forget()
        for batch in self.log.batches:
            if batch.header.producer_id >= 0:
                self.producers.appended(batch.header, batch.header.base_offset, batch.header.max_timestamp)


@dataclass(slots=True)
class Topic:
    name: str
    topic_id: bytes
    config: TopicConfig
    partitions: list[Partition]


@dataclass(slots=True, kw_only=True)
class ClusterState:
    """All of it. `clock` gives seconds since the epoch; `randomness` makes topic ids."""

    brokers: dict[int, BrokerState]
    clock: Callable[[], float]
    randomness: random.Random
    defaults: TopicConfig
    cluster_id: str
    auto_create_topics: bool
    num_partitions: int
    default_replication_factor: int
    topics: dict[str, Topic] = field(default_factory=dict)
    listeners: list[Callable[[], None]] = field(default_factory=list)
    next_producer_id: int = 1000

    def now_ms(self) -> int:
        return int(self.clock() * 1000)

    def changed(self) -> None:
        """Tells all listeners that something a request may wait for has changed."""
        for listener in self.listeners:
            listener()

    def listed_brokers(self) -> list[BrokerState]:
        return [broker for broker in self.brokers.values() if broker.listed]

    def new_producer_id(self) -> int:
        self.next_producer_id += 1
        return self.next_producer_id - 1

    # -- looking up ----------------------------------------------------------------------------------------------

    def topic_by_id(self, topic_id: bytes) -> Topic | None:
        for topic in self.topics.values():
            if topic.topic_id == topic_id:
                return topic
        return None

    def find(self, topic: str, partition: int) -> Partition | None:
        """The partition, or None if there is no such topic or partition."""
        found = self.topics.get(topic)
        if found is None or not 0 <= partition < len(found.partitions):
            return None
        return found.partitions[partition]

    def partition(self, topic: str, partition: int) -> Partition:
        """The partition. Raises LookupError with what exists."""
        found = self.find(topic, partition)
        if found is None:
            existing = {name: len(entry.partitions) for name, entry in self.topics.items()}
            raise LookupError(f"there is no partition {topic}[{partition}]; topics and their partitions: {existing}")
        return found

    def broker(self, node_id: int) -> BrokerState:
        """The broker. Raises LookupError with what exists."""
        if node_id not in self.brokers:
            raise LookupError(f"there is no broker {node_id}; brokers: {sorted(self.brokers)}")
        return self.brokers[node_id]

    # -- topics --------------------------------------------------------------------------------------------------

    def create_topic(
        self,
        name: str,
        partitions: int,
        replication_factor: int,
        config: TopicConfig,
        assignments: Mapping[int, Sequence[int]] | None = None,
        *,
        only_check: bool = False,
    ) -> Topic:
        """A new topic, leaders dealt to the brokers in turn. Raises RefusedError with the code a controller gives."""
        check_name(name)
        if name in self.topics:
            raise RefusedError(Code.TOPIC_ALREADY_EXISTS, f"topic {name!r} exists already")
        if assignments:
            replicas = self._assigned(assignments)
        else:
            if partitions < 1:
                raise RefusedError(Code.INVALID_PARTITIONS, f"partitions={partitions}: a topic has 1 or more")
            if not 1 <= replication_factor <= len(self.brokers):
                raise RefusedError(
                    Code.INVALID_REPLICATION_FACTOR,
                    f"replication_factor={replication_factor}: give 1 to {len(self.brokers)}, the number of brokers",
                )
            replicas = [self._dealt(index, replication_factor) for index in range(partitions)]
        topic_id = uuid.UUID(int=self.randomness.getrandbits(128), version=4).bytes
        topic = Topic(name, topic_id, config, [self._new_partition(name, i, r) for i, r in enumerate(replicas)])
        if not only_check:
            self.topics[name] = topic
            self.changed()
        return topic

    def _assigned(self, assignments: Mapping[int, Sequence[int]]) -> list[tuple[int, ...]]:
        replicas = []
        for index in range(len(assignments)):
            nodes = tuple(assignments.get(index, ()))
            if not nodes or len(set(nodes)) < len(nodes) or not set(nodes) <= self.brokers.keys():
                raise RefusedError(
                    Code.INVALID_REPLICA_ASSIGNMENT, f"partition {index} can not have the replicas {nodes}"
                )
            replicas.append(nodes)
        return replicas

    def _dealt(self, index: int, replication_factor: int) -> tuple[int, ...]:
        nodes = list(self.brokers)
        return tuple(nodes[(index + step) % len(nodes)] for step in range(replication_factor))

    def _new_partition(self, topic: str, index: int, replicas: tuple[int, ...]) -> Partition:
        isr = tuple(node for node in replicas if self.brokers[node].listed)
        return Partition(topic, index, replicas, isr or replicas, isr[0] if isr else NO_LEADER)

    def add_partitions(self, name: str, total: int) -> None:
        """Grows a topic to `total` partitions, as CreatePartitions does."""
        topic = self.topic(name)
        if total <= len(topic.partitions):
            raise ValueError(f"total={total}: topic {name!r} has {len(topic.partitions)} partitions, and can only grow")
        factor = len(topic.partitions[0].replicas)
        for index in range(len(topic.partitions), total):
            topic.partitions.append(self._new_partition(name, index, self._dealt(index, factor)))
        self.changed()

    def delete_topic(self, name: str) -> None:
        """Removes a topic and its logs; one created later under the name has another id and other epochs."""
        self.topic(name)
        del self.topics[name]
        self.changed()

    def topic(self, name: str) -> Topic:
        """The topic. Raises LookupError with what exists."""
        if name not in self.topics:
            raise LookupError(f"there is no topic {name!r}; topics: {sorted(self.topics)}")
        return self.topics[name]

    # -- leaders and replicas ------------------------------------------------------------------------------------

    def move_leader(self, topic: str, partition: int, to: int | None = None) -> int:
        """Makes `to` the leader, or the next in-sync replica that runs. Returns it; raises ValueError if none can."""
        moved = self.partition(topic, partition)
        able = [node for node in moved.isr if self.brokers[node].up and node != moved.leader]
        if to is None:
            if not able:
                raise ValueError(f"no other in-sync replica of {topic}[{partition}] runs; in sync are {moved.isr}")
            ring = moved.replicas
            start = ring.index(moved.leader) if moved.leader in ring else 0
            to = next(node for node in (ring[start:] + ring[:start])[1:] + ring if node in able)
        elif to not in moved.isr or not self.broker(to).up:
            raise ValueError(f"to={to}: it has to be an in-sync replica that runs; in sync are {moved.isr}")
        moved.lead(to)
        self.changed()
        return to

    def set_isr(self, topic: str, partition: int, isr: Sequence[int] | None) -> None:
        """Replaces the in-sync replicas; None is all replicas that run. The leader has to be among them."""
        target = self.partition(topic, partition)
        if isr is not None:
            wanted = list(isr)
        elif target.leader == NO_LEADER:
            # Nobody catches up without a leader: one of those who were in sync last has to come back.
            wanted = list(target.isr)
        else:
            wanted = [node for node in target.replicas if self.brokers[node].up]
        if not set(wanted) <= set(target.replicas) or (target.leader != NO_LEADER and target.leader not in wanted):
            raise ValueError(
                f"isr={wanted}: give replicas out of {target.replicas}, the leader {target.leader} among them"
            )
        target.isr = tuple(wanted)
        target.replicate()
        self.changed()

    def hold_replication(self, topic: str, partition: int, *, hold: bool) -> None:
        """Stops or resumes the followers of a partition. While they stand still `acks=all` is not answered."""
        target = self.partition(topic, partition)
        target.held = hold
        target.replicate()
        self.changed()

    def broker_lost(self, node_id: int) -> None:
        """What the controller does when it gives a broker up: out of the in-sync replicas, other leaders elected."""
        self.broker(node_id).listed = False
        for topic in self.topics.values():
            for partition in topic.partitions:
                if node_id not in partition.isr:
                    continue
                # The last in-sync replica stays one, for it alone has everything.
                rest = tuple(node for node in partition.isr if node != node_id) or partition.isr
                partition.isr = rest
                if partition.leader == node_id:
                    partition.lead(rest[0] if self.brokers[rest[0]].listed else NO_LEADER)
                else:
                    partition.replicate()
        self.changed()

    def broker_back(self, node_id: int, *, from_snapshot: bool = False) -> None:
        """What happens when a broker registers: it catches up, is in sync again, and leads what nobody leads.

        With `from_snapshot` it knows of each producer just the last batch on the partitions that it leads then.
        """
        broker = self.broker(node_id)
        broker.up = broker.listed = True
        for topic in self.topics.values():
            for partition in topic.partitions:
                if node_id not in partition.replicas:
                    continue
                if partition.leader == NO_LEADER:
                    if node_id not in partition.isr:
                        continue
                    partition.lead(node_id)
                elif node_id not in partition.isr:
                    partition.isr = tuple(n for n in partition.replicas if n in partition.isr or n == node_id)
                if from_snapshot and partition.leader == node_id:
                    partition.producers.keep_last()
        self.changed()
