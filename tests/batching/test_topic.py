"""Where a record of a topic goes, and what the metadata changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest

from aioproducer.batching.partition_queue import PartitionQueue
from aioproducer.batching.topic import Layout
from aioproducer.errors import PartitionerError
from aioproducer.partitioning.base import Partitioner, Partitions
from aioproducer.partitioning.murmur2 import partition_for_key
from aioproducer.partitioning.uniform_sticky import UniformStickyPartitioner
from tests.support.batching import Core, OpenGate


class Hooked:
    """A partitioner that stays where it is until a batch is full."""

    def __init__(self, error: Exception | None = None) -> None:
        self.partition = 0
        self.asked = 0
        self.full: list[int] = []
        self.error = error

    def __call__(self, topic: str, key: bytes | None, value: bytes | None, partitions: Partitions, /) -> int:
        self.asked += 1
        return self.partition

    def on_new_batch(self, topic: str, partitions: Partitions, previous: int) -> None:
        if self.error is not None:
            raise self.error
        self.full.append(previous)
        self.partition = (previous + 1) % len(partitions)


def placed(core: Core, count: int, **record: bytes) -> Counter[int]:
    """How many batches each partition has after so many sends."""
    for _ in range(count):
        core.send(**record)  # type: ignore[arg-type]  # value and key only
    return Counter(batch.queue.partition for batch in core.accumulator.unsettled)


def test_a_key_goes_where_its_hash_says() -> None:
    core = Core()
    core.know("orders", 0, 0, 0, 0, 0)
    for number in range(50):
        key = b"%d" % number
        delivery = core.send(key=key)
        core.accumulator.seal_all()
        core.acknowledge(*core.drain())
        assert delivery.result().partition == partition_for_key(key, 5)


def test_a_key_goes_where_its_hash_says_also_while_batches_are_open() -> None:
    core = Core()
    keys = [b"%d" % number for number in range(50)]

    def placed() -> list[int]:
        deliveries = [core.send(key=key) for key in keys + keys]
        core.accumulator.seal_all()
        while batches := core.drain():
            core.acknowledge(*batches)
        return [delivery.result().partition for delivery in deliveries]

    core.know("orders", 0, 0, 0, 0, 0)
    assert placed() == [partition_for_key(key, 5) for key in keys + keys]
    for key in keys:
        core.send(key=key)
    # The batches of the others stay open.
    core.know("orders", 0, 0)
    assert placed() == [partition_for_key(key, 2) for key in keys + keys]


def test_when_the_hash_of_a_key_alone_decides() -> None:
    for core, spread in ((Core(), 3), (Core(ignore_keys=True), 0), (Core(partitioner=Hooked()), 0)):
        topic = core.intake.topic("orders")
        assert topic.spread == 0
        core.know("orders", 0, 0, 0)
        assert topic.spread == spread
        topic.rest()
        assert topic.spread == 0


def test_a_partitioner_may_move_on_when_its_batch_was_sent_before_it_was_full() -> None:
    hooked = Hooked()
    core = Core(partitioner=hooked)
    core.know("orders", 0, 0, 0)
    went = []
    for _ in range(6):
        delivery = core.send()
        core.accumulator.seal_all()
        core.acknowledge(*core.drain())
        went.append(delivery.result().partition)
    assert went == [0, 1, 2, 0, 1, 2]
    assert hooked.full == [0, 1, 2, 0, 1]


def test_a_key_can_be_ignored() -> None:
    core = Core(ignore_keys=True, random=lambda: 2)
    core.know("orders", 0, 0, 0)
    deliveries = [core.send(key=b"%d" % number) for number in range(10)]
    core.accumulator.seal_all()
    core.acknowledge(*core.drain())
    assert {delivery.result().partition for delivery in deliveries} == {2}


def test_the_partition_of_the_call_comes_first() -> None:
    partitioner = Hooked()
    core = Core(partitioner=partitioner)
    core.know("orders", 0, 0, 0)
    delivery = core.send(key=b"k", partition=1)
    core.accumulator.seal_all()
    core.acknowledge(*core.drain())
    assert delivery.result().partition == 1
    assert partitioner.asked == 0


def test_the_users_partitioner_is_asked_once_per_record() -> None:
    partitioner = Hooked()
    core = Core(partitioner=partitioner)
    core.know("orders", 0, 0)
    assert placed(core, 4, value=b"x" * 100) == {0: 1}
    assert partitioner.asked == 4


def test_the_users_partitioner_is_told_of_a_full_batch() -> None:
    partitioner = Hooked()
    core = Core(partitioner=partitioner, batch_size=400)
    core.know("orders", 0, 0, 0)
    assert placed(core, 9, value=b"x" * 100) == {0: 1, 1: 1, 2: 1}
    assert partitioner.full == [0, 1]


def test_a_hook_that_raises_is_the_partitioners_error_and_nothing_is_kept() -> None:
    core = Core(partitioner=Hooked(ZeroDivisionError("mine")), batch_size=200)
    core.know("orders", 0)
    core.send(value=b"x" * 100)
    buffered = core.accumulator.buffered
    with pytest.raises(PartitionerError, match=r"on_new_batch .* ZeroDivisionError") as raised:
        core.send(value=b"x" * 100)
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    assert core.accumulator.buffered == buffered
    assert not core.intake.parked


def test_records_without_key_stay_for_a_batch() -> None:
    turns = iter(range(100))
    core = Core(batch_size=1000, random=lambda: next(turns))
    core.know("orders", 0, 0, 0)
    batches = placed(core, 60, value=b"x" * 100)
    assert set(batches) == {0, 1, 2}
    full = [batch.count for batch in core.accumulator.unsettled][:-1]
    assert set(full) == {8}, "no thin batches"


def test_records_without_key_move_on_when_their_batch_would_have_to_grow() -> None:
    turns = iter(range(100))
    core = Core(batch_size=1000, batch_max_size=3000, random=lambda: next(turns))
    core.know("orders", 0, 0, 0)
    for fills in ([8, 8, 8], [17, 17, 17], [26, 26, 26]):
        placed(core, sum(fills) - sum(batch.count for batch in core.accumulator.unsettled), value=b"x" * 100)
        assert [batch.count for batch in core.accumulator.unsettled] == fills
    placed(core, 24, value=b"x" * 100)
    assert [batch.count for batch in core.accumulator.unsettled] == [26, 26, 26, 8, 8, 8]


@pytest.mark.parametrize("partitioner", [None, UniformStickyPartitioner()])
def test_a_full_batch_that_is_left_is_ready_at_once(partitioner: Partitioner | None) -> None:
    turns = iter(range(100))
    core = Core(linger=60.0, batch_size=1000, partitioner=partitioner, random=lambda: next(turns))
    core.know("orders", 0, 0)
    drained = []
    for _ in range(9):
        core.send(value=b"x" * 100)
        drained += [batch.count for batch in core.drain()]
    assert drained == [8]


def test_a_partition_that_loses_its_leader_is_left() -> None:
    turns = iter([0, 0])
    core = Core(random=lambda: next(turns))
    core.know("orders", 0, 0)
    core.send()
    core.know("orders", -1, 0)
    core.send()
    assert [batch.queue.partition for batch in core.accumulator.unsettled] == [0, 1]


def test_a_topic_with_fewer_partitions_than_before() -> None:
    core = Core()
    core.know("orders", 0, 0, 0)
    queue = core.queue(partition=2)
    core.send(partition=2)
    core.know("orders", 0)
    topic = core.intake.topics["orders"]
    assert topic.partitions is not None
    assert len(topic.partitions) == 1
    assert list(topic.partitions.available) == [0]
    assert queue.node is None
    assert not topic.knows(2)
    assert {topic.place(b"%d" % number, None, core.now).partition for number in range(20)} == {0}
    core.know("orders", 0, 0, 0, 0)
    assert len(topic.partitions) == 4
    assert queue.node is core.nodes[0]
    assert core.queue(partition=2) is queue


def gated() -> OpenGate:
    gate = OpenGate()
    gate.open = False
    return gate


def test_with_many_partitions_one_look_at_their_queues_serves_for_several_choices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = 0
    original = PartitionQueue.stalled

    def counting(self: PartitionQueue, now: float, patience: float) -> bool:
        nonlocal looks
        looks += 1
        return original(self, now, patience)

    monkeypatch.setattr(PartitionQueue, "stalled", counting)

    def cost(partitions: int, choices: int) -> int:
        nonlocal looks
        numbers = Random(1)
        core = Core(gate=gated(), adaptive=True, patience=1.0, random=lambda: numbers.getrandbits(31))
        core.know("orders", *([0] * partitions))
        topic = core.intake.topics["orders"]
        for partition in range(partitions):
            topic.queue(partition)
        looks = 0
        for _ in range(choices):
            topic.place(None, None, 0.0)
            topic.end_visit()
        made = looks
        core.know("orders", *([1] * partitions))
        topic.place(None, None, 0.0)
        assert looks == made + partitions, "a change of leaders is looked at at once"
        return made

    assert cost(10, 100) == 10 * 100, "few are looked at each time"
    assert cost(6400, 1000) < 70 * 1000


@pytest.mark.parametrize(("adaptive", "expected"), [(True, {0: 1, 1: 3}), (False, {0: 2, 1: 2})])
def test_loads_move_records_to_shorter_queues(adaptive: bool, expected: dict[int, int]) -> None:
    numbers = iter(range(100))
    core = Core(gate=gated(), adaptive=adaptive, batch_size=1000, random=lambda: next(numbers))
    core.know("orders", 0, 0)
    for partition in (0, 0, 0, 1):
        core.send(partition=partition)
        core.accumulator.seal_all()
    topic = core.intake.topics["orders"]
    chosen: Counter[int] = Counter()
    for _ in range(4):
        chosen[topic.place(None, None, 0.0).partition] += 1
        topic.end_visit()
    assert chosen == expected


def test_a_batch_that_has_grown_counts_as_those_that_it_would_have_been() -> None:
    numbers = iter(range(100))
    core = Core(gate=gated(), adaptive=True, batch_size=500, batch_max_size=5000, random=lambda: next(numbers))
    core.know("orders", 0, 0)
    for partition in [0] * 12 + [1]:
        core.send(value=b"x" * 100, partition=partition)
    assert [core.queue(partition=partition).queued for partition in (0, 1)] == [1, 1]
    topic = core.intake.topics["orders"]
    chosen: Counter[int] = Counter()
    for _ in range(4):
        chosen[topic.place(None, None, 0.0).partition] += 1
        topic.end_visit()
    assert chosen == {0: 1, 1: 3}


def test_loads_leave_out_what_has_stalled() -> None:
    numbers = iter(range(100))
    core = Core(adaptive=True, patience=2.0, linger=0.0, random=lambda: next(numbers))
    core.know("orders", 0, 1)
    core.send(partition=0)
    core.send(partition=1)
    core.now = 3.0
    core.acknowledge(*core.drain(1))
    topic = core.intake.topics["orders"]
    chosen = set()
    for _ in range(6):
        chosen.add(topic.place(None, None, core.now).partition)
        topic.end_visit()
    assert chosen == {1}


def test_records_without_key_stay_in_the_rack_and_those_with_one_go_where_it_says() -> None:
    numbers = iter(range(1000))
    core = Core(random=lambda: next(numbers))
    core.know("orders", 0, 0, 0)
    topic = core.intake.topics["orders"]
    core.intake.topic_known("orders", Layout([0, 1, 1], near=[1, 2]), 0.0)

    def chosen(key: bytes | None) -> set[int]:
        found = set()
        for _ in range(20):
            found.add(topic.place(key, None, 0.0).partition)
            topic.end_visit()
        return found

    assert chosen(None) == {1, 2}
    assert set.union(*(chosen(b"%d" % number) for number in range(20))) == {0, 1, 2}
    core.intake.topic_known("orders", Layout([0, -1, -1]), 0.0)
    assert chosen(None) == {0}, "nobody near leads any"


def test_growth_is_told_of_once() -> None:
    core = Core()
    core.know("orders", 0, 0)
    core.know("orders", 0, 0)
    assert core.grown == []
    core.know("orders", 0, 0, 0)
    core.know("orders", 0, 0)  # made again with fewer
    core.know("orders", 0, 0, 0)
    assert core.grown == [("orders", 2, 3)]


def test_loads_are_not_known_before_each_partition_was_used() -> None:
    numbers = iter(range(100))
    core = Core(gate=gated(), adaptive=True, random=lambda: next(numbers))
    core.know("orders", 0, 0, 0)
    for _ in range(5):
        core.send(partition=0)
        core.accumulator.seal_all()
    topic = core.intake.topics["orders"]
    chosen: Counter[int] = Counter()
    for _ in range(3):
        chosen[topic.place(None, None, 0.0).partition] += 1
        topic.end_visit()
    assert chosen == {0: 1, 1: 1, 2: 1}


@pytest.mark.parametrize(
    ("make_busy", "busy"),
    [
        (lambda core: None, False),
        (lambda core: core.send(partition=0), True),
        (lambda core: core.send(partition=9), True),
        (lambda core: core.send(value=b"x" * 5000), True),
        (lambda core: (core.send(), core.accumulator.seal_all(), core.drain()), True),
        (lambda core: (core.send(), core.accumulator.seal_all(), core.acknowledge(*core.drain())), False),
        (lambda core: core.send(partition=9).cancel(), False),
        (lambda core: core.send(value=b"x" * 5000).cancel(), False),
    ],
)
def test_busy(make_busy: Callable[[Core], object], busy: bool) -> None:
    core = Core(buffer_memory=1000)
    core.know("orders", 0)
    make_busy(core)
    assert core.intake.topics["orders"].busy is busy


def test_repr_says_what_is_known() -> None:
    core = Core()
    core.send()
    topic = core.intake.topics["orders"]
    assert repr(topic) == "<Topic orders: None, 1 records wait for metadata>"
    core.know("orders", 0, -1)
    assert repr(topic) == "<Topic orders: <Partitions: 2, 1 available>, 0 records wait for metadata>"
