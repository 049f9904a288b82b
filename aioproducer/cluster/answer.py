"""What one metadata answer changes: an old view and an answer in, a new view out (KIP-320, KIP-516, KIP-951). Pure.

1. Brokers are always all of them; topics are only those that the answer is about, the others stay.
2. An answer from a broker that lags behind must not undo what is known: a partition with an older leader epoch than
   the known one keeps the known entry, unless the topic, or the whole cluster, is another one by now.
3. Epochs count from version 9 of Metadata on; older brokers send epochs that may be behind their own leaders.
4. A leader that is no broker of the view is no leader: nobody could send to it.

When to ask, and for what, is `metadata`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from aioproducer.cluster.view import NO_LEADER, ClusterView, PartitionView, TopicView
from aioproducer.models import Node
from aioproducer.protocol.messages.metadata import (
    MetadataResponse,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from aioproducer.protocol.primitives import ZERO_UUID

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


def merge(view: ClusterView, response: MetadataResponse, *, version: int, asked: Collection[str]) -> Merged:
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
    for name in asked:
        old = None if moved else topics.get(name)
        new = _topic(name, answered.get(name), old, brokers, view.brokers, reliable=version >= _EPOCHS_SINCE)
        if new.error_code or any(partition.leader == NO_LEADER for partition in new.partitions):
            unsettled.add(name)
        known = topics.get(name)
        if new != known:
            news = news or _leadership(new) != _leadership(known)
            changed.add(name)
            topics[name] = new
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
    old = known.partitions[partition]
    if leader_epoch <= old.leader_epoch:
        return None
    brokers = view.brokers
    if endpoint is not None and endpoint.id == leader_id and _usable(endpoint) and brokers.get(leader_id) != endpoint:
        brokers = MappingProxyType({**brokers, leader_id: endpoint})
    elif leader_id not in brokers:
        return None
    partitions = list(known.partitions)
    partitions[partition] = old._replace(leader=leader_id, leader_epoch=leader_epoch, error_code=0)
    topics = {**view.topics, topic: replace(known, partitions=tuple(partitions))}
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


def _topic(
    name: str,
    answer: MetadataResponseTopic | None,
    old: TopicView | None,
    brokers: dict[int, Node],
    old_brokers: Mapping[int, Node],
    *,
    reliable: bool,
) -> TopicView:
    if answer is None:
        return TopicView(name, error_code=UNKNOWN_TOPIC_OR_PARTITION)
    if answer.error_code:
        return TopicView(name, answer.topic_id, error_code=answer.error_code)
    if not answer.partitions:
        # A topic without partitions is one whose creation has not come to an end.
        return TopicView(name, answer.topic_id, error_code=_LEADER_NOT_AVAILABLE)
    same = old is not None and (old.topic_id == answer.topic_id or ZERO_UUID in (old.topic_id, answer.topic_id))
    before = old.partitions if old is not None and same and reliable else ()
    partitions = [PartitionView(error_code=_LEADER_NOT_AVAILABLE)] * len(answer.partitions)
    for answered in answer.partitions:
        index = answered.partition_index
        if not 0 <= index < len(partitions):
            continue
        known = before[index] if index < len(before) else None
        if known is not None and 0 <= answered.leader_epoch < known.leader_epoch:
            if known.leader in old_brokers:
                brokers.setdefault(known.leader, old_brokers[known.leader])
            partitions[index] = known
        else:
            partitions[index] = _partition(answered, brokers, reliable=reliable)
    return TopicView(name, answer.topic_id, tuple(partitions))


def _partition(answered: MetadataResponsePartition, brokers: Mapping[int, Node], *, reliable: bool) -> PartitionView:
    led = answered.leader_id in brokers
    return PartitionView(
        leader=answered.leader_id if led else NO_LEADER,
        leader_epoch=answered.leader_epoch if reliable else -1,
        error_code=answered.error_code if led else answered.error_code or _LEADER_NOT_AVAILABLE,
        replicas=tuple(answered.replica_nodes),
        isr=tuple(answered.isr_nodes),
        offline=tuple(answered.offline_replicas),
    )


def _leadership(topic: TopicView | None) -> object:
    """What of a topic matters for sending to it. Replicas that come and go do not."""
    if topic is None:
        return None
    return topic.error_code, topic.topic_id, [(each.leader, each.leader_epoch) for each in topic.partitions]
