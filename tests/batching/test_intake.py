"""Who waits for what, in which order, how long, and what is left of those who do not wait any more."""

from __future__ import annotations

import gc

import pytest

from aioproducer.batching.topic import Layout
from aioproducer.delivery import Delivery, Parked
from aioproducer.errors import (
    BufferFullError,
    KafkaError,
    MetadataTimeoutError,
    PartitionerError,
    TopicAuthorizationError,
)
from aioproducer.partitioning.base import Partitions
from aioproducer.sending.sequences import Sequencer
from tests.support.batching import Core


def no_cause(_topic: str) -> KafkaError | None:
    return None


def full(**options: object) -> Core:
    """A producer of 1000 bytes, all but 100 of them in use by partition 0."""
    core = Core(buffer_memory=1000, linger=0.0, **options)  # type: ignore[arg-type]  # the options of Core
    core.know("orders", 0, 0)
    core.send(value=b"x" * 830, partition=0)
    assert 90 < core.accumulator.available < 105
    return core


def parked(*deliveries: Delivery) -> list[bool]:
    return ["not accepted" in repr(delivery) for delivery in deliveries]


# Straight in


def test_a_record_of_a_known_topic_goes_in() -> None:
    core = Core()
    core.know("orders", 0)
    assert parked(core.send(), core.send()) == [False, False]
    assert core.parkings == 0
    assert core.asked == []


@pytest.mark.parametrize("record", [{}, {"key": b"k"}, {"partition": 0}])
def test_append_takes_what_fits_the_open_batch(record: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    core = Core()
    core.know("orders", 0)
    core.send(**record)  # type: ignore[arg-type]  # one argument of send
    monkeypatch.setattr(core.intake, "accept", pytest.fail)
    core.send(**record)  # type: ignore[arg-type]  # as above
    assert core.accumulator.buffered == sum(batch.reserved for batch in core.accumulator.unsettled)


def test_a_partitioner_that_raises_leaves_nothing_behind() -> None:
    def partitioner(topic: str, key: bytes | None, value: bytes | None, partitions: Partitions, /) -> int:
        return 7

    core = Core(partitioner=partitioner)
    core.know("orders", 0)
    with pytest.raises(PartitionerError, match="returned 7"):
        core.send()
    assert core.accumulator.buffered == 0
    assert not core.intake.parked


# Waiting for metadata


def test_records_of_an_unknown_topic_go_on_in_call_order() -> None:
    core = Core()
    values = [b"%d" % number for number in range(50)]
    deliveries = [core.send(value=value, partition=0) for value in values]
    assert core.asked == ["orders"]
    assert len(core.intake.parked) == 50
    assert all(parked(*deliveries))
    core.know("orders", 0)
    assert not core.intake.parked
    assert core.all_accepted == 1
    core.accumulator.seal_all()
    core.acknowledge(*core.drain(), base_offset=10)
    assert [delivery.result().offset for delivery in deliveries] == list(range(10, 60))


def test_who_waited_for_a_partition_gets_in_line_before_younger_ones() -> None:
    def last(topic: str, key: bytes | None, value: bytes | None, partitions: Partitions, /) -> int:
        return len(partitions) - 1

    core = Core(buffer_memory=250, partitioner=last)
    core.know("orders", 0)
    core.send(value=b"x" * 100)
    first, older, younger = (core.send(value=b"y" * 100, partition=partition) for partition in (None, 1, None))
    assert parked(first, older, younger) == [True, True, True]
    core.know("orders", 0, 0)
    for offset in range(4):
        core.accumulator.seal_all()
        core.acknowledge(*core.drain(), base_offset=offset)
    assert [older.result().partition, younger.result().partition] == [1, 1]
    assert older.result().offset < younger.result().offset


def test_an_unknown_partition_is_asked_for_and_the_others_pass() -> None:
    core = Core()
    core.know("orders", 0)
    waits, passes = core.send(partition=1), core.send(partition=0)
    assert parked(waits, passes) == [True, False]
    assert (core.asked, core.new_partitions) == ([], ["orders"])
    core.know("orders", 0)
    assert parked(waits) == [True]
    core.know("orders", 0, 0)
    assert parked(waits) == [False]


def test_topics_do_not_wait_for_each_other() -> None:
    core = Core()
    core.know("known", 0)
    assert parked(core.send("unknown"), core.send("known")) == [True, False]


def test_metadata_that_does_not_come() -> None:
    core = Core(max_block=5.0)
    first = core.send()
    core.now = 3.0
    second = core.send()
    assert core.intake.deadline == 5.0
    core.intake.expire(4.9, no_cause)
    assert not first.done()
    core.intake.expire(5.0, lambda topic: KafkaError(f"{topic} is nowhere"))
    error = first.exception()
    assert isinstance(error, MetadataTimeoutError)
    assert "topic 'orders' stayed unknown for 5.000 s (max_block_ms); the last answer was: orders is nowhere" in str(
        error
    )
    assert str(error.__cause__) == "orders is nowhere"
    assert not second.done()
    assert core.intake.deadline == 8.0
    core.intake.expire(8.0, no_cause)
    assert "no broker has answered for it" in str(second.exception())
    assert core.intake.deadline is None


def test_a_partition_that_does_not_come() -> None:
    core = Core(max_block=5.0)
    core.know("orders", 0, 0)
    delivery = core.send(partition=7)
    core.intake.expire(5.0, no_cause)
    assert "topic 'orders' has no partition 7, for 5.000 s (max_block_ms): it has 2" in str(delivery.exception())


def test_a_partition_of_a_topic_that_is_gone() -> None:
    core = Core(max_block=5.0)
    core.know("orders", 0, 0)
    delivery = core.send(partition=7)
    core.intake.expire(5.0, lambda topic: KafkaError(f"{topic} is nowhere"))
    error = delivery.exception()
    assert "topic 'orders' has not come back for 5.000 s (max_block_ms); the last answer was: orders is nowhere" in str(
        error
    )
    assert error is not None
    assert str(error.__cause__) == "orders is nowhere"


def test_a_topic_that_is_refused() -> None:
    core = Core()
    refused, other = [core.send(), core.send()], core.send("other")
    core.intake.fail_topic("orders", TopicAuthorizationError("not yours"))
    core.intake.fail_topic("nobody", TopicAuthorizationError("not yours"))
    for delivery in refused:
        assert isinstance(delivery.exception(), TopicAuthorizationError)
    assert not other.done()
    assert len(core.intake.parked) == 1


def test_on_delivery_is_told_of_a_refusal() -> None:
    core = Core()
    heard: list[object] = []
    core.send(on_delivery=lambda _metadata, error: heard.append(type(error)))
    core.intake.fail_all(KafkaError("over"))
    core.loop.turn()
    assert heard == [KafkaError]


# Waiting for room


def test_a_full_buffer_makes_callers_wait_and_fails_nobody_early() -> None:
    core = full(max_block=5.0)
    deliveries = [core.send(value=b"x" * 100, partition=0) for _ in range(20)]
    assert all(parked(*deliveries))
    core.intake.expire(4.9, no_cause)
    assert not any(delivery.done() for delivery in deliveries)
    core.acknowledge(*core.drain())
    accepted = parked(*deliveries).index(True)
    assert parked(*deliveries) == [False] * accepted + [True] * (20 - accepted)
    assert core.accumulator.available < 110
    core.intake.expire(5.0, no_cause)
    error = deliveries[-1].exception()
    assert isinstance(error, BufferFullError)
    assert "no room for a record to orders within 5.000 s (max_block_ms)" in str(error)
    assert not deliveries[0].done()


def test_first_in_first_out_also_for_those_that_would_fit() -> None:
    core = full()
    large, small = core.send(value=b"x" * 500, partition=0), core.send(partition=1)
    assert parked(large, small) == [True, True]
    core.acknowledge(*core.drain())
    assert parked(large, small) == [False, False]
    assert [batch.queue.partition for batch in core.accumulator.unsettled] == [0, 1]


def test_exactly_those_are_woken_that_fit() -> None:
    core = full()
    deliveries = [core.send(value=b"x" * 393, partition=0) for _ in range(5)]
    woken: list[int] = []
    for number, delivery in enumerate(deliveries):
        delivery.add_done_callback(lambda _delivery, number=number: woken.append(number))  # type: ignore[misc]
    core.acknowledge(*core.drain())
    assert parked(*deliveries) == [False, False, True, True, True]
    core.acknowledge(*core.drain())
    assert parked(*deliveries) == [False, False, False, False, True]
    core.loop.turn()
    assert woken == [0, 1]
    core.acknowledge(*core.drain())
    core.acknowledge(*core.drain())
    core.loop.turn()
    assert woken == [0, 1, 2, 3, 4]


def test_waiting_for_room_makes_everything_ready() -> None:
    core = Core(buffer_memory=1000, linger=60.0)
    core.know("orders", 0, 0)
    core.send(value=b"x" * 400, partition=0)
    core.send(value=b"x" * 300, partition=1)
    assert core.drain() == []
    waits = core.send(value=b"x" * 400, partition=0)
    batches = core.drain()
    assert len(batches) == 2
    core.acknowledge(*batches)
    assert parked(waits) == [False]
    assert core.drain() == [], "it lingers again when nobody waits for room"


def test_records_let_in_late_keep_behind_those_of_the_same_topic() -> None:
    core = full()
    late = [core.send("late", b"x" * 300, partition=0) for _ in range(3)]
    core.know("late", 0)
    later = core.send("late", b"", partition=0)
    assert parked(*late, later) == [True] * 4
    for _ in range(6):
        core.acknowledge(*core.drain())
    assert [delivery.done() for delivery in (*late, later)] == [True] * 4
    assert core.accumulator.buffered == 0


def test_little_memory_is_no_full_batch() -> None:
    core = Core(buffer_memory=1000, batch_size=2000, random=iter([0, 1, 1, 1]).__next__)
    core.know("orders", 0, 0)
    core.send(value=b"x" * 700)
    waits = core.send(value=b"x" * 250)
    for _ in range(50):
        core.intake.advance(0.0)
    assert core.queue().open is not None, "the batch has room, the buffer has not"
    assert parked(waits) == [True]
    topic = core.intake.topics["orders"]
    assert (topic.sticky_queue, topic.produced) == (core.queue(), 770)
    core.acknowledge(*core.drain())
    assert parked(waits) == [False]


def test_a_partitioner_that_fails_later_fails_its_record_alone() -> None:
    def partitioner(topic: str, key: bytes | None, value: bytes | None, partitions: Partitions, /) -> int:
        if value == b"bad":
            raise ZeroDivisionError
        return 0

    core = full(partitioner=partitioner)
    deliveries = [core.send(value=value) for value in (b"x" * 500, b"bad", b"good")]
    core.acknowledge(*core.drain())
    assert isinstance(deliveries[1].exception(), PartitionerError)
    assert parked(deliveries[0], deliveries[2]) == [False, False]
    unknown = [core.send("unknown", value) for value in (b"bad", b"good")]
    core.know("unknown", 0)
    assert isinstance(unknown[0].exception(), PartitionerError)
    assert parked(unknown[1]) == [False]
    assert not core.intake.parked


def test_a_partitioner_is_not_asked_again_at_each_attempt() -> None:
    asked = 0

    def partitioner(topic: str, key: bytes | None, value: bytes | None, partitions: Partitions, /) -> int:
        nonlocal asked
        asked += 1
        return 0

    core = full(partitioner=partitioner)
    delivery = core.send(value=b"x" * 500)
    for _ in range(20):
        core.intake.advance(0.0)
    core.acknowledge(*core.drain())
    assert parked(delivery) == [False]
    assert asked == 1


# Not waiting any more


@pytest.mark.parametrize("known", [True, False])
def test_a_withdrawn_record_leaves_nothing_behind(known: bool) -> None:
    core = full() if known else Core()
    gc.collect()
    before = sum(type(thing) is Parked for thing in gc.get_objects())
    first = core.send(value=b"x" * 500, partition=0)
    deliveries = [core.send(value=b"x" * 500, partition=0) for _ in range(30)]
    for delivery in reversed(deliveries):
        assert delivery.cancel()
    core.loop.turn()
    assert len(core.intake.parked) == 1
    gc.collect()
    assert sum(type(thing) is Parked for thing in gc.get_objects()) - before == 1
    assert first.cancel()
    assert len(core.intake.parked) == 0
    assert core.all_accepted == (2 if known else 1), "drain() has nothing to wait for"
    assert not core.intake.topics["orders"].in_line
    core.know("orders", 0, 0)
    assert len(core.accumulator.unsettled) == (1 if known else 0)


def test_who_is_behind_a_withdrawn_record_gets_its_turn() -> None:
    core = full()
    large, small = core.send(value=b"x" * 500, partition=0), core.send(partition=1)
    parkings = core.parkings
    large.cancel()
    assert core.parkings == parkings + 1
    core.intake.expire(0.0, no_cause)
    assert parked(small) == [False]


def test_the_hurry_ends_with_the_last_that_waits() -> None:
    core = Core(buffer_memory=1000, linger=60.0)
    core.know("orders", 0)
    core.send(value=b"x" * 600, partition=0)
    core.send(value=b"x" * 600, partition=0).cancel()
    core.send(partition=0)
    assert core.drain() == []


def test_fail_all_ends_everybodys_waiting() -> None:
    core = full()
    deliveries = [core.send(value=b"x" * 500, partition=0), core.send("unknown"), core.send(partition=9)]
    assert list(core.intake.parked) != []
    core.intake.fail_all(KafkaError("over"))
    assert [str(delivery.exception()) for delivery in deliveries] == ["over"] * 3
    assert not core.intake.parked
    assert core.intake.deadline is None
    assert core.all_accepted
    assert repr(core.intake) == "<Intake of 2 topics: 0 records wait, 0 for room>"
    core.acknowledge(*core.drain())
    assert core.accumulator.buffered == 0


# Topics that are not used


def test_a_forgotten_topic_is_asked_for_again() -> None:
    core = Core()
    core.know("orders", 0)
    core.intake.forget("orders")
    core.intake.forget("nobody")
    core.intake.topic_known("orders", Layout([0]), 0.0)
    assert "orders" not in core.intake.topics
    delivery = core.send()
    assert parked(delivery) == [True]
    assert core.asked == ["orders"]
    core.know("orders", 0)
    assert parked(delivery) == [False]


def test_a_topic_with_records_on_their_way_is_not_forgotten() -> None:
    core = full()
    core.acknowledge(*core.drain())
    core.know("other", 0)
    core.send(value=b"x" * 830, partition=0)
    waits = core.send("other", b"x" * 500)
    core.intake.forget("other")
    core.acknowledge(*core.drain())
    assert parked(waits) == [False]
    core.intake.forget("other")
    assert "other" in core.intake.topics


def test_sequences_go_on_where_a_forgotten_topic_ended() -> None:
    gate = Sequencer(idempotent=True, max_in_flight=5, on_exhausted=lambda: None, on_bump=lambda _: None)
    gate.identity = (7, 0)
    core = Core(gate=gate, linger=0.0)
    sequences = []
    for record in ({}, {"key": b"k"}, {"partition": 0}):
        core.know("orders", 0)
        core.send(**record)
        [batch] = core.drain()
        sequences.append(batch.base_sequence)
        gate.acknowledged(batch, 0)
        core.acknowledge(batch)
        core.intake.forget("orders")
        assert "orders" not in core.intake.topics
    assert sequences == [0, 1, 2], "a broker takes the same sequence again for a copy, and drops the record"
    core.know("orders", 0)
    for _ in range(2):
        core.send(partition=0)
        core.accumulator.seal_all()
    assert len(core.drain()) == 1
    assert core.drain() == [], "whether the broker remembers this producer is not known after so long"
