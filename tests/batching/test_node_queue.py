"""What one broker has to be sent: fairness, the one timer, and when the sender is woken."""

from __future__ import annotations

from aioproducer.batching.node_queue import NodeQueue
from aioproducer.batching.partition_queue import PartitionQueue


def node_and_queues(count: int) -> tuple[NodeQueue, list[PartitionQueue], list[int]]:
    node = NodeQueue(3)
    wakes: list[int] = []
    node.wake = lambda: wakes.append(1)
    queues = [PartitionQueue("orders", partition) for partition in range(count)]
    for queue in queues:
        queue.node = node
    return node, queues, wakes


def test_a_node_without_a_sender_wakes_nobody() -> None:
    NodeQueue(3).put(PartitionQueue("orders", 0))


def test_ready_ones_are_served_in_turn_and_wake_once() -> None:
    node, queues, wakes = node_and_queues(2)
    for queue in queues:
        node.put(queue)
    assert list(node.ready) == queues
    assert len(wakes) == 1
    assert node.next_ready() is queues[0]
    node.strike(queues[0])
    assert list(node.ready) == [queues[1]]
    node.put(queues[0])
    assert list(node.ready) == [queues[1], queues[0]]


def test_timers_come_in_the_order_of_time() -> None:
    node, (late, early), wakes = node_and_queues(2)
    assert node.next_look is None
    node.look_at(late, 5.0)
    node.look_at(early, 2.0)
    assert len(wakes) == 2
    assert node.next_look == 2.0
    assert node.due(1.9) == []
    assert node.due(2.0) == [early]
    assert node.next_look == 5.0
    assert node.due(9.0) == [late]
    assert node.next_look is None


def test_a_later_timer_wakes_nobody() -> None:
    node, (first, second), wakes = node_and_queues(2)
    node.look_at(first, 1.0)
    node.look_at(second, 2.0)
    assert len(wakes) == 1


def test_a_partition_has_one_timer_the_earliest() -> None:
    node, (queue,), wakes = node_and_queues(1)
    node.look_at(queue, 5.0)
    node.look_at(queue, 7.0)
    node.look_at(queue, 5.0)
    assert len(wakes) == 1
    node.look_at(queue, 3.0)
    assert node.next_look == 3.0
    assert node.due(10.0) == [queue], "the entry for 5.0 is void"
    assert node.next_look is None
    assert repr(node) == "<NodeQueue of broker 3: 0 ready, 0 timers>"


def test_timers_of_partitions_that_have_moved_are_void() -> None:
    node, (gone, here), _ = node_and_queues(2)
    node.look_at(gone, 1.0)
    node.look_at(here, 2.0)
    node.put(gone)
    node.forget(gone)
    assert not node.ready
    assert node.next_look == 2.0
    assert node.due(9.0) == [here]


def test_timers_do_not_pile_up() -> None:
    node, (queue,), _ = node_and_queues(1)
    for when in range(1000, 0, -1):
        node.look_at(queue, float(when))
    assert node.due(1.0) == [queue]
    assert node.next_look is None
    assert "0 timers" in repr(node)
