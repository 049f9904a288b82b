"""Whatever happens between a producer and a partition, with Hypothesis: nothing is lost, doubled, out of order, or left
in the buffer, and what is said of a failed record is true.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from aioproducer.batching.batch import Batch
from aioproducer.errors import Persisted
from tests.sending.bench import Bench


@dataclass
class Log:
    """A partition's log and what it remembers of producers, as brokers do (five batches, any first sequence)."""

    records: list[int] = field(default_factory=list)
    epoch: tuple[int, int] | None = None
    recent: list[tuple[int, int]] = field(default_factory=list)

    def produce(self, batch: Batch, numbers: Sequence[int]) -> int:
        identity = (batch.producer_id, batch.producer_epoch)
        piece = (batch.base_sequence, batch.count)
        if identity == self.epoch and piece in self.recent[-5:]:
            return 0
        if self.epoch is not None:
            if identity < self.epoch:
                return 47
            expected = sum(self.recent[-1]) if identity == self.epoch else 0
            if batch.base_sequence != expected:
                return 45
        if identity != self.epoch:
            self.recent.clear()
        self.epoch = identity
        self.recent.append(piece)
        self.records.extend(numbers)
        return 0


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
    log = Log()
    batches: list[Batch] = []
    numbers: dict[Batch, list[int]] = {}
    flying: list[Batch] = []

    def send() -> None:
        batch = bench.batch(queue, 1 + len(batches) % 3)
        first = sum(map(len, numbers.values()))
        numbers[batch] = list(range(first, first + batch.count))
        batches.append(batch)

    def write() -> None:
        flying.extend(bench.write(queue.leader))
        assert len(flying) == queue.in_flight <= 5

    flown_to = queue.leader
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
            bench.answer(batch, log.produce(batch, numbers[batch]), node_id=flown_to)
        elif step in ("refuse", "fail", "unsequenced", "old epoch"):
            code = {"refuse": 19, "fail": 10, "unsequenced": 59, "old epoch": 47}[step]
            bench.answer(flying.pop(0), code, node_id=flown_to)
        elif step == "stored, refuse":
            batch = flying.pop(0)
            bench.answer(batch, log.produce(batch, numbers[batch]) or 7, node_id=flown_to)
        elif step in ("cut", "stored, cut"):
            if step == "stored, cut":
                for batch in flying:
                    log.produce(batch, numbers[batch])
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
