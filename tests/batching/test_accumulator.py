"""The accumulator in virtual time: exact bytes, what is ready and when, and order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aioproducer.batching.accumulator import MOST_BATCHES
from aioproducer.batching.batch import Batch, State
from aioproducer.records.batch import HEADER_SIZE
from aioproducer.records.builder import CHEAP_RECORDS
from aioproducer.records.headers import NO_HEADERS
from tests.support.batching import Core, OpenGate


def core(**options: object) -> Core:
    made = Core(**options)  # type: ignore[arg-type]  # the options of Core
    made.know("orders", 0, 0)
    return made


class Shut(OpenGate):
    """Lets nothing through."""

    def __init__(self) -> None:
        super().__init__()
        self.open = False


def requeue(made: Core, batch: Batch, retry_at: float) -> None:
    made.accumulator.answered(batch)
    made.accumulator.requeue(batch, retry_at)


# Bytes


@given(
    st.lists(
        st.tuples(st.none() | st.binary(max_size=40), st.none() | st.binary(max_size=300), st.integers(0, 1)),
        max_size=60,
    ),
    st.integers(1, 700),
)
def test_buffered_bytes_are_the_encoded_ones(
    records: list[tuple[bytes | None, bytes | None, int]], batch_size: int
) -> None:
    made = core(batch_size=batch_size)
    for key, value, partition in records:
        made.send(key=key, value=value, partition=partition, headers=[("h", value)] if partition else ())
    accumulator = made.accumulator
    batches = list(accumulator.unsettled)
    accumulator.seal_all()
    encoded = 0
    while taken := made.drain():
        for batch in taken:
            section = batch.builder.build()
            assert len(section) == batch.builder.size
            batch.load(section, 0)
            encoded += sum(map(len, batch.wire_chunks()))
    assert accumulator.buffered == encoded
    assert sum(batch.count for batch in batches) == len(records)
    made.acknowledge(*batches)
    assert accumulator.buffered == 0
    assert not accumulator.unsettled


def test_batches_have_the_size_they_may_have() -> None:
    made = core(batch_size=500)
    for _ in range(40):
        made.send(value=b"x" * 100, partition=0)
    made.accumulator.seal_all()
    sizes = [batch.wire_size for batch in made.queue().batches()]
    assert set(sizes[:-1]) == {HEADER_SIZE + 4 * 109}
    assert max(sizes) <= 500


def test_a_record_larger_than_a_batch_goes_alone() -> None:
    made = core(batch_size=500)
    for size in (10, 3000, 10):
        made.send(value=b"x" * size, partition=0)
    assert [batch.count for batch in made.queue().batches()] == [1, 1, 1]


def waiting(made: Core, *records: int) -> list[tuple[int, int]]:
    """Of the batches that wait after values of these sizes were sent: the number of records, and of fills."""
    for size in records:
        made.send(value=b"x" * size, partition=0)
    return [(batch.count, batch.fills) for batch in made.queue().batches()]


def test_a_full_batch_grows_until_it_is_taken() -> None:
    made = core(batch_size=500, batch_max_size=1400)
    assert waiting(made, *[100] * 12) == [(12, 3)]
    assert made.queue().fills == 3
    assert waiting(made, 100) == [(12, 3), (1, 1)], "batch_max_size is the most"
    [batch] = made.drain()
    assert batch.wire_size == HEADER_SIZE + 12 * 109 <= 1400
    assert batch.queue.fills == 1
    assert waiting(made, *[100] * 4) == [(5, 2)]
    [batch] = made.drain()
    assert (batch.count, batch.state) == (5, State.IN_FLIGHT)
    assert waiting(made, 100) == [(1, 1)], "what a sender has does not grow"


def test_a_batch_that_is_not_full_lingers_as_before() -> None:
    made = core(linger=1.0, batch_size=500, batch_max_size=1400)
    assert waiting(made, *[100] * 4) == [(4, 1)]
    assert made.drain() == []
    assert waiting(made, 100) == [(5, 2)]
    assert [batch.count for batch in made.drain()] == [5]


def test_a_batch_grows_for_a_tenth_of_its_time() -> None:
    made = core(gate=Shut(), batch_size=500, batch_max_size=5000, delivery_timeout=100.0)
    waiting(made, *[100] * 4)
    made.now = 9.9
    assert waiting(made, *[100] * 5) == [(9, 3)]
    made.now = 10.0
    assert waiting(made, *[100] * 4) == [(12, 3), (1, 1)], "no new fill; the one that was begun is filled as ever"


def test_a_batch_grows_by_large_records_too() -> None:
    made = core(batch_size=500, batch_max_size=5000)
    assert waiting(made, 10, 450, 3000, 10) == [(4, 4)]
    assert waiting(made, 9000) == [(4, 4), (1, 1)]
    made = core(batch_size=500, batch_max_size=5000)
    assert waiting(made, *[600] * 10) == [(8, 8), (2, 2)]


def test_a_batch_does_not_grow_beyond_the_records_that_cost_least() -> None:
    made = core(batch_size=500, batch_max_size=1 << 20)
    waiting(made, *[0] * (CHEAP_RECORDS + 200))
    first, second = made.queue().batches()
    assert CHEAP_RECORDS <= first.count < CHEAP_RECORDS + 100
    assert first.count + second.count == CHEAP_RECORDS + 200


def test_without_room_a_batch_does_not_grow() -> None:
    made = core(buffer_memory=1000, batch_size=500, batch_max_size=5000)
    assert waiting(made, *[100] * 8) == [(8, 2)]
    batch = made.queue().open
    assert batch is not None
    limit = batch.builder.limit
    assert made.accumulator.grow(made.queue(), None, b"x" * 100, NO_HEADERS, 0, 0.0) == 0
    assert (batch.fills, made.queue().fills, batch.builder.limit) == (2, 2, limit)
    made.accumulator.available += 1000
    assert made.accumulator.grow(made.queue(), None, b"x" * 100, NO_HEADERS, 0, 0.0) > 0


def test_what_was_too_large_once_does_not_grow_beyond() -> None:
    made = core(batch_size=500, batch_max_size=5000)
    made.accumulator.sizes.too_large("orders", 1600)
    assert waiting(made, *[100] * 10) == [(7, 2), (3, 1)]


def test_no_room_changes_nothing() -> None:
    made = core(buffer_memory=1000)
    made.send(value=b"x" * 800, partition=0)
    buffered, batch = made.accumulator.buffered, made.queue().open
    assert made.accumulator.append(made.queue(), None, b"x" * 200, NO_HEADERS, 0) == 0
    assert made.accumulator.open_batch(made.queue(), None, b"x" * 200, NO_HEADERS, 0, 0.0) == 0
    assert made.accumulator.buffered == buffered
    assert made.queue().open is batch
    assert repr(made.accumulator) == f"<Accumulator: {buffered} of 1000 bytes in 1 batches>"


def test_compressed_batches_are_filled_by_the_estimate() -> None:
    made = core(compressing=True, batch_size=1000, max_request_size=4000)
    ratios = made.accumulator.sizes

    def filled() -> int:
        made.accumulator.seal_all()
        first = list(made.queue().batches())
        count = len(first)
        while made.queue().queued < count + 2:
            made.send(value=b"x" * 10, partition=0)
        return list(made.queue().batches())[count].wire_size

    assert 850 < filled() <= HEADER_SIZE + 939 / 1.05
    for _ in range(200):
        ratios.observe("orders", 0.5)
    assert 1700 < filled() <= HEADER_SIZE + 939 / 0.525
    for _ in range(200):
        ratios.observe("orders", 0.001)
    assert 3900 < filled() <= 4000, "what does not compress goes as it is, and has to fit into a request"


# Readiness


def test_a_batch_lingers() -> None:
    made = core(linger=1.0)
    made.now = 10.0
    made.send(partition=0)
    node = made.nodes[0]
    assert node.next_look == 11.0
    made.now = 10.9
    assert made.drain() == []
    made.now = 11.0
    [batch] = made.drain()
    assert batch.state is State.IN_FLIGHT
    assert made.queue().open is None
    assert node.next_look is None


def test_a_full_batch_does_not_linger_and_the_next_one_has_its_own_linger() -> None:
    made = core(linger=1.0, batch_size=200)
    made.send(value=b"x" * 100, partition=0)
    made.now = 0.5
    made.send(value=b"x" * 100, partition=0)
    assert len(made.drain()) == 1
    made.now = 1.2
    assert made.drain() == []
    assert made.nodes[0].next_look == 1.5
    made.now = 1.5
    assert len(made.drain()) == 1


def test_without_linger_a_batch_is_ready_at_once() -> None:
    made = core(linger=0.0)
    made.send(partition=0)
    assert made.nodes[0].next_look is None
    assert len(made.drain()) == 1


def test_one_timer_per_partition_whatever_is_sent() -> None:
    made = core(linger=1.0, batch_size=200)
    for step in range(500):
        made.now = step / 10
        made.send(value=b"x" * 100, partition=0)
        made.acknowledge(*made.drain())
    assert "1 timers" in repr(made.nodes[0])


def test_retries_leave_no_timers_behind() -> None:
    made = core(linger=0.3)
    made.send(partition=0)
    made.accumulator.seal_all()
    [batch] = made.drain()
    for step in range(1, 300):
        made.now = step / 10
        made.send(partition=0)
        requeue(made, batch, made.now + 0.05)
        made.now += 0.06
        assert made.drain() == [batch]
    assert int(repr(made.nodes[0]).split("ready, ")[1].split()[0]) <= 3


def test_an_awaited_record_does_not_linger() -> None:
    made = core(linger=1.0)
    wakes: list[int] = []
    delivery = made.send(partition=0)
    made.nodes[0].wake = lambda: wakes.append(1)
    delivery.add_done_callback(lambda _delivery: None)
    assert wakes == [1]
    assert len(made.drain()) == 1
    made.send(partition=0).expedite()
    assert len(made.drain()) == 1


def test_strict_linger_sits_it_out() -> None:
    made = core(linger=1.0, strict_linger=True)
    made.send(partition=0).add_done_callback(lambda _delivery: None)
    assert made.drain() == []
    made.now = 1.0
    assert len(made.drain()) == 1


def test_hurry_makes_everything_ready_until_relax() -> None:
    made = core(linger=1.0)
    made.send(partition=0)
    made.accumulator.hurry()
    made.accumulator.hurry()
    assert len(made.drain()) == 1
    made.accumulator.relax()
    made.send(partition=1)
    assert len(made.drain()) == 1
    made.accumulator.relax()
    made.send(partition=0)
    assert made.drain() == []
    assert made.nodes[0].next_look == 1.0


def test_a_batch_that_was_ready_only_in_a_hurry_lingers_again() -> None:
    made = core(linger=1.0)
    made.send(partition=0)
    made.accumulator.hurry()
    made.accumulator.relax()
    assert made.drain() == []
    made.now = 1.0
    assert len(made.drain()) == 1


def test_sealing_all_leaves_later_records_out() -> None:
    made = core(linger=1.0)
    made.send(partition=0)
    made.accumulator.seal_all()
    made.send(partition=0)
    assert [batch.count for batch in made.drain()] == [1]
    assert made.drain() == []


# Requests


def test_one_batch_per_partition_in_a_request_and_each_in_its_turn() -> None:
    made = core(linger=0.0)
    for _ in range(3):
        for partition in (0, 1):
            made.send(partition=partition)
            made.accumulator.seal_all()
    rounds = [[(batch.queue.partition, batch.number) for batch in made.drain()] for _ in range(4)]
    assert rounds == [[(0, 0), (1, 0)], [(0, 1), (1, 1)], [(0, 2), (1, 2)], []]


def test_a_request_has_its_limit_and_what_is_left_comes_first() -> None:
    made = core(linger=0.0)
    for partition in (0, 1, 0, 1):
        made.send(value=b"x" * 500, partition=partition)
        made.accumulator.seal_all()
    assert [batch.queue.partition for batch in made.drain(limit=600)] == [0]
    assert [batch.queue.partition for batch in made.drain(limit=100)] == [1], "alone it may be larger"
    assert [batch.queue.partition for batch in made.drain(limit=1200)] == [0, 1]


def test_a_gate_that_refuses_one_partition_does_not_stop_the_other() -> None:
    class Gate(OpenGate):
        def may_send(self, queue: object) -> bool:
            return self.open or "orders[1]" in repr(queue)

    gate = Gate()
    gate.open = False
    made = core(gate=gate, linger=0.0)
    made.send(partition=0)
    made.send(partition=1)
    assert [batch.queue.partition for batch in made.drain()] == [1]
    gate.open = True
    made.accumulator.look_again(made.queue())
    assert [batch.queue.partition for batch in made.drain()] == [0]


def test_a_retry_goes_before_anything_younger_and_not_before_its_time() -> None:
    made = core(linger=0.0)
    for _ in range(3):
        made.send(partition=0)
        made.accumulator.seal_all()
    [first], [second] = made.drain(), made.drain()
    requeue(made, second, 1.0)
    requeue(made, first, 0.5)
    made.now = 0.9
    assert made.drain() == []
    made.now = 1.0
    assert [made.drain()[0].number for _ in range(3)] == [0, 1, 2]


def test_a_retry_during_a_linger_does_not_shorten_it() -> None:
    made = core(linger=1.0)
    made.send(partition=0)
    made.accumulator.seal_all()
    [first] = made.drain()
    made.now = 0.5
    made.send(partition=0)
    requeue(made, first, 0.7)
    made.now = 0.7
    assert made.drain() == [first]
    made.now = 1.4
    assert made.drain() == []
    made.now = 1.5
    assert len(made.drain()) == 1


# Settled


def test_what_a_sender_has_keeps_its_bytes() -> None:
    made = core(linger=0.0)
    made.send(partition=0)
    [batch] = made.drain()
    buffered = made.accumulator.buffered
    made.accumulator.settle(batch)
    states = [batch.state]
    assert made.accumulator.buffered == buffered
    assert not made.accumulator.unsettled
    made.accumulator.answered(batch)
    made.accumulator.settle(batch)
    assert [*states, batch.state] == [State.ABANDONED, State.SETTLED]
    assert made.accumulator.buffered == 0


def test_open_and_queued_batches_can_be_settled() -> None:
    made = core()
    for _ in range(2):
        made.send(partition=0)
        made.accumulator.seal_all()
    made.send(partition=0)
    for batch in list(made.accumulator.unsettled):
        made.accumulator.settle(batch)
    assert made.accumulator.buffered == 0
    assert not made.queue().queued
    assert made.queue().open is None
    made.accumulator.hurry()
    assert made.drain() == []


def test_expiry_is_counted_from_the_first_record() -> None:
    made = core(delivery_timeout=10.0)
    assert made.accumulator.next_expiry is None
    made.send(partition=0)
    made.now = 4.0
    made.send(partition=0)
    made.send(partition=1)
    assert made.accumulator.next_expiry == 10.0
    assert made.accumulator.expired(9.9) == []
    assert [batch.queue.partition for batch in made.accumulator.expired(10.0)] == [0]
    assert [batch.queue.partition for batch in made.accumulator.expired(14.0)] == [0, 1]


def test_older_batches_of_the_same_partition() -> None:
    made = core(linger=0.0)
    for _ in range(3):
        made.send(partition=0)
        made.accumulator.seal_all()
    [first], [second], [third] = made.drain(), made.drain(), made.drain()
    has_older = made.accumulator.has_older
    assert [has_older(batch) for batch in (first, second, third)] == [False, True, True]
    requeue(made, first, 5.0)
    assert has_older(second)
    made.accumulator.settle(first)
    assert not has_older(second)
    made.acknowledge(second)
    assert not has_older(third)


# Leaders


def test_a_new_leader_gets_what_is_ready_at_once() -> None:
    made = core(linger=1.0)
    made.send(partition=0)
    made.accumulator.seal_all()
    [batch] = made.drain()
    requeue(made, batch, 50.0)
    made.send(partition=0)
    made.know("orders", 3, 0)
    assert made.drain() == []
    assert made.drain(3) == [batch]
    assert made.nodes[0].next_look is None, "the old leader's sender has nothing to wait for"
    assert made.nodes[3].next_look == 1.0


def test_a_partition_without_leader_waits_for_one() -> None:
    made = core(linger=0.0)
    made.send(partition=0)
    made.know("orders", -1, 0)
    assert made.drain() == []
    made.send(partition=0)
    made.know("orders", 0, 0)
    assert len(made.drain()) == 1


def test_a_leader_that_comes_back_is_not_listed_twice() -> None:
    made = core(linger=0.0)
    made.send(partition=0)
    for leader in (1, 0, 1, 0):
        made.know("orders", leader, 0)
    assert len(made.nodes[0].ready) == 1
    assert not made.nodes[1].ready
    assert len(made.drain()) == 1


def test_a_request_has_so_many_batches_at_most_and_the_next_goes_on_where_it_ended() -> None:
    made = Core(linger=0.0, buffer_memory=1 << 24)
    made.know("orders", *([0] * (2 * MOST_BATCHES + 7)))
    for partition in range(2 * MOST_BATCHES + 7):
        made.send(partition=partition)
    requests = [made.drain(), made.drain(), made.drain(), made.drain()]
    assert [len(request) for request in requests] == [MOST_BATCHES, MOST_BATCHES, 7, 0]
    taken = [batch.queue.partition for request in requests for batch in request]
    assert taken == list(range(2 * MOST_BATCHES + 7))
