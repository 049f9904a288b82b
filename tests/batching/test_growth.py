"""What many topics and partitions cost in the accumulator: linear work, and little memory for those that rest.

Work is counted in looks at queues and memory with tracemalloc; nothing is timed.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import pytest

from aioproducer.batching.node_queue import NodeQueue
from aioproducer.batching.partition_queue import PartitionQueue
from aioproducer.batching.topic import Layout
from tests.support.batching import Core, OpenGate

TOPIC_BYTES = 2048
PARTITION_BYTES = 200


class CountingGate(OpenGate):
    """Counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    def may_send(self, queue: PartitionQueue) -> bool:
        self.looks += 1
        return super().may_send(queue)


class Operations:
    """How often a node's queue was asked to list a partition, and to look at one again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.listed = 0
        self.timers = 0
        put, look_at = NodeQueue.put, NodeQueue.look_at

        def counting_put(node: NodeQueue, queue: PartitionQueue) -> None:
            self.listed += 1
            put(node, queue)

        def counting_look_at(node: NodeQueue, queue: PartitionQueue, when: float) -> None:
            self.timers += 1
            look_at(node, queue, when)

        monkeypatch.setattr(NodeQueue, "put", counting_put)
        monkeypatch.setattr(NodeQueue, "look_at", counting_look_at)


def _hurry(core: Core) -> None:
    core.accumulator.hurry()


def _linger(core: Core) -> None:
    core.now += 10.0


@pytest.mark.parametrize("begin", [_hurry, _linger])
def test_one_record_in_each_of_many_partitions_is_drained_in_linear_work(
    begin: Callable[[Core], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    operations = Operations(monkeypatch)

    def cost(partitions: int) -> tuple[int, int, int]:
        operations.listed = operations.timers = 0
        gate = CountingGate()
        core = Core(gate=gate, buffer_memory=1 << 26, linger=10.0)
        for number in range(partitions // 2):
            core.know(f"topic-{number}", 0, 0)
            for partition in range(2):
                core.send(f"topic-{number}", b"x" * 100, partition=partition)
        begin(core)
        sent = 0
        while batches := core.drain():
            sent += len(batches)
            core.acknowledge(*batches)
        assert sent == partitions
        assert core.accumulator.buffered == 0
        return gate.looks, operations.listed, operations.timers

    few, many = cost(1_250), cost(10_000)
    # A handful for each partition, whatever their number; the margin is for the requests, which hold more than one.
    assert all(count <= 6 * 1_250 for count in few)
    assert all(most <= 8.5 * count for count, most in zip(few, many, strict=True))


def test_drained_in_many_small_requests_it_is_linear_too(monkeypatch: pytest.MonkeyPatch) -> None:
    operations = Operations(monkeypatch)

    def cost(partitions: int) -> int:
        operations.listed = 0
        gate = CountingGate()
        core = Core(gate=gate, buffer_memory=1 << 26, linger=10.0)
        core.know("orders", *[0] * partitions)
        for partition in range(partitions):
            core.send(value=b"x" * 100, partition=partition)
        core.accumulator.hurry()
        while batches := core.drain(limit=2_000):
            core.acknowledge(*batches)
        assert core.accumulator.buffered == 0
        return gate.looks + operations.listed

    few, many = cost(1_250), cost(10_000)
    assert few <= 6 * 1_250
    assert many <= 8.5 * few


def _nothing() -> None:
    pass


def _taken(step: Callable[[], None], before: Callable[[], None] = _nothing) -> int:
    """Bytes that `step` leaves allocated more than there were. What `before` leaves may be replaced."""
    gc.collect()
    tracemalloc.start()
    try:
        before()
        gc.collect()
        already = tracemalloc.get_traced_memory()[0]
        step()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - already
    finally:
        tracemalloc.stop()


def _known(topics: int, partitions: int) -> tuple[Core, int]:
    """A core that knows so many topics that nothing was sent to, and the bytes that they take."""
    core = Core()
    names = [f"topic-{number:05}" for number in range(topics)]
    # As from an answer: a list of its own for each topic.
    layouts = [Layout([partition % 3 for partition in range(partitions)]) for _ in names]

    def step() -> None:
        for name, layout in zip(names, layouts, strict=True):
            core.intake.topic(name)
            core.intake.topic_known(name, layout, core.now)

    taken = _taken(step)
    # What comes with the metadata and is kept by the topic counts as the topic's.
    kept = sum(layout.__sizeof__() + layout.leaders.__sizeof__() for layout in layouts)
    return core, taken + kept


def test_a_topic_that_is_known_and_never_used_takes_less_than_two_kib() -> None:
    topics = 1_000
    core, taken = _known(topics, 1)
    assert len(core.intake.topics) == topics
    assert taken / topics < TOPIC_BYTES


def test_a_partition_that_is_known_and_never_used_takes_less_than_two_hundred_bytes() -> None:
    partitions = 10_000
    core, taken = _known(1, partitions)
    assert core.intake.topics["topic-00000"].width == partitions
    assert taken / partitions < PARTITION_BYTES


def test_a_partition_that_was_written_to_and_rests_takes_less_than_two_hundred_bytes() -> None:
    """All at the same time: neither their queues nor what held them at the peak keep its memory."""
    partitions = 10_000
    gate = OpenGate()
    core = Core(gate=gate, linger=10.0, buffer_memory=1 << 26)
    numbers = list(range(partitions))

    def use() -> None:
        core.know("orders", *[0] * partitions)
        for partition in numbers:
            core.send(value=b"x" * 100, partition=partition)
        core.accumulator.hurry()
        while batches := core.drain():
            core.acknowledge(*batches)
        core.now += 10.0  # when the timers of the lingers come
        assert not core.drain()
        core.loop.turn()
        gate.stamped.clear()  # the test's own memory

    taken = _taken(use)
    assert core.accumulator.buffered == 0
    assert taken / partitions < PARTITION_BYTES - 24, "what the metadata knows of it takes the rest"


def test_topics_that_rest_leave_nothing_of_their_records_behind() -> None:
    """A second record to each partition of each topic, settled like the first, takes no memory."""
    topics = 500
    gate = OpenGate()
    core = Core(gate=gate, linger=0.0)
    for number in range(topics):
        core.know(f"topic-{number}", 0, 0)

    def round_trip() -> None:
        for number in range(topics):
            for partition in range(2):
                core.send(f"topic-{number}", b"x" * 100, partition=partition)
        while batches := core.drain():
            core.acknowledge(*batches)
        core.loop.turn()
        gate.stamped.clear()  # the test's own memory

    taken = _taken(round_trip, before=round_trip)
    assert core.accumulator.buffered == 0
    assert taken < 2 * topics * 20
