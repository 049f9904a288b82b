"""What becomes of batches: the whole table of codes, retries and their end, and what is said of the log."""

from __future__ import annotations

import pytest

from aioproducer import errors
from aioproducer.batching.batch import Batch, State
from aioproducer.errors import (
    BrokerError,
    ConnectionFailedError,
    DeliveryTimeoutError,
    KafkaError,
    NotEnoughReplicasError,
    Persisted,
    ProducerClosedError,
    ProtocolError,
)
from aioproducer.models import NO_OFFSET
from aioproducer.protocol.error_codes import ERROR_CODES
from tests.sending.bench import BACKOFF, Bench, error_of

RETRIABLE = {2, 3, 5, 6, 7, 9, 13, 14, 15, 16, 19, 20, 41, 51, 56, 72, 74, 75, 89, 100, 103}
RESTARTED = {45, 47, 59}
STORED = {0, 46}
FATAL = {31, 35, 49, 53, 90}
MAYBE_STORED = {-1, 6, 7, 13, 20, 56}
REFRESHING = {3, 5, 6, 9, 13, 56, 72, 74, 100, 103}
UNKNOWN = 12345
CLASSES: dict[int, type[KafkaError]] = {
    2: errors.CorruptRecordError,
    3: errors.UnknownTopicOrPartitionError,
    5: errors.LeaderNotAvailableError,
    6: errors.NotLeaderOrFollowerError,
    7: errors.RequestTimedOutError,
    10: errors.RecordTooLargeError,
    17: errors.InvalidTopicError,
    19: errors.NotEnoughReplicasError,
    20: errors.NotEnoughReplicasAfterAppendError,
    29: errors.TopicAuthorizationError,
    31: errors.ClusterAuthorizationError,
    32: errors.InvalidTimestampError,
    44: errors.PolicyViolationError,
    45: errors.OutOfOrderSequenceError,
    47: errors.InvalidProducerEpochError,
    56: errors.KafkaStorageError,
    59: errors.UnknownProducerIdError,
    87: errors.InvalidRecordError,
    89: errors.ThrottlingQuotaExceededError,
    90: errors.ProducerFencedError,
}
CODES = sorted({*ERROR_CODES, UNKNOWN})


def retry_at(batch: Batch) -> float:
    """Not before this time, in loop seconds, does its partition go on."""
    node = batch.queue.node
    assert node is not None
    return node.retries[batch.queue]


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("idempotent", [True, False])
def test_every_code_is_acknowledged_retried_or_fails_one_batch(code: int, idempotent: bool) -> None:
    bench = Bench(idempotent=idempotent)
    batch, other = bench.batch(bench.queue(0)), bench.batch(bench.queue(1))
    assert bench.write() == [batch, other]
    bench.answer(batch, code, offset=5)
    assert other.state is State.IN_FLIGHT
    assert (bench.stale > 0) == (code in REFRESHING)
    if code in STORED:
        assert batch.outcome.metadata_of(0).offset == (NO_OFFSET if code else 5)
    elif code in RETRIABLE or (idempotent and code in RESTARTED):
        assert (batch.state, retry_at(batch)) == (State.QUEUED, bench.now + BACKOFF)
        assert bench.counters.records_failed == 0
        bench.now += BACKOFF
        assert bench.write() == [batch]
        bench.answer(batch, offset=6)
        assert batch.outcome.metadata_of(0).offset == 6
        assert bench.sequencer.epoch_bumps == (code in RESTARTED)
    else:
        error = error_of(batch)
        assert type(error) is CLASSES.get(code, BrokerError)
        assert isinstance(error, BrokerError)
        assert error.code == code
        assert error.persisted is (Persisted.MAYBE if code in MAYBE_STORED or code == UNKNOWN else Persisted.NO)
        assert error.retriable is False
        assert list(map(str, bench.fatal)) == ([str(error)] if code in FATAL else [])
        assert error.fatal is (code in FATAL)
        assert batch.state is State.SETTLED
        assert (bench.counters.records_failed, bench.counters.batches_failed) == (1, 1)
    bench.answer(other)
    assert bench.accumulator.buffered == 0


@pytest.mark.parametrize("code", sorted(RETRIABLE | RESTARTED))
def test_the_last_retry_is_the_end_and_the_error_says_so(code: int) -> None:
    bench = Bench(retries=2)
    batch = bench.batch(bench.queue())
    for _ in range(3):
        assert bench.write() == [batch]
        bench.answer(batch, code)
        bench.now += 10
    error = error_of(batch)
    assert type(error) is CLASSES.get(code, BrokerError)
    assert error.persisted is (Persisted.MAYBE if code in MAYBE_STORED else Persisted.NO)
    if code in RETRIABLE:
        assert "given up after 3 attempts (retries=2)" in str(error)
    assert bench.write() == []


def test_a_partition_that_fails_does_not_hold_up_the_next_batch() -> None:
    bench = Bench()
    queue = bench.queue()
    first, second = bench.batch(queue), bench.batch(queue)
    bench.write()
    bench.answer(first, UNKNOWN)
    assert "UNKNOWN_CODE_12345" in str(error_of(first))
    assert bench.write() == [second]


def test_not_enough_replicas_until_the_delivery_time_is_over() -> None:
    bench = Bench(delivery_timeout=10)
    batch = bench.batch(bench.queue())
    while batch.state is not State.SETTLED:
        bench.now = bench.accumulator.next_expiry or bench.now
        before = bench.node().next_look
        if before is not None:
            bench.now = min(before, bench.now)
        for taken in bench.write():
            bench.answer(taken, 19, message="1 in sync")
        bench.settlement.expire(bench.now)
    error = error_of(batch)
    assert isinstance(error, DeliveryTimeoutError)
    assert isinstance(error.__cause__, NotEnoughReplicasError)
    assert error.persisted is Persisted.NO
    assert "They are not in the log." in str(error)
    assert "'1 in sync'" in str(error)


def test_an_answer_after_the_delivery_time_ends_the_batch_as_the_clock_would_have() -> None:
    bench = Bench(delivery_timeout=10)
    batch = bench.batch(bench.queue())
    bench.write()
    bench.now += 10
    bench.answer(batch, 19)
    error = error_of(batch)
    assert isinstance(error, DeliveryTimeoutError)
    assert isinstance(error.__cause__, NotEnoughReplicasError)


def test_pauses_grow_with_the_attempts() -> None:
    bench = Bench()
    batch = bench.batch(bench.queue())
    for attempt in range(1, 5):
        assert bench.write() == [batch]
        bench.answer(batch, 19)
        assert retry_at(batch) == bench.now + BACKOFF * attempt
        due, bench.now = retry_at(batch), retry_at(batch) - 0.001
        assert bench.write() == []
        bench.now = due


def test_another_leader_is_tried_at_once() -> None:
    bench = Bench()
    queue = bench.queue()
    batch = bench.batch(queue)
    bench.write()
    bench.answer(batch, 6)
    assert bench.write() == []
    bench.accumulator.lead(queue, 2)
    assert bench.write(2) == [batch]
    # Also if it was known before the answer of the old one came.
    bench.accumulator.lead(queue, 3)
    bench.answer(batch, 6, node_id=2)
    assert bench.write(3) == [batch]


@pytest.mark.parametrize(("written", "persisted"), [(True, Persisted.MAYBE), (False, Persisted.NO)])
def test_a_lost_request_may_be_in_the_log_only_if_it_was_written(written: bool, persisted: Persisted) -> None:
    bench = Bench(delivery_timeout=10)
    batch = bench.batch(bench.queue())
    assert (bench.write() if written else bench.drain()) == [batch]
    bench.lose(batch, error=ConnectionFailedError("cut", persisted=Persisted.MAYBE))
    assert (batch.state, bench.stale) == (State.QUEUED, 1)
    bench.expire(10)
    error = error_of(batch)
    assert error.persisted is persisted
    assert isinstance(error.__cause__, ConnectionFailedError)


def test_once_it_may_be_in_the_log_a_later_refusal_does_not_take_that_back() -> None:
    bench = Bench()
    batch = bench.batch(bench.queue())
    bench.write()
    bench.answer(batch, 7)
    bench.now += 1
    bench.write()
    bench.answer(batch, 87, records=[(0, "no key")])
    error = error_of(batch)
    assert (type(error), error.persisted) == (errors.InvalidRecordError, Persisted.MAYBE)


def test_an_error_that_is_shared_is_not_changed_for_the_others() -> None:
    bench = Bench()
    written, waiting = bench.batch(bench.queue(0)), bench.batch(bench.queue(1, leader=2))
    bench.write()
    error = ProducerClosedError("closed")
    error.__cause__ = cause = OSError()
    bench.settlement.fail_all(lambda _batch: error, bench.now)
    assert error.persisted is error_of(waiting).persisted is Persisted.NO
    assert error_of(written).persisted is Persisted.MAYBE
    assert error_of(written).__cause__ is cause


def test_records_that_the_broker_names_get_their_own_error_and_their_neighbours_another() -> None:
    bench = Bench()
    batch = bench.batch(bench.queue(), 4)
    bench.write()
    bench.answer(batch, 87, records=[(1, "no key"), (3, None), (9, "there is none")])
    assert [type(error_of(batch, index)) for index in range(4)] == [
        KafkaError,
        errors.InvalidRecordError,
        KafkaError,
        errors.InvalidRecordError,
    ]
    assert "record 1 of a batch to t[0]" in str(error_of(batch, 1))
    assert "'no key'" in str(error_of(batch, 1))
    assert [error_of(batch, index).retriable for index in range(4)] == [True, False, True, False]


def test_an_answer_that_forgets_a_partition_counts_as_lost() -> None:
    bench = Bench(retries=0)
    batch = bench.batch(bench.queue())
    bench.write()
    bench.settlement.answered([batch], {}, 1, bench.now)
    error = error_of(batch)
    assert (type(error), error.persisted) == (ProtocolError, Persisted.MAYBE)


def test_what_expires_in_flight_keeps_its_bytes_until_the_request_is_over() -> None:
    bench = Bench(delivery_timeout=10)
    batch = bench.batch(bench.queue())
    bench.write()
    bench.expire(10)
    assert isinstance(error_of(batch), DeliveryTimeoutError)
    assert "a request to broker 1 is unanswered" in str(error_of(batch))
    assert (error_of(batch).persisted, bench.accumulator.buffered > 0) == (Persisted.MAYBE, True)
    bench.answer(batch, 19)
    assert (batch.state, bench.accumulator.buffered, bench.counters.batches_failed) == (State.SETTLED, 0, 1)
    assert bench.write() == []


@pytest.mark.parametrize("end", ["not written", "lost"])
def test_what_expires_while_it_is_compressed_fails_once(end: str) -> None:
    bench = Bench(delivery_timeout=10)
    queue = bench.queue()
    batch = bench.batch(queue)
    bench.drain()
    bench.expire(10)
    assert error_of(batch).persisted is Persisted.NO
    if end == "lost":
        bench.lose(batch)
    else:
        bench.settlement.not_written([batch], bench.now)
    assert (batch.state, bench.accumulator.buffered, bench.counters.batches_failed) == (State.SETTLED, 0, 1)
    later = bench.batch(queue)
    assert bench.write() == [later], "the partition goes on"


def test_the_expiry_error_says_what_was_waited_for() -> None:
    bench = Bench(delivery_timeout=10)
    unreachable, leaderless = bench.batch(bench.queue(0)), bench.batch(bench.queue(1, leader=-1))
    refused = ConnectionFailedError("connection refused")
    bench.settlement.unreachable(1, refused)
    bench.expire(10)
    assert "go to broker 1; the last error was: connection refused" in str(error_of(unreachable))
    assert error_of(unreachable).__cause__ is refused
    assert "the partition has no leader. They are not" in str(error_of(leaderless))
    bench.settlement.reachable(1)
    bench.sequencer.identity = None
    nameless = bench.batch(bench.queue(2))
    bench.expire(10)
    assert "no broker has given the producer id" in str(error_of(nameless))
    assert error_of(nameless).__cause__ is None


def test_with_acks_0_it_is_settled_without_an_offset_once_written() -> None:
    bench = Bench(idempotent=False, retries=0)
    batch = bench.batch(bench.queue())
    bench.write()
    bench.settlement.written_unanswered([batch], bench.now)
    assert batch.outcome.metadata_of(0).offset == NO_OFFSET
    assert (bench.counters.records_sent, bench.accumulator.buffered, bench.room) == (1, 0, 1)


def test_what_a_broker_can_not_take_fails_and_the_next_goes_on() -> None:
    bench = Bench()
    queue = bench.queue()
    batch, later = bench.batch(queue), bench.batch(queue)
    bench.drain()
    bench.settlement.refused([batch], errors.UnsupportedVersionError("too old"), bench.now)
    assert type(error_of(batch)) is errors.UnsupportedVersionError
    assert bench.write() == [later]


def test_failing_everything_also_fails_what_comes_into_the_room_it_makes() -> None:
    bench = Bench()
    queue = bench.queue()
    batches = [bench.batch(queue)]

    def let_one_in(_now: float) -> None:
        if len(batches) < 3:
            batches.append(bench.batch(queue))

    settlement = bench.settlement_with(on_room=let_one_in)
    settlement.fail_all(lambda _batch: ProducerClosedError("closed"), bench.now)
    assert [type(error_of(batch)) for batch in batches] == [ProducerClosedError] * 3
    assert not bench.accumulator.unsettled


@pytest.mark.parametrize("code", [47, 59])
def test_what_may_be_stored_already_is_not_sent_under_a_new_sequence(code: int) -> None:
    bench = Bench()
    queue = bench.queue()
    stored, fresh = bench.batch(queue), bench.batch(queue)
    bench.write()
    bench.answer(stored, 7)
    bench.now += 1
    assert bench.write() == [stored]
    bench.answer(stored, code)
    assert error_of(stored).persisted is Persisted.MAYBE
    bench.now += 1
    assert bench.write() == [fresh]
    assert (fresh.producer_epoch, fresh.base_sequence) == (1, 0)


def test_settling_many_partitions_does_not_look_at_all_of_them_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(delivery_timeout=10)
    batches = [bench.batch(bench.queue(partition)) for partition in range(200)]
    bench.write()
    bench.lose(*batches)
    looks = 0
    look = bench.accumulator.look_again

    def count(queue: object) -> None:
        nonlocal looks
        looks += 1
        look(queue)  # type: ignore[arg-type]  # it is what `look` was given

    monkeypatch.setattr(bench.accumulator, "look_again", count)
    monkeypatch.setattr(bench.accumulator, "look_at_all", lambda: pytest.fail("a scan of everything"))
    bench.expire(10)
    assert looks == 200
    assert bench.sequencer.epoch_bumps == 1
    for batch in batches:
        error_of(batch)
