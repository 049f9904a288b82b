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

from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from aioproducer.cluster.view import NO_LEADER, ClusterView, PartitionTable, TopicView
from aioproducer.models import Node
from aioproducer.protocol.messages.metadata import MetadataResponse
from aioproducer.protocol.primitives import ZERO_UUID
from aioproducer.work import Work

UNKNOWN_TOPIC_OR_PARTITION = 3
_EPOCHS_SINCE = 9


class Answer(NamedTuple):
    """A metadata answer, in which version it came, and the topics that were in it."""

    response: MetadataResponse
    version: int
    topics: Mapping[str, TopicView]


class Merged(NamedTuple):
    """changed: topics whose entry is another one now. news: whether anything that matters for sending is another now.
    unsettled: topics with an error, or with a partition without leader.
    """

    view: ClusterView
    changed: frozenset[str]
    news: bool
    unsettled: frozenset[str]


def merge(view: ClusterView, answer: Answer, *, asked: Collection[str]) -> Work[Merged]:
    """The view after `answer`, to a question for the topics `asked`.

    A topic that was asked for and is not in the answer counts as unknown; one that was not asked for is left out.
    """
    response = answer.response
    brokers = dict(_brokers(response))
    moved = None not in (view.cluster_id, response.cluster_id) and view.cluster_id != response.cluster_id
    merged = dict(view.topics)
    changed = set()
    unsettled = set()
    news = brokers != view.brokers
    for name in asked:
        known = merged.get(name)
        new = answer.topics.get(name) or TopicView(name, error_code=UNKNOWN_TOPIC_OR_PARTITION)
        if answer.version < _EPOCHS_SINCE:
            new = new._replace(partitions=new.partitions.without_epochs())
        elif known is not None and known is not new and not moved and _is_same(known, new):
            new = new._replace(partitions=_newest(new.partitions, known.partitions, brokers, view.brokers))
        if not brokers.keys() >= set(new.partitions.leaders):
            new = new._replace(partitions=new.partitions.led_by(brokers))
        if new.error_code or NO_LEADER in new.partitions.leaders:
            unsettled.add(name)
        if new != known:
            news = news or not _same_for_sending(new, known)
            changed.add(name)
            merged[name] = new
        yield 1 + len(new.partitions) // 10
    new_view = ClusterView(MappingProxyType(brokers), MappingProxyType(merged), response.cluster_id or view.cluster_id)
    return Merged(new_view, frozenset(changed), news, frozenset(unsettled))


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
    topics = {**view.topics, topic: known._replace(partitions=partitions)}
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


def _is_same(old: TopicView, new: TopicView) -> bool:
    """Whether it is the same topic, as far as is known, and not one made again."""
    return old.topic_id == new.topic_id or ZERO_UUID in (old.topic_id, new.topic_id)


def _newest(
    new: PartitionTable, old: PartitionTable, brokers: dict[int, Node], old_brokers: Mapping[int, Node]
) -> PartitionTable:
    """The new table, but for partitions whose leader was newer already. Such leaders stay among the `brokers`."""
    stale = [
        index for index, (epoch, known) in enumerate(zip(new.epochs, old.epochs, strict=False)) if 0 <= epoch < known
    ]
    for index in stale:
        leader = old.leaders[index]
        if leader in old_brokers:
            brokers.setdefault(leader, old_brokers[leader])
    return new.with_rows_of(old, stale) if stale else new


def _same_for_sending(new: TopicView, known: TopicView | None) -> bool:
    """Whether nothing has changed that matters for sending. Replicas that come and go do not."""
    return (
        known is not None
        and (new.error_code, new.topic_id) == (known.error_code, known.topic_id)
        and new.partitions.same_leaders(known.partitions)
    )
