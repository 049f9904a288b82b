"""What happens to batches when they are answered, lost, too old or given up: the decisions of `retry` carried out.

It changes the accumulator, the sequences, the outcomes, the counters; it writes nothing to a broker. Everything here
is synchronous, so that an answer is either handled or not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy

from aioproducer.batching.accumulator import Accumulator
from aioproducer.batching.batch import Batch, State
from aioproducer.batching.partition_queue import NO_LEADER
from aioproducer.errors import DeliveryTimeoutError, KafkaError, Persisted, ProtocolError
from aioproducer.protocol.error_codes import ErrorCode, broker_error, error_code
from aioproducer.protocol.messages.produce import PartitionProduceResponse
from aioproducer.records.split import split_records
from aioproducer.sending.produce import Answers
from aioproducer.sending.retry import NETWORK_EXCEPTION, SEQUENCE_ERRORS, Action, judge
from aioproducer.sending.sequences import Sequencer
from aioproducer.telemetry.counters import Counters
from aioproducer.telemetry.events import EventKind, OnEvent, ProducerEvent


class Settlement:
    def __init__(
        self,
        accumulator: Accumulator,
        sequencer: Sequencer,
        counters: Counters,
        *,
        retries: int,
        delivery_timeout: float,
        backoff: Callable[[int], float],
        on_stale_metadata: Callable[[], None],
        on_room: Callable[[float], None],
        on_fatal: Callable[[KafkaError], None],
        emit: OnEvent,
    ) -> None:
        """`backoff` tells the seconds to wait before a retry, by the number of attempts made. `on_room` is told
        that bytes were given back, with the time; `on_fatal` of an error after which the broker takes nothing
        more from this producer.
        """
        self._accumulator = accumulator
        self._sequencer = sequencer
        self._counters = counters
        self._retries = retries
        self._delivery_timeout = delivery_timeout
        self._backoff = backoff
        self._on_stale_metadata = on_stale_metadata
        self._on_room = on_room
        self._on_fatal = on_fatal
        self._emit = emit
        self._unreachable: dict[int, KafkaError] = {}
        self._fatal: KafkaError | None = None

    def answered(
        self,
        batches: Sequence[Batch],
        answers: Answers,
        node_id: int,
        now: float,
    ) -> None:
        """A broker has answered the request with these batches."""
        for batch in batches:
            answer = answers.get((batch.queue.topic, batch.queue.partition))
            if answer is None:
                error = ProtocolError(f"broker {node_id} answered a produce request without naming {_where(batch)}")
                self._lost(batch, error, node_id, now)
                continue
            batch.written = False
            if not answer.error_code and batch.state is State.IN_FLIGHT:
                # What `judge` says of nearly all, without asking: 3 us of those that an awaited record takes.
                self._accumulator.answered(batch)
                self._acknowledge(batch, answer.base_offset, answer.log_append_time_ms, node_id)
            else:
                self._judge(batch, answer, node_id, now)
        fatal, self._fatal = self._fatal, None
        if fatal is not None:
            # Not before each batch of the answer has got what the answer says of it.
            self._on_fatal(fatal)
        self._on_room(now)

    def lost(self, batches: Sequence[Batch], error: KafkaError, node_id: int, now: float) -> None:
        """The request with these batches was never answered, or never written."""
        for batch in batches:
            self._lost(batch, error, node_id, now)
        self._on_stale_metadata()
        self._on_room(now)

    def not_written(self, batches: Sequence[Batch], now: float) -> None:
        """These batches were given up while a sender had them, and it has not written them."""
        for batch in batches:
            self._accumulator.answered(batch)
            self._over(batch)
        self._on_room(now)

    def unreachable(self, node_id: int, error: KafkaError) -> None:
        """A broker can not be connected to; batches for it whose time is over meanwhile say why."""
        self._unreachable[node_id] = error

    def reachable(self, node_id: int) -> None:
        """There is a connection to the broker."""
        self._unreachable.pop(node_id, None)

    def written_unanswered(self, batches: Sequence[Batch], now: float) -> None:
        """With acks=0: the bytes are on their way, and no answer will come."""
        for batch in batches:
            self._accumulator.answered(batch)
            self._acknowledge(batch, -1, -1, batch.queue.leader)
        self._on_room(now)

    def refused(self, batches: Sequence[Batch], error: KafkaError, now: float) -> None:
        """These batches can not be written to this broker at all."""
        for batch in batches:
            self._accumulator.answered(batch)
            self._fail(batch, error)
        self._on_room(now)

    def expire(self, now: float) -> None:
        """Fail the batches whose delivery time is over."""
        expired = self._accumulator.expired(now)
        for batch in expired:
            self._expire(batch, now)
        if expired:
            self._on_stale_metadata()
            self._on_room(now)

    def fail_all(self, error_of: Callable[[Batch], KafkaError], now: float) -> None:
        """Fail every batch that is not settled, and what comes into the buffer because of the room that makes."""
        while self._accumulator.unsettled:
            for batch in tuple(self._accumulator.unsettled):
                self._fail(batch, error_of(batch))
            self._on_room(now)

    def _lost(self, batch: Batch, error: KafkaError, node_id: int, now: float) -> None:
        batch.possibly_persisted |= batch.written and not batch.void
        batch.written = False
        # The broker may have been restarted, and know less of this producer than it did.
        batch.queue.accepted_by = None
        self._act(batch, error_code(NETWORK_EXCEPTION), error, None, node_id, now)

    def _judge(self, batch: Batch, answer: PartitionProduceResponse, node_id: int, now: float) -> None:
        row = error_code(answer.error_code)
        error: KafkaError | None = None
        if row.code:
            detail = f"produce of {batch.count} records to {_where(batch)} on broker {node_id}"
            error = broker_error(row.code, detail, answer.error_message)
            batch.possibly_persisted |= row.possibly_persisted and not batch.void
            if row.refresh_metadata:
                self._on_stale_metadata()
        self._act(batch, row, error, answer, node_id, now)

    def _act(
        self,
        batch: Batch,
        row: ErrorCode,
        error: KafkaError | None,
        answer: PartitionProduceResponse | None,
        node_id: int,
        now: float,
    ) -> None:
        accumulator = self._accumulator
        accumulator.answered(batch)
        if batch.state is not State.IN_FLIGHT:
            # The callers have their error. But a log that has it all the same has no gap.
            if row.persisted is Persisted.YES:
                self._sequencer.acknowledged(batch, node_id)
            self._over(batch)
            return
        restarted = self._sequencer.restarted(batch)
        in_time = now < batch.created_at + self._delivery_timeout
        action = judge(
            row,
            sequenced=batch.sequenced,
            # Found out only where it counts, for it is a search through what is unsettled.
            oldest=row.code in SEQUENCE_ERRORS and (restarted or not accumulator.has_older(batch)),
            void=restarted and not batch.possibly_persisted,
            may_retry=batch.attempts <= self._retries and in_time,
            divisible=batch.count > 1 and not batch.possibly_persisted,
        )
        if action is Action.ACKNOWLEDGE:
            assert answer is not None
            self._acknowledge(batch, answer.base_offset, answer.log_append_time_ms, node_id)
            return
        if action is Action.ACKNOWLEDGE_DUPLICATE:
            self._acknowledge(batch, -1, -1, node_id)
            return
        assert error is not None
        batch.last_error = error
        if action is Action.FAIL:
            if row.retriable and not in_time:
                self._expire(batch, now)
                return
            if row.retriable:
                error = self._given_up_error(batch, error, now)
            self._fail(batch, error, _record_errors(batch, answer, error))
            if error.fatal:
                self._fatal = error
            return
        if action is Action.SPLIT:
            self._tell(EventKind.SPLIT, batch, node_id)
            self._split(batch)
            return
        # Another leader is tried at once (KIP-951), also one that became known before this answer came.
        delay = 0.0 if node_id != batch.queue.leader else self._backoff(batch.attempts)
        accumulator.requeue(batch, now + delay)
        # What is still in flight of this partition was sent behind this batch, and is answered with the same error.
        doomed = self._sequencer.restart(batch) if action is Action.RESTART else ()
        if batch not in doomed:
            self._tell(EventKind.RETRY, batch, node_id, delay)
        for other in doomed:
            self._fail(other, _doubtful(other, error))
        self._after(batch)

    def _acknowledge(self, batch: Batch, base_offset: int, append_time: int, leader: int) -> None:
        self._sequencer.acknowledged(batch, leader)
        if batch.state is State.IN_FLIGHT:
            self._counters.records_sent += batch.count
            self._counters.batches_sent += 1
            self._counters.batch_bytes_sent += batch.wire_size
            self._accumulator.settle(batch)
            batch.outcome.succeed(base_offset, append_time)
        else:
            self._accumulator.settle(batch)
        self._after(batch)

    def _split(self, batch: Batch) -> None:
        """Send the records in halves. No attempt and no time is given to them that the whole did not have."""
        section = batch.section()
        # A record that is larger than half of it is alone in its piece.
        builders = split_records(section, batch.builder.base_timestamp, (len(section) + 1) // 2)
        pieces = self._accumulator.split(batch, builders)
        self._sequencer.share(batch, pieces)
        self._after(batch)

    def _expire(self, batch: Batch, now: float) -> None:
        batch.last_error = error = self._expiry_error(batch, now)
        self._tell(EventKind.EXPIRY, batch, batch.queue.leader)
        self._fail(batch, error)

    def _tell(self, kind: EventKind, batch: Batch, broker: int, delay: float = 0.0) -> None:
        self._emit(
            ProducerEvent(
                kind=kind,
                topic=batch.queue.topic,
                partition=batch.queue.partition,
                broker=None if broker == NO_LEADER else broker,
                records=batch.count,
                attempt=batch.attempts,
                error=batch.last_error,
                delay=delay,
            )
        )

    def _fail(self, batch: Batch, error: KafkaError, record_errors: dict[int, KafkaError] | None = None) -> None:
        self._counters.records_failed += batch.count
        self._counters.batches_failed += 1
        self._sequencer.given_up(batch)
        if batch.persisted is Persisted.MAYBE:
            error = _maybe_persisted(error)
            record_errors = record_errors and {index: _maybe_persisted(own) for index, own in record_errors.items()}
        self._accumulator.settle(batch)
        batch.outcome.fail(error, record_errors)
        self._after(batch)

    def _over(self, batch: Batch) -> None:
        """A sender has no more to do with a batch that was given up while it had it."""
        if batch.state is State.ABANDONED:
            self._accumulator.settle(batch)
        self._after(batch)

    def _after(self, batch: Batch) -> None:
        if self._sequencer.idempotent:
            self._sequencer.close_gap(batch.queue)
        self._accumulator.look_again(batch.queue)

    def _given_up_error(self, batch: Batch, error: KafkaError, now: float) -> KafkaError:
        """An error after which the batch would have been sent again says why it was not."""
        final = copy(error)
        final.__cause__ = error.__cause__
        age = f"{now - batch.created_at:.3f} s after the first record was sent"
        attempts = "1 attempt" if batch.attempts == 1 else f"{batch.attempts} attempts"
        final.args = (f"{error}; given up after {attempts} (retries={self._retries}), {age}.{_in_the_log(batch)}",)
        return final

    def _expiry_error(self, batch: Batch, now: float) -> KafkaError:
        where = f"{batch.count} records to {_where(batch)}"
        age = f"{now - batch.created_at:.3f} s after the first of them was sent (delivery_timeout_ms)"
        cause = batch.last_error
        if batch.written:
            waited = f"a request to broker {batch.queue.leader} is unanswered"
        elif batch.queue.node is None:
            waited = "the partition has no leader"
        elif self._sequencer.idempotent and self._sequencer.identity is None:
            waited = "no broker has given the producer id that idempotence needs"
        else:
            waited = f"the next attempt would go to broker {batch.queue.leader}"
            cause = self._unreachable.get(batch.queue.leader, cause)
        last = f"; the last error was: {cause}" if cause is not None else ""
        error = DeliveryTimeoutError(
            f"{where} were not acknowledged {age}, after {batch.attempts} attempts; {waited}{last}."
            f"{_in_the_log(batch)}",
            persisted=batch.persisted,
        )
        error.__cause__ = cause
        return error


def _where(batch: Batch) -> str:
    return f"{batch.queue.topic}[{batch.queue.partition}]"


def _in_the_log(batch: Batch) -> str:
    return " They may be in the log." if batch.persisted is Persisted.MAYBE else " They are not in the log."


def _doubtful(batch: Batch, error: KafkaError) -> KafkaError:
    """The error of a batch that can not be sent again, for nobody knows whether it is stored."""
    final = copy(error)
    final.args = (
        f"{error}; one of {batch.attempts} attempts may have been, so this producer sends them no more."
        f"{_in_the_log(batch)}",
    )
    return final


def _maybe_persisted(error: KafkaError) -> KafkaError:
    """The error for a batch that may be in the log. A copy: others may have the same error, and be certainly not."""
    if error.persisted is not Persisted.NO:
        return error
    changed = copy(error)
    changed.__cause__ = error.__cause__
    changed.persisted = Persisted.MAYBE
    return changed


def _record_errors(
    batch: Batch, answer: PartitionProduceResponse | None, error: KafkaError
) -> dict[int, KafkaError] | None:
    """One error for each record: its own for those the broker names (KIP-467), and for their neighbours that they
    may be sent again.
    """
    if answer is None or not answer.record_errors:
        return None
    neighbour = KafkaError(
        f"this record to {_where(batch)} was refused only because of another one of its batch; send it again ({error})"
    )
    neighbour.retriable = True
    errors: dict[int, KafkaError] = dict.fromkeys(range(batch.count), neighbour)
    for record in answer.record_errors:
        if 0 <= record.batch_index < batch.count:
            detail = f"record {record.batch_index} of a batch to {_where(batch)}"
            errors[record.batch_index] = broker_error(answer.error_code, detail, record.batch_index_error_message)
    return errors
