"""What answers change: epochs, topic ids, brokers that come and go, hostile ones, KIP-951."""

from __future__ import annotations

import pytest

from aioproducer.cluster.answer import Merged, merge, with_leader, without
from aioproducer.cluster.view import NO_PARTITIONS, ClusterView, PartitionView
from aioproducer.models import Node
from aioproducer.protocol.messages.metadata import (
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from aioproducer.protocol.primitives import ZERO_UUID
from aioproducer.work import at_once
from tests.support.metadata import answered

ID_1, ID_2 = (1).to_bytes(16), (2).to_bytes(16)
NODES = {1: Node(1, "one", 9092), 2: Node(2, "two", 9092)}


def partition(index: int, leader: int, epoch: int = -1, error: int = 0) -> MetadataResponsePartition:
    return MetadataResponsePartition(
        partition_index=index,
        leader_id=leader,
        leader_epoch=epoch,
        error_code=error,
        replica_nodes=(1, 2),
        isr_nodes=(1,),
    )


def topic(*partitions: MetadataResponsePartition, topic_id: bytes = ID_1, error: int = 0) -> MetadataResponseTopic:
    return MetadataResponseTopic(name="orders", topic_id=topic_id, partitions=partitions, error_code=error)


def answer(
    *topics: MetadataResponseTopic, brokers: tuple[int, ...] = (1, 2), cluster: str | None = "c"
) -> MetadataResponse:
    return MetadataResponse(
        brokers=tuple(MetadataResponseBroker(node_id=each, host=NODES[each].host, port=9092) for each in brokers),
        topics=topics,
        cluster_id=cluster,
    )


def after(view: ClusterView, response: MetadataResponse, version: int = 12) -> Merged:
    return at_once(merge(view, answered(response, version, known=view.topics), asked=("orders",)))


def leaders(merged: Merged) -> list[tuple[int, int]]:
    return [(each.leader, each.leader_epoch) for each in merged.view.topics["orders"].partitions]


def test_the_first_answer() -> None:
    merged = after(ClusterView(), answer(topic(partition(1, 2, 7), partition(0, 1, 5))))
    assert merged.view.brokers == NODES
    assert merged.view.cluster_id == "c"
    assert leaders(merged) == [(1, 5), (2, 7)]
    assert (merged.changed, merged.news, merged.unsettled) == (frozenset({"orders"}), True, frozenset())
    assert merged.view.leader("orders", 1) == NODES[2]
    assert merged.view.leader("orders", 2) is None
    assert merged.view.leader("other", 0) is None
    infos = merged.view.partition_infos("orders")
    assert (infos[0].leader, infos[0].replicas, infos[0].in_sync_replicas) == (NODES[1], (1, 2), (1,))
    assert merged.view.partition_infos("other") == ()


def test_the_same_answer_again_is_no_news() -> None:
    first = after(ClusterView(), answer(topic(partition(0, 1, 5))))
    again = after(first.view, answer(topic(partition(0, 1, 5))))
    assert (again.changed, again.news) == (frozenset(), False)


def test_what_is_as_before_stays_the_same_object() -> None:
    first = after(ClusterView(), answer(topic(partition(0, 1, 5))))
    again = after(first.view, answer(topic(partition(0, 1, 5))))
    assert again.view.topics["orders"] is first.view.topics["orders"]
    without_leader = after(first.view, answer(topic(partition(0, 1, 5)), brokers=(2,)))
    assert leaders(without_leader) == [(-1, 5)], "though the topic is as before"
    assert without_leader.unsettled == {"orders"}


def test_partitions_in_any_order_and_one_that_is_missing() -> None:
    merged = after(ClusterView(), answer(topic(partition(2, 1, 7), partition(0, 2, 5), partition(7, 1, 9))))
    assert leaders(merged) == [(2, 5), (-1, -1), (1, 7)]
    assert merged.unsettled == {"orders"}


def test_a_change_of_replicas_is_a_change_and_no_news() -> None:
    first = after(ClusterView(), answer(topic(partition(0, 1, 5))))
    other = MetadataResponsePartition(
        partition_index=0, leader_id=1, leader_epoch=5, replica_nodes=(1, 2), isr_nodes=(1, 2)
    )
    again = after(first.view, answer(topic(other)))
    assert (again.changed, again.news) == (frozenset({"orders"}), False)


@pytest.mark.parametrize(
    ("version", "epoch", "topic_id", "cluster", "expected"),
    [
        (12, 4, ID_1, "c", (1, 5)),  # older: ignored
        (12, 5, ID_1, "c", (2, 5)),  # equal: taken
        (12, 6, ID_1, "c", (2, 6)),
        (12, 4, ID_2, "c", (2, 4)),  # another topic by the same name
        (12, 4, ID_1, "d", (2, 4)),  # another cluster
        (12, 4, ZERO_UUID, "c", (1, 5)),  # no id: the epoch decides
        (12, -1, ID_1, "c", (2, -1)),  # no epoch: taken
        (8, 4, ID_1, "c", (2, -1)),  # too old a version to trust its epochs
    ],
)
def test_epochs(version: int, epoch: int, topic_id: bytes, cluster: str, expected: tuple[int, int]) -> None:
    first = after(ClusterView(), answer(topic(partition(0, 1, 5))))
    second = after(first.view, answer(topic(partition(0, 2, epoch), topic_id=topic_id), cluster=cluster), version)
    assert leaders(second) == [expected]


def test_a_leader_kept_from_a_stale_answer_stays_reachable() -> None:
    first = after(ClusterView(), answer(topic(partition(0, 2, 5))))
    second = after(first.view, answer(topic(partition(0, 1, 4)), brokers=(1,)))
    assert second.view.leader("orders", 0) == NODES[2]


def test_a_leader_that_is_no_broker_is_none() -> None:
    merged = after(ClusterView(), answer(topic(partition(0, 2, 5), partition(1, -1, 5, error=5)), brokers=(1,)))
    assert merged.view.topics["orders"].partitions[0] == PartitionView(-1, 5, (1, 2), (1,))
    assert merged.unsettled == {"orders"}


@pytest.mark.parametrize("error", [3, 5, 17, 29])
def test_an_error_takes_the_partitions_away_and_success_brings_any_epoch_back(error: int) -> None:
    first = after(ClusterView(), answer(topic(partition(0, 1, 5))))
    second = after(first.view, answer(topic(error=error)))
    assert second.view.topics["orders"].error_code == error
    assert second.view.topics["orders"].partitions == NO_PARTITIONS
    assert (second.unsettled, second.news) == (frozenset({"orders"}), True)
    assert leaders(after(second.view, answer(topic(partition(0, 1, 0))))) == [(1, 0)]


def test_a_topic_that_is_left_out_is_unknown_and_one_that_was_not_asked_for_is_ignored() -> None:
    stray = MetadataResponseTopic(name="stray", partitions=(partition(0, 1),))
    nameless = MetadataResponseTopic(name=None, partitions=(partition(0, 1),))
    merged = after(ClusterView(), answer(stray, nameless))
    assert {name: each.error_code for name, each in merged.view.topics.items()} == {"orders": 3}


def test_hostile_partitions_and_brokers() -> None:
    wild = (partition(-1, 1), partition(2**31 - 1, 1), partition(0, 1, 3))
    merged = after(ClusterView(), answer(topic(*wild)))
    assert leaders(merged) == [(1, 3), (-1, -1), (-1, -1)]
    assert after(ClusterView(), answer(topic())).view.topics["orders"].error_code == 5
    brokers = tuple(
        MetadataResponseBroker(node_id=node_id, host=host, port=port)
        for node_id, host, port in ((-1, "a", 1), (1, "", 1), (2, "b", 0), (3, "c", 65536), (4, "d", 65535))
    )
    assert list(at_once(merge(ClusterView(), answered(MetadataResponse(brokers=brokers)), asked=())).view.brokers) == [
        4
    ]


def test_a_produce_answer_names_a_leader() -> None:
    view = after(ClusterView(), answer(topic(partition(0, 1, 5), partition(1, 1, 5)))).view
    new = with_leader(view, "orders", 0, 2, 6, None)
    assert new is not None
    assert [(each.leader, each.leader_epoch) for each in new.topics["orders"].partitions] == [(2, 6), (1, 5)]
    assert view.topics["orders"].partitions[0].leader == 1, "views do not change"
    moved = with_leader(view, "orders", 0, 3, 6, Node(3, "three", 9092))
    assert moved is not None
    assert moved.leader("orders", 0) == Node(3, "three", 9092)


@pytest.mark.parametrize(
    ("name", "index", "leader", "epoch", "endpoint"),
    [
        ("orders", 0, 2, 5, None),  # not newer
        ("orders", 0, 3, 6, None),  # nobody knows where it is
        ("orders", 0, 3, 6, Node(4, "four", 9092)),
        ("orders", 0, 3, 6, Node(3, "three", 0)),
        ("orders", 0, -1, 6, None),
        ("orders", 1, 2, 6, None),
        ("other", 0, 2, 6, None),
    ],
)
def test_a_produce_answer_of_no_use(name: str, index: int, leader: int, epoch: int, endpoint: Node | None) -> None:
    view = after(ClusterView(), answer(topic(partition(0, 1, 5)))).view
    assert with_leader(view, name, index, leader, epoch, endpoint) is None


def test_forgetting() -> None:
    view = after(ClusterView(), answer(topic(partition(0, 1, 5)))).view
    assert without(view, {"orders"}).topics == {}
    assert without(view, {"orders"}).brokers == NODES
