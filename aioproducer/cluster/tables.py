"""The topics of one metadata answer, put into tables while the answer is decoded.

Of an answer about thousands of partitions no object per partition is left behind, neither for the memory nor for the
garbage collector. What the answer changes is `answer`'s to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aioproducer.cluster.view import NO_LEADER, NO_PARTITIONS, Brokers, PartitionTable, TopicView
from aioproducer.protocol.decoding import Takers
from aioproducer.protocol.messages.metadata import MetadataResponsePartition, MetadataResponseTopic

LEADER_NOT_AVAILABLE = 5


class Tables:
    """`topics`, by name, are as the answer has them: whether their leaders are brokers, and news, is not looked at. Of
    those that say what was `known` before, the known entry is kept: then a refresh leaves nothing new behind at all.
    """

    def __init__(self, known: Mapping[str, TopicView]) -> None:
        self._known = known
        self.topics: dict[str, TopicView] = {}
        self.takers: Takers = {MetadataResponseTopic: self._topic, MetadataResponsePartition: self._partition}
        # Most partitions are on the same few sets of brokers, and all on the same brokers; each is kept once.
        self._shared: dict[Brokers, Brokers] = {}
        self._ids: dict[int, int] = {}
        # Of thousands of topics in one answer, many look alike.
        self._alike: dict[PartitionTable, PartitionTable] = {}
        self._begin()

    def _begin(self) -> None:
        self._indexes: list[int] = []
        self._leaders: list[int] = []
        self._epochs: list[int] = []
        self._replicas: list[Brokers] = []
        self._isr: list[Brokers] = []
        self._offline: list[Brokers] = []

    def _partition(self, partition: MetadataResponsePartition) -> None:
        """One of the topic that comes next."""
        self._indexes.append(partition.partition_index)
        self._leaders.append(partition.leader_id)
        self._epochs.append(partition.leader_epoch)
        self._replicas.append(self._share(partition.replica_nodes))
        self._isr.append(self._share(partition.isr_nodes))
        self._offline.append(self._share(partition.offline_replicas))

    def _share(self, brokers: Sequence[int]) -> Brokers:
        key = tuple(brokers)
        shared = self._shared.get(key)
        if shared is None:
            shared = tuple(map(self._ids.setdefault, key, key))
            self._shared[shared] = shared
        return shared

    def _topic(self, topic: MetadataResponseTopic) -> None:
        # A topic without partitions is one whose creation has not come to an end.
        error_code = topic.error_code or (0 if self._indexes else LEADER_NOT_AVAILABLE)
        if topic.name is not None:
            table = NO_PARTITIONS if error_code else self._table()
            told = TopicView(topic.name, topic.topic_id, self._alike.setdefault(table, table), error_code)
            known = self._known.get(topic.name)
            self.topics[topic.name] = known if known == told else told
        self._begin()

    def _table(self) -> PartitionTable:
        count = len(self._indexes)
        if self._indexes == list(range(count)):
            return PartitionTable(self._leaders, self._epochs, self._replicas, self._isr, self._offline)
        # Not in order. What is told of a partition that is none is nobody's, and one that is missing has no leader.
        place = {index: position for position, index in enumerate(self._indexes)}
        at = [place.get(index) for index in range(count)]
        return PartitionTable(
            [NO_LEADER if position is None else self._leaders[position] for position in at],
            [-1 if position is None else self._epochs[position] for position in at],
            [() if position is None else self._replicas[position] for position in at],
            [() if position is None else self._isr[position] for position in at],
            [() if position is None else self._offline[position] for position in at],
        )
