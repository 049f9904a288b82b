"""Deliberate faults, put into the producer to show that the simulation finds such. Each is one small thing that a
change could get wrong.

A mutation replaces methods of classes while it is in; what it replaces is looked up by name, so that one whose method
is gone says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from typing import Any, NamedTuple

from aioproducer.batching.accumulator import Accumulator
from aioproducer.batching.batch import Batch
from aioproducer.batching.intake import Intake
from aioproducer.batching.partition_queue import PartitionQueue
from aioproducer.delivery import Parked
from aioproducer.errors import Persisted
from aioproducer.models import RecordMetadata
from aioproducer.outcome import Outcome
from aioproducer.protocol.error_codes import ErrorCode
from aioproducer.sending import settlement
from aioproducer.sending.retry import NETWORK_EXCEPTION
from aioproducer.sending.sender import Sender
from aioproducer.sending.sequences import Sequencer
from aioproducer.sending.settlement import Settlement
from aioproducer.waiting import Countdown, Place, Wait
from tests.simulation.run import Plan


class Mutation(NamedTuple):
    """What is replaced, under which name; `spoil` makes the faulty one out of the right one. `suits` leaves out runs
    that can not show it: a search need not play them.
    """

    owner: object
    name: str
    spoil: Callable[[Any], object]
    suits: Callable[[Plan], bool] = lambda _plan: True


@contextmanager
def put_in(mutation: Mutation) -> Iterator[None]:
    """The fault is there meanwhile."""
    owner, name = mutation.owner, mutation.name
    right = vars(owner)[name]
    setattr(owner, name, mutation.spoil(right))
    try:
        yield
    finally:
        setattr(owner, name, right)


def _new_sequence(right: Any) -> Any:
    def requeue(self: Accumulator, batch: Batch, retry_at: float) -> None:
        right(self, batch, retry_at)
        batch.unstamp()

    return requeue


def _wide_window(right: Any) -> Any:
    def init(self: Sender, *args: Any, **kwargs: Any) -> None:
        right(self, *args, **kwargs)
        options = vars(self)["_options"]
        object.__setattr__(options, "max_in_flight", options.max_in_flight + 1)

    return init


def _no_acceptance_needed(right: Any) -> Any:
    def may_send(self: Sequencer, queue: PartitionQueue) -> bool:
        queue.accepted_by = queue.leader
        return bool(right(self, queue))

    return may_send


def _byte_too_many(right: Any) -> Any:
    def settle(self: Accumulator, batch: Batch) -> None:
        right(self, batch)
        self.available += 1

    return settle


def _byte_kept(right: Any) -> Any:
    def settle(self: Accumulator, batch: Batch) -> None:
        right(self, batch)
        self.available -= batch.count > 2

    return settle


def _behind_younger(right: Any) -> Any:
    def put_back(self: PartitionQueue, batch: Batch) -> None:
        # In front of the open batch alone, which has to stay the last.
        newest = self.open
        if newest is not None:
            self.drop(newest)
        self.add(batch)
        if newest is not None:
            self.add(newest)

    return put_back


def _restart_of_what_may_be_stored(right: Any) -> Any:
    def restart(self: Sequencer, batch: Batch) -> list[Batch]:
        for other in batch.queue.batches():
            other.possibly_persisted = False
        return list(right(self, batch))

    return restart


def _lost_is_success(right: Any) -> Any:
    def lost(self: Settlement, batches: Any, error: Any, node_id: int, now: float) -> None:
        self.written_unanswered(batches, now)

    return lost


def _lost_is_final(right: Any) -> Any:
    def judge(row: ErrorCode, **state: Any) -> Any:
        if row.code == NETWORK_EXCEPTION:
            state["may_retry"] = False
        return right(row, **state)

    return judge


def _lost_is_refused(right: Any) -> Any:
    def lost(self: Settlement, batches: Any, error: Any, node_id: int, now: float) -> None:
        for batch in batches:
            batch.written = False
        right(self, batches, error, node_id, now)

    return lost


def _late_deadline(right: Any) -> Any:
    def init(self: Accumulator, **given: Any) -> None:
        given["delivery_timeout"] += 0.1
        right(self, **given)

    return init


def _wrong_index(right: Any) -> Any:
    def metadata_of(self: Outcome, index: int) -> RecordMetadata:
        metadata: RecordMetadata = right(self, index)
        return metadata if index < 3 else metadata._replace(offset=metadata.offset - 1)

    return metadata_of


def _first_timestamp(right: Any) -> Any:
    def metadata_of(self: Outcome, index: int) -> RecordMetadata:
        metadata: RecordMetadata = right(self, index)
        first: RecordMetadata = right(self, 0)
        return metadata._replace(timestamp_ms=first.timestamp_ms)

    return metadata_of


def _early_flush(right: Any) -> Any:
    def wait_for(self: Countdown, place: Place) -> None:
        if not isinstance(place, Parked):
            right(self, place)

    return wait_for


def _eager_reports(right: Any) -> Any:
    def settle(self: Outcome) -> None:
        self.loop.call_soon(self.run_reports)
        right(self)

    return settle


def _cancelled_waiter_withdraws(right: Any) -> Any:
    def leave(self: Place, wait: Wait) -> bool:
        if isinstance(self, Parked):
            self.delivery.cancel()
        return bool(right(self, wait))

    return leave


def _withdraws_the_next(right: Any) -> Any:
    def withdraw(self: Parked) -> None:
        intake = getattr(self.on_withdrawn, "__self__", None)
        right(self)
        if isinstance(intake, Intake) and intake.parked:
            right(next(iter(intake.parked)))

    return withdraw


def _never_maybe(right: Any) -> Any:
    return property(lambda batch: Persisted.NO)


def _deaf_to_new_leaders(right: Any) -> Any:
    def lead(self: Accumulator, queue: PartitionQueue, leader: int) -> None:
        if queue.node is None:
            right(self, queue, leader)

    return lead


def _line_jumping(right: Any) -> Any:
    def append(self: Intake, *args: Any) -> Any:
        line, self_line = vars(self)["_line"], type(vars(self)["_line"])()
        vars(self)["_line"] = self_line
        try:
            return right(self, *args)
        finally:
            vars(self)["_line"] = line

    return append


def _slot_kept(right: Any) -> Any:
    def lost(self: Settlement, batches: Any, error: Any, node_id: int, now: float) -> None:
        right(self, batches, error, node_id, now)
        for batch in batches:
            queue = batch.queue
            queue.taken = (*queue.taken, copy(batch))

    return lost


def _refused_among_several(plan: Plan) -> bool:
    kinds = {fault.kind for fault in plan.faults}
    return plan.setting.idempotent and _several(plan) and "refuse" in kinds


def _restarted_among_several(plan: Plan) -> bool:
    return plan.setting.idempotent and _several(plan) and "restart broker" in {fault.kind for fault in plan.faults}


def _several(plan: Plan) -> bool:
    return plan.setting.number("max_in_flight_requests_per_connection") > 1


MUTATIONS: Mapping[str, Mutation] = {
    "a retry takes a new sequence": Mutation(Accumulator, "requeue", _new_sequence),
    "one request more in flight than allowed": Mutation(Sender, "__init__", _wide_window),
    "no acceptance by the leader is waited for": Mutation(
        Sequencer, "may_send", _no_acceptance_needed, _refused_among_several
    ),
    "a byte more is given back than was taken": Mutation(Accumulator, "settle", _byte_too_many),
    "a byte is not given back": Mutation(Accumulator, "settle", _byte_kept),
    "a slot is not given back when a request is lost": Mutation(Settlement, "lost", _slot_kept),
    "a retry goes behind younger ones": Mutation(PartitionQueue, "put_back", _behind_younger),
    "what may be stored gets a new sequence": Mutation(
        Sequencer, "restart", _restart_of_what_may_be_stored, _restarted_among_several
    ),
    "a lost request is a success": Mutation(Settlement, "lost", _lost_is_success),
    "a lost request is not tried again": Mutation(settlement, "judge", _lost_is_final),
    "a lost request was never written": Mutation(Settlement, "lost", _lost_is_refused),
    "the delivery timer is late": Mutation(Accumulator, "__init__", _late_deadline),
    "the last record of a batch is said to be the one before": Mutation(Outcome, "metadata_of", _wrong_index),
    "every record has the timestamp of its batch's first": Mutation(Outcome, "metadata_of", _first_timestamp),
    "flush does not wait for those that wait": Mutation(Countdown, "wait_for", _early_flush),
    "on_delivery runs when a batch is settled, not in its turn": Mutation(Outcome, "_settle", _eager_reports),
    "who cancels waiting withdraws the record": Mutation(Place, "leave", _cancelled_waiter_withdraws),
    "a record that is withdrawn takes another along": Mutation(Parked, "withdraw", _withdraws_the_next),
    "what may be in the log is said not to be": Mutation(Batch, "persisted", _never_maybe),
    "a new leader is not heard of": Mutation(Accumulator, "lead", _deaf_to_new_leaders),
    "records pass those that wait for room": Mutation(Intake, "append", _line_jumping),
}
