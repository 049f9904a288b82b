"""The view of a large cluster: what it takes, and that its tables read like sequences."""

from __future__ import annotations

import gc
import tracemalloc
from random import Random

import pytest

from aioproducer.cluster.answer import merge
from aioproducer.cluster.view import ClusterView, PartitionTable, PartitionView
from aioproducer.protocol.messages.metadata import (
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from aioproducer.work import at_once
from tests.support.metadata import answered

BROKERS = tuple(MetadataResponseBroker(node_id=node_id, host="host", port=9092) for node_id in range(1000, 1100))


def answer(topics: int, partitions: int) -> MetadataResponse:
    """A hundred brokers with large ids, three replicas each, hardly two partitions alike."""
    random = Random(1)
    ids = [broker.node_id for broker in BROKERS]

    def partition(index: int) -> MetadataResponsePartition:
        replicas = tuple(random.sample(ids, 3))
        return MetadataResponsePartition(
            partition_index=index,
            leader_id=replicas[0],
            leader_epoch=random.randrange(10**6),
            replica_nodes=replicas,
            isr_nodes=replicas[:1] + replicas[1:],  # equal, and not the same object
        )

    return MetadataResponse(
        brokers=BROKERS,
        topics=tuple(
            MetadataResponseTopic(
                name=f"topic-{number}",
                topic_id=(number + 1).to_bytes(16),
                partitions=tuple(partition(index) for index in range(partitions)),
            )
            for number in range(topics)
        ),
    )


def table_of(*partitions: PartitionView) -> PartitionTable:
    return PartitionTable(
        [each.leader for each in partitions],
        [each.leader_epoch for each in partitions],
        [each.replicas for each in partitions],
        [each.isr for each in partitions],
        [each.offline for each in partitions],
    )


def test_topics_of_an_answer_that_look_alike_share_their_table() -> None:
    def topic(name: str, *replicas: int) -> MetadataResponseTopic:
        partition = MetadataResponsePartition(
            leader_id=1000, leader_epoch=3, replica_nodes=replicas, isr_nodes=replicas
        )
        return MetadataResponseTopic(name=name, topic_id=name.encode() * 16, partitions=(partition,))

    topics = (topic("a", 1000, 1001), topic("b", 1000, 1001), topic("c", 1000, 1002))
    response = MetadataResponse(brokers=BROKERS, topics=topics)
    view = at_once(merge(ClusterView(), answered(response), asked=["a", "b", "c"])).view
    tables = [view.topics[name].partitions for name in ("a", "b", "c")]
    assert tables[0] is tables[1]
    assert [table[0].replicas for table in tables] == [(1000, 1001), (1000, 1001), (1000, 1002)]


@pytest.mark.parametrize(("topics", "partitions", "limit"), [(1, 10_000, 150), (2000, 1, 1000)])
def test_what_a_known_partition_and_a_known_topic_take(topics: int, partitions: int, limit: int) -> None:
    """Beside it the accumulator's share has to fit into 200 bytes for a partition, and 2 KiB for a topic."""
    response = answer(topics, partitions)
    names = [f"topic-{number}" for number in range(topics)]
    gc.collect()
    tracemalloc.start()
    try:
        view = at_once(merge(ClusterView(), answered(response), asked=names)).view
        gc.collect()
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(view.topics) == topics
    assert size / max(topics, partitions) < limit


def test_a_table_reads_like_a_sequence() -> None:
    first = PartitionView(1, 5, (1, 2), (1,), (2,))
    second = PartitionView(2, 6, (2, 1), (2, 1), ())
    table = table_of(first, second)
    assert list(table) == [first, second]
    assert (table[0], table[-1], table[1:], len(table)) == (first, second, [second], 2)
    with pytest.raises(IndexError):
        table[2]
    same = table_of(first, second)
    assert table == same
    assert hash(table) == hash(same)
    assert table != [first, second]
    moved = table.with_leader(0, 2, 6)
    assert (moved[0], table[0]) == (PartitionView(2, 6, (1, 2), (1,), (2,)), first)
    assert moved != table
    assert not moved.same_leaders(table)
    assert repr(moved) == "<2 partitions with 1 leaders>"
    other_isr = table_of(first._replace(isr=()), second)
    assert other_isr != table
    assert other_isr.same_leaders(table)


def test_offline_replicas_of_some_partitions_are_theirs_alone() -> None:
    some = table_of(PartitionView(1, 4, (1, 2), (1,), (2,)), PartitionView(2, 4, (2, 1), (2, 1)))
    none = table_of(PartitionView(1, 4, (1, 2), (1,)), PartitionView(2, 4, (2, 1), (2, 1)))
    assert [each.offline for each in some] == [(2,), ()]
    assert [each.offline for each in none] == [(), ()]
    assert some != none
    assert some.led_by({1}).without_epochs()[0].offline == (2,)
    assert none.with_rows_of(some, [0]) == some
