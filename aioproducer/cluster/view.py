"""What is known of the cluster at one moment: brokers, topics, partitions and their leaders. Values only.

A view is replaced, never changed, so whoever holds one may read it at leisure. `answer` makes new ones.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from itertools import count, repeat
from types import MappingProxyType
from typing import NamedTuple, TypeAlias, overload

from aioproducer.models import Node, PartitionInfo
from aioproducer.protocol.primitives import ZERO_UUID

NO_LEADER = -1

_MANY = 64

Brokers: TypeAlias = tuple[int, ...]
"""Ids of brokers."""


class PartitionView(NamedTuple):
    """One partition. `leader` is the id of a broker, -1 for none; `leader_epoch` is -1 where not known.

    A leader may have left the brokers since; `ClusterView.leader` looks that up.
    """

    leader: int = NO_LEADER
    leader_epoch: int = -1
    replicas: Brokers = ()
    isr: Brokers = ()
    offline: Brokers = ()


class PartitionTable(Sequence[PartitionView]):
    """The partitions of one topic, by number. In columns: as an object each, thousands would take five times the
    memory, and go through the garbage collector's hands one by one.
    """

    __slots__ = ("epochs", "isr", "leaders", "offline", "replicas")

    def __init__(
        self,
        leaders: Iterable[int] = (),
        epochs: Iterable[int] = (),
        replicas: Iterable[Brokers] = (),
        isr: Iterable[Brokers] = (),
        offline: Iterable[Brokers] = (),
    ) -> None:
        self.leaders = _column(leaders)
        self.epochs = _column(epochs)
        self.replicas = tuple(replicas)
        in_sync = tuple(isr)
        self.isr = self.replicas if in_sync == self.replicas else in_sync  # as nearly always
        away = tuple(offline)
        self.offline = away if any(away) else ()  # most often no partition has any

    def __repr__(self) -> str:
        return f"<{len(self.leaders)} partitions with {len(set(self.leaders))} leaders>"

    def __len__(self) -> int:
        return len(self.leaders)

    @overload
    def __getitem__(self, index: int) -> PartitionView: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[PartitionView]: ...
    def __getitem__(self, index: int | slice) -> PartitionView | Sequence[PartitionView]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        offline = self.offline[index] if self.offline else ()
        return PartitionView(self.leaders[index], self.epochs[index], self.replicas[index], self.isr[index], offline)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PartitionTable):
            return NotImplemented
        return self.same_leaders(other) and (self.replicas, self.isr, self.offline) == (
            other.replicas,
            other.isr,
            other.offline,
        )

    def __hash__(self) -> int:
        return hash((tuple(self.leaders), tuple(self.epochs), self.replicas, self.isr))

    def same_leaders(self, other: PartitionTable) -> bool:
        """Whether the other has the same leaders, of the same epochs. That is what matters for sending."""
        return self.leaders == other.leaders and self.epochs == other.epochs

    def with_leader(self, partition: int, leader: int, epoch: int) -> PartitionTable:
        """The same with another leader of one partition."""
        leaders, epochs = list(self.leaders), list(self.epochs)
        leaders[partition], epochs[partition] = leader, epoch
        return PartitionTable(leaders, epochs, self.replicas, self.isr, self.offline)

    def led_by(self, brokers: Container[int]) -> PartitionTable:
        """The same without the leaders that are not among these brokers: nobody could send to them."""
        leaders = [leader if leader in brokers else NO_LEADER for leader in self.leaders]
        return PartitionTable(leaders, self.epochs, self.replicas, self.isr, self.offline)

    def without_epochs(self) -> PartitionTable:
        return PartitionTable(self.leaders, [-1] * len(self), self.replicas, self.isr, self.offline)

    def with_rows_of(self, other: PartitionTable, indexes: Collection[int]) -> PartitionTable:
        """The same, but for these partitions, which are as in the other."""
        rows = list(self)
        for index in indexes:
            rows[index] = other[index]
        return PartitionTable(*zip(*rows, strict=True))


def _column(numbers: Iterable[int]) -> Sequence[int]:
    """Of thousands an array, which takes a quarter of the memory; of few a tuple, which the garbage collector skips."""
    column = tuple(numbers)
    return array("i", column) if len(column) >= _MANY else column


NO_PARTITIONS = PartitionTable()


class TopicView(NamedTuple):
    """One topic that was asked for. There are no `partitions` while `error_code` is not 0.

    topic_id: the zero UUID where the brokers are too old to tell it.
    """

    name: str
    topic_id: bytes = ZERO_UUID
    partitions: PartitionTable = NO_PARTITIONS
    error_code: int = 0


class ClusterView(NamedTuple):
    """The brokers by id and the topics by name; one that is not in `topics` was not asked for, or not answered yet."""

    brokers: Mapping[int, Node] = MappingProxyType({})
    topics: Mapping[str, TopicView] = MappingProxyType({})
    cluster_id: str | None = None

    def leader(self, topic: str, partition: int) -> Node | None:
        """The broker that leads a partition; None if there is none, or if topic or partition are not known."""
        known = self.topics.get(topic)
        if known is None or not 0 <= partition < len(known.partitions):
            return None
        return self.brokers.get(known.partitions.leaders[partition])

    def led_by(self, brokers: Collection[int]) -> set[str]:
        """The topics with a partition whose leader is one of these brokers, known or not."""
        wanted = frozenset(brokers)
        return {name for name, topic in self.topics.items() if not wanted.isdisjoint(topic.partitions.leaders)}

    def partition_infos(self, topic: str) -> tuple[PartitionInfo, ...]:
        """The partitions of a topic as the public face shows them; empty if it is not known."""
        known = self.topics.get(topic)
        if known is None:
            return ()
        # Column by column, and by position: a call for 10,000 partitions takes the loop 7 ms, not 25.
        table = known.partitions
        leaders = map(self.brokers.get, table.leaders)
        offline = table.offline or repeat(())
        return tuple(map(PartitionInfo, repeat(topic), count(), leaders, table.replicas, table.isr, offline))
