"""What is known of the cluster at one moment: brokers, topics, partitions and their leaders. Values only.

A view is replaced, never changed, so whoever holds one may read it at leisure. `answer` makes new ones.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from aioproducer.models import Node, PartitionInfo
from aioproducer.protocol.primitives import ZERO_UUID

NO_LEADER = -1


class PartitionView(NamedTuple):
    """One partition. `leader` is the id of a broker, -1 for none; `leader_epoch` is -1 where not known.

    A leader may have left the brokers since; `ClusterView.leader` looks that up.
    error_code: what the metadata said about the partition, 0 for nothing.
    """

    leader: int = NO_LEADER
    leader_epoch: int = -1
    error_code: int = 0
    replicas: tuple[int, ...] = ()
    isr: tuple[int, ...] = ()
    offline: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TopicView:
    """One topic that was asked for. `partitions` is indexed by partition; it is empty while `error_code` is not 0.

    topic_id: the zero UUID where the brokers are too old to tell it.
    """

    name: str
    topic_id: UUID = ZERO_UUID
    partitions: tuple[PartitionView, ...] = ()
    error_code: int = 0


@dataclass(frozen=True, slots=True)
class ClusterView:
    """The brokers by id and the topics by name; one that is not in `topics` was not asked for, or not answered yet."""

    brokers: Mapping[int, Node] = field(default_factory=dict)
    topics: Mapping[str, TopicView] = field(default_factory=dict)
    cluster_id: str | None = None

    def leader(self, topic: str, partition: int) -> Node | None:
        """The broker that leads a partition; None if there is none, or if topic or partition are not known."""
        known = self.topics.get(topic)
        if known is None or not 0 <= partition < len(known.partitions):
            return None
        return self.brokers.get(known.partitions[partition].leader)

    def led_by(self, brokers: Collection[int]) -> set[str]:
        """The topics with a partition whose leader is one of these brokers, known or not."""
        return {
            name
            for name, topic in self.topics.items()
            if any(partition.leader in brokers for partition in topic.partitions)
        }

    def partition_infos(self, topic: str) -> tuple[PartitionInfo, ...]:
        """The partitions of a topic as the public face shows them; empty if it is not known."""
        known = self.topics.get(topic)
        if known is None:
            return ()
        return tuple(
            PartitionInfo(
                topic=topic,
                partition=index,
                leader=self.brokers.get(partition.leader),
                replicas=partition.replicas,
                in_sync_replicas=partition.isr,
                offline_replicas=partition.offline,
            )
            for index, partition in enumerate(known.partitions)
        )
