"""What `send()` returns: the handle of one record, a future to asyncio without being one of its futures.

A `Delivery` is two words: where its record is (the `Outcome` of a batch, or a `Parked` record that is not in a batch
yet) and its index there. No loop future and no task exists per record. What the fate of a record is, is decided
elsewhere.

1. Awaiting tells the truth: the metadata or the error of the record, from any number of tasks, as often as asked.
2. Cancelling a waiter takes that waiter out of the list, and nothing else.
3. `Delivery.cancel()` withdraws a record that is parked. One in a batch goes on: the handle alone is given up, which is
   what `asyncio.gather` and `wait_for` need in order to end when they are cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context, copy_context
from typing import Any

from aioproducer.errors import KafkaError
from aioproducer.models import RecordMetadata
from aioproducer.outcome import OnDelivery, Outcome
from aioproducer.waiting import Place, Wait


class Parked(Place):
    """One record that is not in a batch yet, for its topic is unknown or the buffer is full.

    It is never the last place of a delivery: the record is moved to a batch's outcome, or to that of a failure, or it
    is withdrawn.
    """

    __slots__ = (
        "deadline",
        "delivery",
        "key",
        "on_delivery",
        "on_withdrawn",
        "partition",
        "since",
        "tail",
        "timestamp_ms",
        "topic",
        "value",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        tail: bytes,
        partition: int | None,
        timestamp_ms: int,
        on_delivery: OnDelivery | None,
    ) -> None:
        super().__init__(loop)
        self.topic = topic
        self.key = key
        self.value = value
        self.tail = tail
        self.partition = partition
        self.timestamp_ms = timestamp_ms
        self.on_delivery = on_delivery
        self.on_withdrawn: Callable[[Parked], None] | None = None
        self.since = self.deadline = 0.0
        self.delivery = Delivery(self, 0)

    def move_to(self, outcome: Outcome, index: int) -> None:
        """The record is in a batch now, or has failed: its handle and its waiters go there."""
        self.delivery.move_to(outcome, index)
        if self.on_delivery is not None:
            outcome.report(index, self.on_delivery)
        self.hand_over(outcome)
        self.done = True

    def withdraw(self) -> None:
        """The record is never sent."""
        self.done = True
        self.tell()
        if self.on_withdrawn is not None:
            self.on_withdrawn(self)


class _GivenUp(Place):
    """The place of a handle that was cancelled; `outcome` is that of its record if the record goes on."""

    __slots__ = ("message", "outcome")

    def __init__(self, loop: asyncio.AbstractEventLoop, outcome: Outcome | None, message: object) -> None:
        super().__init__(loop)
        self.done = True
        self.outcome = outcome
        self.message = message

    def cancelled_error(self) -> asyncio.CancelledError:
        return asyncio.CancelledError() if self.message is None else asyncio.CancelledError(self.message)


class Delivery:
    """The fate of one record: `await` it for its `RecordMetadata`, or for the error.

    It works wherever asyncio takes a future (`gather`, `wait`, `wait_for`, `as_completed`, `shield`), and in anyio. An
    error that is never looked at is logged. Not for other threads.
    """

    __slots__ = ("_index", "_place")

    # asyncio takes what has this attribute for a future, and so makes no task of it.
    _asyncio_future_blocking = False

    def __init__(self, place: Place, index: int) -> None:
        self._place = place
        self._index = index

    def __repr__(self) -> str:
        place = self._place
        if isinstance(place, Parked):
            return f"<Delivery to {place.topic}, not accepted yet>"
        if isinstance(place, _GivenUp):
            return "<Delivery, cancelled>"
        assert isinstance(place, Outcome)
        state = "in a batch" if not place.done else "failed" if place.error else "acknowledged"
        return f"<Delivery to {place.where}, {state}>"

    def __await__(self) -> Generator[Any, None, RecordMetadata]:
        place = self._truth()
        if not place.done:
            yield Wait(place)
        place = self._place
        if isinstance(place, Outcome) and place.succeeded:
            return place.metadata_of(self._index)  # as in `result`
        return self._result(self._truth())

    def _truth(self) -> Place:
        """The place of the record, also when this handle was given up."""
        place = self._place
        if isinstance(place, _GivenUp) and place.outcome is not None:
            return place.outcome
        return place

    def _result(self, place: Place) -> RecordMetadata:
        if isinstance(place, Outcome) and place.done:
            error = place.error_of(self._index)
            if error is not None:
                try:
                    raise error
                finally:
                    # Its traceback has this frame: together they would keep the outcome until the next collection.
                    del error
            return place.metadata_of(self._index)
        if isinstance(place, _GivenUp):
            raise place.cancelled_error()
        raise asyncio.InvalidStateError("the delivery is not settled yet: await it")

    def done(self) -> bool:
        """Whether the record is settled, or this handle was cancelled."""
        return self._place.done

    def cancelled(self) -> bool:
        """Whether this handle was cancelled. Its record may go on all the same, see `cancel`."""
        return isinstance(self._place, _GivenUp)

    def result(self) -> RecordMetadata:
        """The metadata. Raises the record's error, CancelledError, or InvalidStateError while it is not settled."""
        place = self._place
        if isinstance(place, Outcome) and place.succeeded:
            return place.metadata_of(self._index)  # the way of nearly all, without three more calls: 150 ns
        return self._result(place)

    def exception(self) -> KafkaError | None:
        """The error, a copy for each call, or None. Raises CancelledError, or InvalidStateError while it is not
        settled.
        """
        place = self._place
        if isinstance(place, Outcome) and place.done:
            return place.error_of(self._index)
        self._result(place)
        return None

    def add_done_callback(self, callback: Callable[[Delivery], object], *, context: Context | None = None) -> None:
        """Have `callback(delivery)` called from the loop once this is done. Like awaiting, it ends the linger of the
        batch.
        """
        place = self._place
        if place.done:
            place.loop.call_soon(callback, self, context=context)
        else:
            place.subscribe((callback, self, context or copy_context()))

    def remove_done_callback(self, callback: Callable[[Delivery], object]) -> int:
        """Take a callback back; returns how often it was there."""
        return 0 if self._place.done else self._place.unsubscribe(callback, self)

    def cancel(self, msg: object = None) -> bool:
        """Withdraw the record if it still waits for room or for its topic; give the handle up if it is in a batch.

        In a batch the record goes on, with its `on_delivery`, and awaiting the delivery still tells its fate; the
        handle counts as cancelled, and its done callbacks run. A record that is withdrawn counts as never sent: whoever
        else awaits it gets CancelledError, and its `on_delivery` is not called. Returns False if it was done already.
        """
        place = self._place
        if place.done:
            return False
        if isinstance(place, Parked):
            self._place = _GivenUp(place.loop, None, msg)
            place.withdraw()
        else:
            assert isinstance(place, Outcome)
            self._place = _GivenUp(place.loop, place, msg)
            place.call_soon(place.take_entries_of(self))
        return True

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop of the producer."""
        return self._place.loop

    def move_to(self, outcome: Outcome, index: int) -> None:
        """For the producer: the record was parked, and is in a batch now."""
        self._place = outcome
        self._index = index

    def expedite(self) -> None:
        """End the linger of the record's batch, as awaiting does."""
        if self._place.on_wanted is not None:
            self._place.on_wanted(self._place)

    # What asyncio's `gather` asks a cancelled future for, the first with `return_exceptions`.

    @property
    def _cancel_message(self) -> object:
        return self._place.message if isinstance(self._place, _GivenUp) else None

    def _make_cancelled_error(self) -> asyncio.CancelledError:
        assert isinstance(self._place, _GivenUp)
        return self._place.cancelled_error()


__all__ = ["Delivery", "Parked"]
