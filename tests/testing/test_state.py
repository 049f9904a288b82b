from __future__ import annotations

import random

import pytest

from aioproducer.testing.codes import Code, RefusedError
from aioproducer.testing.reader import read_header
from aioproducer.testing.state import NO_LEADER, BrokerState, ClusterState, Partition
from aioproducer.testing.topics import TopicConfig
from tests.testing.wire import NOW, batch


def cluster(brokers: int = 3) -> ClusterState:
    return ClusterState(
        brokers={n: BrokerState(n, "h", n, up=True) for n in range(1, brokers + 1)},
        clock=lambda: NOW,
        randomness=random.Random(0),
        defaults=TopicConfig(),
        cluster_id="c",
        auto_create_topics=True,
        num_partitions=1,
        default_replication_factor=brokers,
    )


def append(partition: Partition, sequence: int) -> None:
    data = batch(base_offset=partition.log.end_offset, producer=(1, 0, sequence))
    partition.log.append(data)
    partition.producers.appended(read_header(data), partition.log.end_offset - 1, 0)
    partition.replicate()


@pytest.fixture
def state() -> ClusterState:
    return cluster()


@pytest.fixture
def partition(state: ClusterState) -> Partition:
    return state.create_topic("t", 1, 3, TopicConfig()).partitions[0]


def test_leaders_are_dealt_in_turn(state: ClusterState) -> None:
    topic = state.create_topic("t", 4, 2, TopicConfig())
    assert [p.replicas for p in topic.partitions] == [(1, 2), (2, 3), (3, 1), (1, 2)]
    assert [p.leader for p in topic.partitions] == [1, 2, 3, 1]


@pytest.mark.parametrize(
    ("name", "partitions", "factor", "assignments", "code"),
    [
        ("a b", 1, 1, None, Code.INVALID_TOPIC_EXCEPTION),
        ("t", 1, 1, None, Code.TOPIC_ALREADY_EXISTS),
        ("n", 0, 1, None, Code.INVALID_PARTITIONS),
        ("n", 1, 0, None, Code.INVALID_REPLICATION_FACTOR),
        ("n", 1, 4, None, Code.INVALID_REPLICATION_FACTOR),
        ("n", 1, 1, {0: (1, 1)}, Code.INVALID_REPLICA_ASSIGNMENT),
        ("n", 1, 1, {0: (9,)}, Code.INVALID_REPLICA_ASSIGNMENT),
        ("n", 1, 1, {1: (1,)}, Code.INVALID_REPLICA_ASSIGNMENT),
    ],
)
def test_topics_that_can_not_be(
    state: ClusterState,
    partition: Partition,
    name: str,
    partitions: int,
    factor: int,
    assignments: dict[int, tuple[int, ...]] | None,
    code: Code,
) -> None:
    with pytest.raises(RefusedError) as caught:
        state.create_topic(name, partitions, factor, TopicConfig(), assignments)
    assert caught.value.code is code
    assert list(state.topics) == ["t"]


def test_a_topic_made_again_is_another(state: ClusterState) -> None:
    first = state.create_topic("t", 1, 1, TopicConfig()).topic_id
    state.delete_topic("t")
    second = state.create_topic("t", 1, 1, TopicConfig()).topic_id
    assert first != second
    assert state.topic_by_id(first) is None


def test_topics_grow_and_do_not_shrink(state: ClusterState, partition: Partition) -> None:
    state.add_partitions("t", 3)
    assert [p.leader for p in state.topics["t"].partitions] == [1, 2, 3]
    with pytest.raises(ValueError, match="total=3"):
        state.add_partitions("t", 3)


def test_what_does_not_exist_is_named_with_what_does(state: ClusterState, partition: Partition) -> None:
    with pytest.raises(LookupError, match=r"t\[1\].*\{'t': 1\}"):
        state.partition("t", 1)
    with pytest.raises(LookupError, match=r"'x'.*\['t'\]"):
        state.topic("x")
    with pytest.raises(LookupError, match=r"broker 9.*\[1, 2, 3\]"):
        state.broker(9)
    assert state.find("t", -1) is None


def test_leaders_move_to_the_next_replica_and_epochs_grow(state: ClusterState, partition: Partition) -> None:
    assert [state.move_leader("t", 0) for _ in range(4)] == [2, 3, 1, 2]
    assert partition.leader_epoch == 4
    assert state.move_leader("t", 0, to=2) == 2
    assert partition.leader_epoch == 4


def test_only_in_sync_replicas_that_run_can_lead(state: ClusterState, partition: Partition) -> None:
    state.set_isr("t", 0, [1, 3])
    with pytest.raises(ValueError, match="to=2"):
        state.move_leader("t", 0, to=2)
    state.brokers[3].up = False
    with pytest.raises(ValueError, match="no other in-sync"):
        state.move_leader("t", 0)


def test_the_isr_has_the_leader_in_it(state: ClusterState, partition: Partition) -> None:
    for isr in ([2, 3], [1, 9]):
        with pytest.raises(ValueError, match="isr="):
            state.set_isr("t", 0, isr)
    state.set_isr("t", 0, [1])
    state.set_isr("t", 0, None)
    assert partition.isr == (1, 2, 3)


def test_a_lost_broker_leaves_the_isr_and_hands_over(state: ClusterState, partition: Partition) -> None:
    state.broker_lost(1)
    assert (partition.leader, partition.leader_epoch, partition.isr) == (2, 1, (2, 3))
    state.broker_lost(2)
    assert (partition.leader, partition.isr) == (3, (3,))
    state.broker_lost(3)
    assert (partition.leader, partition.isr) == (NO_LEADER, (3,))
    state.broker_back(1)
    assert partition.leader == NO_LEADER
    state.broker_back(3)
    assert (partition.leader, partition.leader_epoch, partition.isr) == (3, 4, (3,))
    state.broker_back(1)
    assert partition.isr == (1, 3)


def test_new_topics_avoid_lost_brokers(state: ClusterState) -> None:
    state.broker_lost(1)
    partition = state.create_topic("t", 1, 2, TopicConfig()).partitions[0]
    assert (partition.replicas, partition.isr, partition.leader) == ((1, 2), (2,), 2)
    alone = state.create_topic("u", 1, 1, TopicConfig()).partitions[0]
    assert (alone.isr, alone.leader) == ((1,), NO_LEADER)


def test_held_followers_keep_the_high_watermark_down(state: ClusterState, partition: Partition) -> None:
    append(partition, 0)
    state.hold_replication("t", 0, hold=True)
    append(partition, 1)
    assert (partition.log.high_watermark, partition.log.end_offset) == (1, 2)
    state.hold_replication("t", 0, hold=False)
    assert partition.log.high_watermark == 2


def test_without_followers_in_sync_there_is_nothing_to_hold(state: ClusterState, partition: Partition) -> None:
    state.hold_replication("t", 0, hold=True)
    append(partition, 0)
    state.set_isr("t", 0, [1])
    assert partition.log.high_watermark == 1


def test_a_new_leader_lacks_what_was_not_copied_and_knows_the_producers_of_the_rest(
    state: ClusterState, partition: Partition
) -> None:
    append(partition, 0)
    state.hold_replication("t", 0, hold=True)
    append(partition, 1)
    state.move_leader("t", 0)
    assert partition.log.end_offset == 1
    (entry,) = partition.producers.entries.values()
    assert [b.last_sequence for b in entry.batches] == [0]


def test_nothing_is_lost_by_the_death_of_a_leader_whose_followers_stood_still_if_it_comes_back(
    state: ClusterState, partition: Partition
) -> None:
    state.set_isr("t", 0, [1])
    append(partition, 0)
    state.broker_lost(1)
    state.broker_back(1)
    assert (partition.log.end_offset, partition.leader) == (1, 1)


def test_listeners_hear_of_changes(state: ClusterState, partition: Partition) -> None:
    heard: list[int] = []
    state.listeners.append(lambda: heard.append(1))
    state.move_leader("t", 0)
    state.set_isr("t", 0, None)
    state.broker_lost(1)
    state.broker_back(1)
    state.delete_topic("t")
    assert len(heard) == 5


def test_producer_ids_are_new_each_time(state: ClusterState) -> None:
    assert len({state.new_producer_id() for _ in range(5)}) == 5


def test_repr_says_who_leads(state: ClusterState, partition: Partition) -> None:
    state.hold_replication("t", 0, hold=True)
    assert repr(partition) == "<t[0] leader=1 epoch=0 isr=(1, 2, 3) held>"


def test_nobody_gets_in_sync_while_there_is_no_leader(state: ClusterState, partition: Partition) -> None:
    state.set_isr("t", 0, [1])
    state.brokers[1].up = False
    state.broker_lost(1)
    state.set_isr("t", 0, None)
    assert (partition.leader, partition.isr) == (NO_LEADER, (1,))
    state.broker_back(1)
    assert (partition.leader, partition.isr) == (1, (1,))


def test_a_leader_that_begins_from_a_snapshot_knows_the_last_batch_alone(
    state: ClusterState, partition: Partition
) -> None:
    for sequence in range(3):
        append(partition, sequence)
    state.broker_back(2, from_snapshot=True)
    assert len(partition.producers.entries[1].batches) == 3, "it does not lead"
    state.broker_back(1, from_snapshot=True)
    (last,) = partition.producers.entries[1].batches
    assert last.first_sequence == 2
