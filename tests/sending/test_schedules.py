"""Whatever happens between a producer and a partition, with Hypothesis: nothing is lost, doubled, out of order, or left
in the buffer, and what is said of a failed record is true. And the schedules that are too rare for chance to find, one
by one: each of them would store a record twice, or behind a younger one. The model of a partition that all this stands
on is held against the embedded cluster, which knows nothing of it.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aioproducer.batching.batch import Batch
from aioproducer.errors import Persisted
from aioproducer.testing.codes import RefusedError
from aioproducer.testing.producers import Producers
from aioproducer.testing.reader import BatchHeader
from tests.sending.bench import Bench, error_of
from tests.support.partition_log import LIMIT, PartitionLog, Stamp

STEPS = st.lists(
    st.sampled_from(
        (
            *("send", "send", "write", "write", "ok", "ok", "cut", "stored, cut", "refuse", "stored, refuse", "fail"),
            *("unsequenced", "old epoch", "move", "expire", "wait"),
        )
    ),
    max_size=60,
)


@given(STEPS)
def test_whatever_happens_nothing_is_lost_doubled_or_out_of_order(steps: list[str]) -> None:
    bench = Bench(delivery_timeout=50)
    queue = bench.queue()
    log = PartitionLog()
    batches: list[Batch] = []
    numbers: dict[Batch, list[int]] = {}
    flying: list[Batch] = []

    def send() -> None:
        batch = bench.batch(queue, 1 + len(batches) % 3)
        first = sum(map(len, numbers.values()))
        numbers[batch] = list(range(first, first + batch.count))
        batches.append(batch)

    def produce(batch: Batch) -> int:
        return log.produce(Stamp.of(batch), numbers[batch]).code

    def write() -> None:
        flying.extend(bench.write(queue.leader))
        assert len(flying) == queue.in_flight <= 5

    flown_to = queue.leader
    # All is committed at once here: what is answered with an error after the append stays in the log.
    for step in [*steps, "send", *["write", "ok", "wait"] * 60]:
        if step == "send":
            send()
        elif step == "write":
            write()
            if not flying or len(flying) == 1:
                flown_to = queue.leader
        elif step == "wait":
            bench.now += 0.2
        elif step == "expire":
            bench.expire(26)
        elif step == "move" and not flying:
            bench.accumulator.lead(queue, 3 - queue.leader)
        elif not flying:
            continue
        elif step == "ok":
            batch = flying.pop(0)
            bench.answer(batch, produce(batch), node_id=flown_to)
        elif step in ("refuse", "fail", "unsequenced", "old epoch"):
            code = {"refuse": 19, "fail": 10, "unsequenced": 59, "old epoch": 47}[step]
            bench.answer(flying.pop(0), code, node_id=flown_to)
        elif step == "stored, refuse":
            batch = flying.pop(0)
            bench.answer(batch, produce(batch) or 7, node_id=flown_to)
        elif step in ("cut", "stored, cut"):
            if step == "stored, cut":
                for batch in flying:
                    produce(batch)
            lost = flying.copy()
            flying.clear()
            bench.lose(*lost, node_id=flown_to)
    assert not bench.accumulator.unsettled
    assert (bench.accumulator.buffered, queue.in_flight) == (0, 0)
    assert len(log.records) == len(set(log.records)), "stored twice"
    assert log.records == sorted(log.records), "out of order"
    stored = set(log.records)
    for batch in batches:
        assert batch.outcome.done
        there = [number in stored for number in numbers[batch]]
        error = batch.outcome.error_of(0)
        for index in range(batch.count):
            batch.outcome.error_of(index)
        if error is None:
            assert all(there)
        elif error.persisted is Persisted.NO:
            assert not any(there)
    assert batches[-1].outcome.error is None, "the producer works again"


class Schedule:
    """One partition that its leader has accepted a batch from, which has record 0; records are numbered by batch."""

    def __init__(self) -> None:
        self.bench = Bench(delivery_timeout=50)
        self.queue = self.bench.queue()
        self.log = PartitionLog()
        self.numbers: dict[Batch, int] = {}
        self.send(1)
        self.go()

    def send(self, times: int) -> list[Batch]:
        batches = [self.bench.batch(self.queue) for _ in range(times)]
        for batch in batches:
            self.numbers[batch] = len(self.numbers)
        return batches

    def write(self) -> list[Batch]:
        """Write as much as may be in flight."""
        self.bench.now += 1
        batches: list[Batch] = []
        while taken := self.bench.write():
            batches += taken
        return batches

    def store(self, batch: Batch) -> None:
        self.late(Stamp.of(batch), batch)

    def late(self, stamp: Stamp, batch: Batch) -> None:
        """The broker handles a request of a lost connection."""
        self.log.produce(stamp, [self.numbers[batch]])

    def answer(self, batch: Batch) -> None:
        answer = self.log.produce(Stamp.of(batch), [self.numbers[batch]])
        self.bench.answer(batch, answer.code, offset=answer.offset)

    def go(self) -> None:
        """All goes well until everything is settled."""
        for _ in range(100):
            for batch in self.write():
                self.answer(batch)
        assert not self.bench.accumulator.unsettled
        assert self.bench.accumulator.buffered == 0


def test_a_restarted_broker_knows_no_more_than_the_last_batch() -> None:
    schedule = Schedule()
    batches = schedule.send(3)
    assert schedule.write() == batches
    for batch in batches:
        schedule.store(batch)
    schedule.log.restart()
    schedule.bench.lose(*batches)
    [later] = schedule.send(1)
    schedule.go()
    assert schedule.log.records == [0, 1, 2, 3, 4]
    assert [error_of(batch).persisted for batch in batches] == [Persisted.MAYBE] * 3
    assert later.outcome.metadata_of(0).offset == 4


def test_a_retry_never_falls_out_of_the_last_five() -> None:
    schedule = Schedule()
    first, *others = schedule.send(5)
    assert schedule.write() == [first, *others]
    schedule.store(first)
    schedule.bench.answer(first, 7)
    for batch in others:
        schedule.answer(batch)
    fresh = schedule.send(5)
    written = schedule.write()
    assert written[0] is first
    for batch in written:
        schedule.store(batch)
    schedule.bench.lose(*written)
    schedule.go()
    assert schedule.log.records == list(range(11))
    assert [batch.outcome.metadata_of(0).offset for batch in (first, *others, *fresh)] == list(range(1, 11))


def test_a_broker_may_handle_the_requests_of_a_lost_connection_late() -> None:
    schedule = Schedule()
    [old] = schedule.send(1)
    schedule.bench.expire(30)
    [young] = schedule.send(1)
    assert schedule.write() == [old, young]
    stamps = [Stamp.of(old), Stamp.of(young)]
    schedule.bench.lose(old, young)
    schedule.bench.expire(20)
    error_of(old)
    # Refused, for the old one is missing; and then it comes, and the young one behind it.
    [again] = schedule.write()
    assert again is young
    schedule.answer(young)
    schedule.late(stamps[0], old)
    schedule.late(stamps[1], young)
    schedule.send(1)
    schedule.go()
    assert schedule.log.records == [0, 1, 2, 3]
    assert error_of(young).persisted is Persisted.MAYBE


def test_after_a_lost_connection_the_leader_has_to_accept_one_again() -> None:
    schedule = Schedule()
    lost = schedule.send(1)
    assert schedule.write() == lost
    schedule.bench.lose(*lost)
    # The broker was started anew on an empty disk: it would take the second without the first.
    schedule.log = schedule.log.made_again()
    fresh = schedule.send(2)
    assert schedule.write() == lost
    schedule.bench.answer(lost[0], 19)
    schedule.go()
    assert schedule.log.records == [1, 2, 3]
    assert [batch.outcome.metadata_of(0).offset for batch in (*lost, *fresh)] == [0, 1, 2]


# Close enough to each other, and to where sequences wrap, that they follow, repeat and miss each other.
STAMPS = st.builds(
    Stamp,
    producer_id=st.sampled_from((7, 7, 7, 8)),
    epoch=st.sampled_from((0, 0, 0, 1)),
    sequence=st.integers(-4, 12).map(lambda number: number % LIMIT),
    length=st.integers(1, 2),
)


@given(st.lists(st.sampled_from(["follow"] * 9 + ["forget"]) | STAMPS, min_size=20, max_size=60))
def test_the_model_and_the_embedded_cluster_agree_on_sequences(steps: list[Stamp | str]) -> None:
    log, producers = PartitionLog(), Producers()
    last = Stamp(7, 0, LIMIT - 2, 1)
    end = 0
    for step in steps:
        if step == "forget":
            log.forget()
            producers.forget()
            continue
        stamp = last._replace(sequence=last.following) if isinstance(step, str) else step
        answer = log.produce(stamp, range(stamp.length))
        header = BatchHeader(0, 0, 0, 2, 0, 0, stamp.length - 1, 0, 0, *stamp)
        original = producers.duplicate_of(header)
        if original is not None:
            assert (answer.code, answer.offset, answer.taken) == (0, original.first_offset, False)
            continue
        refused = 0
        try:
            producers.check(header)
        except RefusedError as refusal:
            refused = refusal.code
        assert answer.code == refused
        assert answer.taken is not bool(refused)
        if answer.taken:
            assert answer.offset == end
            producers.appended(header, end, 0)
            end += stamp.length
            last = stamp
    assert log.end == end
