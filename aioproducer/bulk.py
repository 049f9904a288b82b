"""The bulk path: many records of one topic from any iterable, pipelined, with back-pressure, and one outcome for all.

It decides how far it runs ahead of the brokers, and what it reports. Sending is the producer's, but for values that are
bytes already and find an open batch: nothing is to be checked of them, and nobody asks for a handle of each.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Iterable
from contextlib import suppress
from time import time_ns
from typing import Any, NamedTuple, Protocol

from aioproducer.batching.intake import Intake
from aioproducer.delivery import Delivery
from aioproducer.errors import ArgumentTypeError, BulkSendError, KafkaError
from aioproducer.lifecycle import Open
from aioproducer.models import Headers
from aioproducer.outcome import Outcome
from aioproducer.records.headers import NO_HEADERS

# Settled deliveries are looked at once so many are out, so that what is kept does not grow with the input.
_WINDOW = 10_000

SENDS_PER_TURN = 512
"""So many sends without a pause, and the loop turns: else a caller whose records always fit keeps it for itself."""


class ProducerRecord(NamedTuple):
    """One record for `send_all`; the fields are those of `send`."""

    value: Any = None
    key: Any = None
    headers: Headers = ()
    partition: int | None = None
    timestamp_ms: int | None = None


class BulkSender(Protocol):
    """What `send_all` needs of a producer."""

    def send(
        self,
        topic: str,
        value: Any = None,
        *,
        key: Any = None,
        partition: int | None = None,
        headers: Headers = (),
        timestamp_ms: int | None = None,
    ) -> Delivery: ...

    async def drain(self) -> None: ...


class Entrance(NamedTuple):
    """Where values go in that need no more than a glance: those of up to `most` bytes."""

    open: Open
    intake: Intake
    most: int


async def send_all(
    producer: BulkSender,
    topic: str,
    records: Iterable[ProducerRecord | Any] | AsyncIterable[ProducerRecord | Any],
    entrance: Entrance | None = None,
) -> int:
    """Send each record; returns how many when all are acknowledged. Raises BulkSendError when some failed.

    entrance: of the producer; without it each record is sent by `producer.send`.
    """
    run = _Run(producer, topic, entrance)
    if isinstance(records, AsyncIterable):
        async for record in records:
            if not run.take(record):
                await run.send(record)
    # A str or bytes is an iterable too, of what nobody means to send.
    elif isinstance(records, str | bytes | bytearray | memoryview) or not hasattr(records, "__iter__"):
        raise ArgumentTypeError(
            f"records is {type(records).__name__}: give an iterable of values or ProducerRecord, sync or async"
        )
    else:
        for record in records:
            if not run.take(record):
                await run.send(record)
    await run.finish()
    if run.first is not None:
        raise BulkSendError(
            f"{run.failed} of {run.settled} records to {topic!r} failed, the first of them was number "
            f"{run.first_index} (from 0): {run.first}",
            sent=run.settled,
            failed=run.failed,
            first_index=run.first_index,
        ) from run.first
    return run.settled


class _Span:
    """Records that stand in a batch one after another, from the index `first` to before `end`."""

    __slots__ = ("end", "first", "outcome")

    def __init__(self, outcome: Outcome, first: int) -> None:
        self.outcome = outcome
        self.first = first
        self.end = first + 1

    def done(self) -> bool:
        return self.outcome.done

    def handle(self) -> Delivery:
        """That of its first record: all are settled together."""
        return Delivery(self.outcome, self.first)


class _Run:
    """One call of `send_all`: what is on its way, in the order of the records, and what has become of the rest."""

    __slots__ = (
        "_entrance",
        "_pending",
        "_producer",
        "_span",
        "_topic",
        "_until_pause",
        "failed",
        "first",
        "first_index",
        "settled",
    )

    def __init__(self, producer: BulkSender, topic: str, entrance: Entrance | None) -> None:
        self.settled = 0
        self.failed = 0
        self.first: KafkaError | None = None
        self.first_index = -1
        self._producer = producer
        self._topic = topic
        self._entrance = entrance
        self._pending: deque[Delivery | _Span] = deque()
        self._span: _Span | None = None
        self._until_pause = SENDS_PER_TURN

    def take(self, record: Any) -> bool:
        """Add a value to the open batch, which is the way of nearly all; False if that can not be, or if it is time for
        a pause: then `send` has to.

        Nothing is kept from one value to the next but the last span: whoever makes the values may send in between.
        """
        entrance = self._entrance
        if (
            entrance is None
            or type(record) is not bytes
            or len(record) > entrance.most
            or entrance.open.loop is None
            or not self._until_pause
        ):
            return False
        intake = entrance.intake
        topic = intake.topics.get(self._topic)
        if topic is None:
            return False
        outcome = intake.append(topic, None, record, NO_HEADERS, None, time_ns() // 1_000_000)
        if outcome is None:
            return False
        self._until_pause -= 1
        span = self._span
        index = len(outcome.deltas) - 1
        if span is not None and span.outcome is outcome and span.end == index:
            span.end = index + 1
        else:
            self._span = _Span(outcome, index)
            self._settle_first()
            self._pending.append(self._span)
        return True

    async def send(self, record: ProducerRecord | Any) -> None:
        """Send any record, and wait until there is room for others."""
        producer, pending = self._producer, self._pending
        if isinstance(record, ProducerRecord):
            delivery = producer.send(
                self._topic,
                record.value,
                key=record.key,
                partition=record.partition,
                headers=record.headers,
                timestamp_ms=record.timestamp_ms,
            )
        else:
            delivery = producer.send(self._topic, record)
        pending.append(delivery)
        if len(pending) >= _WINDOW:
            self._settle_first()
        if not self._until_pause:
            self._until_pause = SENDS_PER_TURN
            await asyncio.sleep(0)
        await producer.drain()

    async def finish(self) -> None:
        """Wait until all are settled."""
        pending = self._pending
        self._span = None
        # All open batches go now, not each when its turn to be awaited comes.
        for each in pending:
            _handle(each).expedite()
        while pending:
            with suppress(KafkaError):
                await _handle(pending[0])
            self._settle_first()

    def _settle_first(self) -> None:
        """Count what is settled, as far as nothing before it is on its way."""
        pending = self._pending
        while pending and pending[0].done():
            each = pending.popleft()
            if isinstance(each, Delivery):
                self._count(each.exception())
            elif each.outcome.succeeded:
                self.settled += each.end - each.first
            else:
                for index in range(each.first, each.end):
                    self._count(each.outcome.error_of(index))

    def _count(self, error: KafkaError | None) -> None:
        if error is not None:
            self.failed += 1
            if self.first is None:
                self.first, self.first_index = error, self.settled
        self.settled += 1


def _handle(each: Delivery | _Span) -> Delivery:
    return each if isinstance(each, Delivery) else each.handle()
