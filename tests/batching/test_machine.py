"""Intake, accumulator and sequences together, against a model of the brokers, in virtual time.

The model of a partition is that of `tests.support.partition_log`. What may happen: requests are processed late,
answered late, or lost with their connection before or after they were processed; leaders move, and the metadata tells
of it later; brokers refuse; callers cancel and flush.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from aioproducer.batching.batch import Batch
from aioproducer.delivery import Delivery
from aioproducer.errors import ConnectionFailedError, KafkaError, Persisted
from aioproducer.models import NO_OFFSET, RecordMetadata
from aioproducer.protocol.messages.produce import PartitionProduceResponse
from aioproducer.sending.sequences import Sequencer
from aioproducer.sending.settlement import Settlement
from aioproducer.telemetry.counters import Counters
from tests.support.batching import Core
from tests.support.partition_log import PartitionLog, Stamp

BUFFER = 900
BATCH = 200
GROWN = 350
LIMIT = 400
MAX_BLOCK = 5.0
DELIVERY_TIMEOUT = 20.0
RETRIES = 1000
NODES = (0, 1)
TOPICS = ("a", "b")
PARTITIONS = 2

NOT_LEADER = 6
NOT_ENOUGH_REPLICAS, AFTER_APPEND, INVALID_RECORD = 19, 20, 87
CODES = (0, 0, 0, NOT_ENOUGH_REPLICAS, AFTER_APPEND, INVALID_RECORD)


class Log(PartitionLog):
    """One partition at the brokers, and which of them leads it."""

    def __init__(self, leader: int) -> None:
        super().__init__()
        self.leader = leader

    def append(self, batch: Batch) -> tuple[int, int]:
        """The error code and the base offset."""
        assert batch.records is not None
        numbers = [int(number) for number in re.findall(rb"#(\d+)\.", batch.records)]
        answer = self.produce(Stamp.of(batch), numbers)
        return answer.code, answer.offset


@dataclass
class Sent:
    """One record: its number is the order of the calls."""

    number: int
    topic: str
    partition: int | None
    delivery: Delivery
    outcomes: list[RecordMetadata | KafkaError] = field(default_factory=list)
    done: int = 0


@dataclass
class Request:
    batches: list[Batch]
    answers: dict[tuple[str, int], PartitionProduceResponse] | None = None


class CoreMachine(RuleBasedStateMachine):
    max_in_flight = 3
    idempotent = True
    batch_max_size = BATCH

    def __init__(self) -> None:
        super().__init__()
        self.sequencer = Sequencer(
            idempotent=self.idempotent,
            max_in_flight=self.max_in_flight,
            on_exhausted=lambda: None,
            on_bump=lambda _: None,
        )
        self.core = Core(
            gate=self.sequencer,
            buffer_memory=BUFFER,
            batch_size=BATCH,
            batch_max_size=self.batch_max_size,
            linger=0.5,
            max_block=MAX_BLOCK,
            delivery_timeout=DELIVERY_TIMEOUT,
            random=lambda: len(self.sent),
        )
        self.settlement = Settlement(
            self.core.accumulator,
            self.sequencer,
            Counters(),
            retries=RETRIES,
            delivery_timeout=DELIVERY_TIMEOUT,
            backoff=lambda _attempts: 0.1,
            on_stale_metadata=lambda: None,
            on_room=self.core.intake.advance,
            on_fatal=lambda _error: None,
            emit=lambda _event: None,
        )
        self.sent: list[Sent] = []
        self.logs = {(topic, p): Log(leader=p % len(NODES)) for topic in TOPICS for p in range(PARTITIONS)}
        self.requests: dict[int, deque[Request]] = {node: deque() for node in NODES}
        self.reports: dict[tuple[str, int], list[int]] = defaultdict(list)
        self.withdrawn: set[int] = set()

    @initialize(unknown=st.sets(st.sampled_from(TOPICS), max_size=1), late=st.sampled_from([False, False, True]))
    def begin(self, unknown: set[str], late: bool) -> None:
        if not late:
            self.identify()
        for topic in TOPICS:
            if topic not in unknown:
                self.tell(topic)

    # What callers do

    @rule(
        topic=st.sampled_from(TOPICS),
        partition=st.sampled_from([None, 0, 0, 0, 1, PARTITIONS]),
        key=st.none() | st.sampled_from([b"k", b"l"]),
        padding=st.integers(0, 150),
        times=st.integers(1, 4),
    )
    def send(self, topic: str, partition: int | None, key: bytes | None, padding: int, times: int) -> None:
        for _ in range(times):
            number = len(self.sent)

            def report(metadata: RecordMetadata | None, error: KafkaError | None, number: int = number) -> None:
                outcome = metadata or error
                assert outcome is not None
                record = self.sent[number]
                record.outcomes.append(outcome)
                if metadata is not None:
                    self.reports[metadata.topic, metadata.partition].append(number)

            value = b"#%d." % number + b"x" * padding
            delivery = self.core.send(topic, value, key=key, partition=partition, on_delivery=report)
            record = Sent(number, topic, partition, delivery)
            self.sent.append(record)
            delivery.add_done_callback(lambda _delivery, record=record: self.count_done(record))  # type: ignore[misc]

    @staticmethod
    def count_done(record: Sent) -> None:
        record.done += 1

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        record = data.draw(st.sampled_from(self.sent))
        waiting = "not accepted" in repr(record.delivery)
        if record.delivery.cancel() and waiting:
            self.withdrawn.add(record.number)
            # What the producer's clock does when told that others wait than before.
            self.core.intake.expire(self.core.now, lambda _topic: None)

    @rule()
    def flush(self) -> None:
        self.core.accumulator.seal_all()
        self.core.accumulator.hurry()
        self.core.accumulator.relax()

    # What time and brokers do

    @rule(seconds=st.sampled_from([0.1, 0.1, 0.2, 0.5, 0.5, 1.0, 5.0, 20.0]))
    def wait(self, seconds: float) -> None:
        self.core.now += seconds
        self.settlement.expire(self.core.now)
        self.core.intake.expire(self.core.now, lambda _topic: None)

    @rule()
    def identify(self) -> None:
        if self.sequencer.identity is None:
            self.sequencer.identity = (7, 0)
            self.core.accumulator.look_at_all()

    @rule(topic=st.sampled_from(TOPICS))
    def tell(self, topic: str) -> None:
        self.core.know(topic, *(self.logs[topic, p].leader for p in range(PARTITIONS)))

    @rule(topic=st.sampled_from(TOPICS))
    def forget(self, topic: str) -> None:
        """The metadata has not heard of the topic for long; while the brokers are well."""
        self.work(True, [0, 0], 2)
        self.core.intake.forget(topic)

    @rule(topic=st.sampled_from(TOPICS), partition=st.integers(0, PARTITIONS - 1), leader=st.sampled_from(NODES))
    def move(self, topic: str, partition: int, leader: int) -> None:
        self.logs[topic, partition].leader = leader

    @rule(sealed=st.booleans(), codes=st.lists(st.sampled_from(CODES), max_size=2), answered=st.integers(0, 2))
    def work(self, sealed: bool, codes: list[int], answered: int) -> None:
        """The senders take what is ready, with `sealed` after a flush; some of it is processed and answered at once."""
        if sealed:
            self.core.accumulator.seal_all()
        for node in NODES:
            self.transmit(node)
            self.transmit(node)
            for code in codes:
                self.process(node, code)
            for _ in range(answered):
                self.answer(node)

    def transmit(self, node: int) -> None:
        if node not in self.core.nodes or len(self.requests[node]) >= self.max_in_flight:
            return
        batches = self.core.drain(node, LIMIT)
        if not batches:
            return
        assert len(batches) == 1 or sum(batch.wire_size for batch in batches) <= LIMIT
        assert len({batch.queue for batch in batches}) == len(batches)
        assert all(batch.count == 1 or batch.wire_size <= self.batch_max_size for batch in batches)
        for batch in batches:
            if batch.records is None:
                batch.load(batch.builder.build(), 0)
            batch.attempts += 1
            batch.written = True
        self.requests[node].append(Request(batches))

    @rule(node=st.sampled_from(NODES), code=st.sampled_from(CODES))
    def process(self, node: int, code: int) -> None:
        """The broker looks at the next request; `code` is what it says of its first batch."""
        for request in self.requests[node]:
            if request.answers is None:
                request.answers = {}
                for batch in request.batches:
                    where = batch.queue.topic, batch.queue.partition
                    request.answers[where] = self.produce(self.logs[where], batch, node, code)
                    code = 0
                return

    @staticmethod
    def produce(log: Log, batch: Batch, node: int, code: int) -> PartitionProduceResponse:
        offset = -1
        if node != log.leader:
            code = NOT_LEADER
        elif code in (0, AFTER_APPEND):
            refused, offset = log.append(batch)
            code = refused or code
        return PartitionProduceResponse(index=batch.queue.partition, error_code=code, base_offset=offset)

    @rule(node=st.sampled_from(NODES))
    def answer(self, node: int) -> None:
        """The oldest request is answered, if it was processed."""
        requests = self.requests[node]
        if requests and requests[0].answers is not None:
            request = requests.popleft()
            self.settlement.answered(request.batches, request.answers or {}, node, self.core.now)

    @rule(node=st.sampled_from(NODES), processed=st.integers(0, 3))
    def disconnect(self, node: int, processed: int) -> None:
        """The connection is lost, with all its answers; some of the requests are processed all the same."""
        for _ in range(processed):
            self.process(node, 0)
        lost, self.requests[node] = self.requests[node], deque()
        for request in lost:
            error = ConnectionFailedError(f"broker {node} is gone")
            self.settlement.lost(request.batches, error, node, self.core.now)

    @rule()
    def turn(self) -> None:
        """The loop makes its calls."""
        self.core.loop.turn()

    # What always holds

    @invariant()
    def bytes_are_exact(self) -> None:
        accumulator = self.core.accumulator
        held = set(accumulator.unsettled)
        held.update(batch for requests in self.requests.values() for request in requests for batch in request.batches)
        assert accumulator.buffered == sum(batch.reserved for batch in held)
        assert 0 <= accumulator.buffered <= BUFFER

    @invariant()
    def fills_are_exact(self) -> None:
        for queue in {batch.queue for batch in self.core.accumulator.unsettled}:
            assert queue.fills == sum(batch.fills for batch in queue.batches())
            assert queue.queued == len(list(queue.batches())) <= queue.fills

    @invariant()
    def few_are_in_flight(self) -> None:
        in_flight: dict[object, list[Batch]] = defaultdict(list)
        for requests in self.requests.values():
            for request in requests:
                for batch in request.batches:
                    in_flight[batch.queue].append(batch)
        for queue, batches in in_flight.items():
            assert len(batches) <= self.max_in_flight
            assert len(batches) == getattr(queue, "in_flight")  # noqa: B009

    @invariant()
    def nothing_is_told_twice(self) -> None:
        for record in self.sent:
            assert len(record.outcomes) <= 1
            assert record.done <= 1

    def teardown(self) -> None:
        """With all faults over everything settles, and then the books are compared."""
        for _ in range(400):
            self.identify()
            for topic in TOPICS:
                self.tell(topic)
            for node in NODES:
                self.transmit(node)
                while self.requests[node]:
                    self.process(node, 0)
                    self.answer(node)
            self.bytes_are_exact()
            self.few_are_in_flight()
            self.turn()
            if not self.core.accumulator.unsettled and not self.core.intake.parked:
                break
            self.wait(0.1)
        self.turn()
        self.turn()
        assert not self.core.intake.parked
        assert not self.core.accumulator.unsettled
        assert self.core.accumulator.buffered == 0
        self.check_books()

    def check_books(self) -> None:
        stored = [number for log in self.logs.values() for number in log.records]
        if self.idempotent:
            assert len(stored) == len(set(stored)), "stored twice"
            for log in self.logs.values():
                assert log.records == sorted(log.records), "stored in another order than that of the calls"
        for reports in self.reports.values():
            assert reports == sorted(reports), "on_delivery in another order than that of the calls"
        for record in self.sent:
            if record.number in self.withdrawn:
                assert not record.outcomes
                assert record.number not in stored
            else:
                assert len(record.outcomes) == 1, f"record {record.number} is not settled"
                self.check_outcome(record, record.outcomes[0], stored)
            assert record.done == 1

    def check_outcome(self, record: Sent, outcome: RecordMetadata | KafkaError, stored: list[int]) -> None:
        if isinstance(outcome, KafkaError):
            assert outcome.persisted is not Persisted.NO or record.number not in stored
            return
        records = self.logs[outcome.topic, outcome.partition].records
        assert outcome.topic == record.topic
        assert record.partition is None or outcome.partition == record.partition
        if outcome.offset == NO_OFFSET:
            assert record.number in records
        else:
            assert records[outcome.offset] == record.number


class GrowingMachine(CoreMachine):
    """Batches grow while they can not be sent."""

    batch_max_size = GROWN


class PlainMachine(CoreMachine):
    """Without idempotence, one batch in flight: records may be stored twice, and are never lost."""

    idempotent = False
    max_in_flight = 1


_SETTINGS = settings(max_examples=60, stateful_step_count=60)

TestCore = CoreMachine.TestCase
TestCore.settings = _SETTINGS
TestGrowing = GrowingMachine.TestCase
TestGrowing.settings = _SETTINGS
TestPlain = PlainMachine.TestCase
TestPlain.settings = settings(max_examples=20, stateful_step_count=40)
