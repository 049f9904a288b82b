"""What one metadata answer changes: an old view and an answer in, a new view out (KIP-320, KIP-516, KIP-951). Pure.

1. Brokers are always all of them; topics are only those that the answer is about, the others stay.
2. An answer from a broker that lags behind must not undo what is known: a partition with an older leader epoch than
   the known one keeps the known entry, unless the topic, or the whole cluster, is another one by now.
3. Epochs count from version 9 of Metadata on; older brokers send epochs that may be behind their own leaders.
4. A leader that is no broker of the view is no leader: nobody could send to it.
5. An answer may be about thousands of partitions: it is merged step by step (see `work`).

When to ask, and for what, is `metadata`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from aioproducer.cluster.view import NO_LEADER, NO_PARTITIONS, Brokers, ClusterView, PartitionTable, TopicView
from aioproducer.models import Node
from aioproducer.protocol.messages.metadata import (
    MetadataResponse,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from aioproducer.protocol.primitives import ZERO_UUID
from aioproducer.work import Work

UNKNOWN_TOPIC_OR_PARTITION = 3
_LEADER_NOT_AVAILABLE = 5
_EPOCHS_SINCE = 9


class Merged(NamedTuple):
    """changed: topics whose entry is another one now. news: whether anything that matters for sending is another now.
    unsettled: topics with an error, or with a partition without leader.
    """

    view: ClusterView
    changed: frozenset[str]
    news: bool
    unsettled: frozenset[str]


def merge(view: ClusterView, response: MetadataResponse, *, version: int, asked: Collection[str]) -> Work[Merged]:
    """The view after `response`, an answer in `version` to a question for the topics `asked`.

    A topic that was asked for and is not in the answer counts as unknown; one that was not asked for is left out.
    """
    brokers = dict(_brokers(response))
    moved = None not in (view.cluster_id, response.cluster_id) and view.cluster_id != response.cluster_id
    answered = {topic.name: topic for topic in response.topics if topic.name is not None}
    topics = dict(view.topics)
    changed = set()
    unsettled = set()
    news = brokers != view.brokers
    tables = _Tables(brokers, view.brokers, reliable=version >= _EPOCHS_SINCE)
    for name in asked:
        known = topics.get(name)
        new = yield from _topic(name, answered.get(name), None if moved else known, tables)
        if new.error_code or NO_LEADER in new.partitions.leaders:
            unsettled.add(name)
        if new != known:
            news = news or not _same_for_sending(new, known)
            changed.add(name)
            topics[name] = new
        yield 1
    merged = ClusterView(MappingProxyType(brokers), MappingProxyType(topics), response.cluster_id or view.cluster_id)
    return Merged(merged, frozenset(changed), news, frozenset(unsettled))


def with_leader(
    view: ClusterView, topic: str, partition: int, leader_id: int, leader_epoch: int, endpoint: Node | None
) -> ClusterView | None:
    """The view after a produce answer named a new leader (KIP-951); None if that says nothing new or usable.

    `endpoint` is where that leader is; it may be left out for a broker that is known.
    """
    known = view.topics.get(topic)
    if known is None or not 0 <= partition < len(known.partitions) or leader_id < 0:
        return None
    if leader_epoch <= known.partitions.epochs[partition]:
        return None
    brokers = view.brokers
    if endpoint is not None and endpoint.id == leader_id and _usable(endpoint) and brokers.get(leader_id) != endpoint:
        brokers = MappingProxyType({**brokers, leader_id: endpoint})
    elif leader_id not in brokers:
        return None
    partitions = known.partitions.with_leader(partition, leader_id, leader_epoch)
    topics = {**view.topics, topic: replace(known, partitions=partitions)}
    return ClusterView(brokers, MappingProxyType(topics), view.cluster_id)


def without(view: ClusterView, forgotten: Collection[str]) -> ClusterView:
    """The view without some topics."""
    topics = {name: topic for name, topic in view.topics.items() if name not in forgotten}
    return ClusterView(view.brokers, MappingProxyType(topics), view.cluster_id)


def _brokers(response: MetadataResponse) -> Iterator[tuple[int, Node]]:
    for broker in response.brokers:
        node = Node(broker.node_id, broker.host, broker.port, broker.rack)
        if _usable(node):
            yield node.id, node


def _usable(node: Node) -> bool:
    """Whether there is something to dial: negative ids stand for bootstrap servers, port 0 for "no listener"."""
    return node.id >= 0 and bool(node.host) and 0 < node.port < 65536


def _topic(name: str, answer: MetadataResponseTopic | None, old: TopicView | None, tables: _Tables) -> Work[TopicView]:
    if answer is None:
        return TopicView(name, error_code=UNKNOWN_TOPIC_OR_PARTITION)
    if answer.error_code:
        return TopicView(name, answer.topic_id, error_code=answer.error_code)
    if not answer.partitions:
        # A topic without partitions is one whose creation has not come to an end.
        return TopicView(name, answer.topic_id, error_code=_LEADER_NOT_AVAILABLE)
    same = old is not None and (old.topic_id == answer.topic_id or ZERO_UUID in (old.topic_id, answer.topic_id))
    table = yield from tables.make(answer.partitions, old.partitions if old is not None and same else NO_PARTITIONS)
    return TopicView(name, answer.topic_id, table)


class _Tables:
    """Makes the tables of partitions of one answer. `brokers` grows by leaders that are kept from the view before.

    reliable: whether the epochs of the answer are.
    """

    def __init__(self, brokers: dict[int, Node], old_brokers: Mapping[int, Node], *, reliable: bool) -> None:
        self._brokers = brokers
        self._old_brokers = old_brokers
        self._reliable = reliable
        # Most partitions are on the same few sets of brokers; each is kept once.
        self._shared: dict[Brokers, Brokers] = {}

    def make(self, answered: Sequence[MetadataResponsePartition], before: PartitionTable) -> Work[PartitionTable]:
        """The table of one topic; `before`: what was known of it, nothing for a topic that is another one now."""
        count = len(answered)
        leaders, epochs = [NO_LEADER] * count, [-1] * count
        replicas: list[Brokers] = [()] * count
        isr, offline = replicas[:], replicas[:]
        share = self._shared.setdefault
        for partition in answered:
            index = partition.partition_index
            if not 0 <= index < count:
                continue
            epoch = partition.leader_epoch if self._reliable else -1
            if index < len(before) and 0 <= epoch < before.epochs[index]:
                leaders[index], epochs[index], replicas[index], isr[index], offline[index] = before[index]
                self._keep(leaders[index])
            else:
                if partition.leader_id in self._brokers:
                    leaders[index] = partition.leader_id
                epochs[index] = epoch
                replicas[index] = share(key := tuple(partition.replica_nodes), key)
                isr[index] = share(key := tuple(partition.isr_nodes), key)
                offline[index] = share(key := tuple(partition.offline_replicas), key)
            yield 1
        return PartitionTable(leaders, epochs, replicas, isr, offline)

    def _keep(self, leader: int) -> None:
        if leader in self._old_brokers:
            self._brokers.setdefault(leader, self._old_brokers[leader])


def _same_for_sending(new: TopicView, known: TopicView | None) -> bool:
    """Whether nothing has changed that matters for sending. Replicas that come and go do not."""
    return (
        known is not None
        and (new.error_code, new.topic_id) == (known.error_code, known.topic_id)
        and new.partitions.same_leaders(known.partitions)
    )
