"""The bulk path: many records of one topic from any iterable, pipelined, with back-pressure, and one outcome for all.

It decides how far it runs ahead of the brokers, and what it reports; sending is the producer's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterable, Iterable
from typing import Any, NamedTuple, Protocol

from aioproducer.delivery import Delivery
from aioproducer.errors import ArgumentTypeError, BulkSendError, KafkaError
from aioproducer.models import Headers

# Settled deliveries are looked at once so many are out, so that what is kept does not grow with the input.
_WINDOW = 10_000


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


async def send_all(
    producer: BulkSender, topic: str, records: Iterable[ProducerRecord | Any] | AsyncIterable[ProducerRecord | Any]
) -> int:
    """Send each record; returns how many when all are acknowledged. Raises BulkSendError when some failed."""
    run = _Run(producer, topic)
    if isinstance(records, AsyncIterable):
        async for record in records:
            run.send(record)
            await producer.drain()
    # A str or bytes is an iterable too, of what nobody means to send.
    elif isinstance(records, str | bytes | bytearray | memoryview) or not hasattr(records, "__iter__"):
        raise ArgumentTypeError(
            f"records is {type(records).__name__}: give an iterable of values or ProducerRecord, sync or async"
        )
    else:
        for record in records:
            run.send(record)
            await producer.drain()
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


class _Run:
    """One call of `send_all`: what is on its way, and what has become of the rest."""

    __slots__ = ("_pending", "_send", "_topic", "failed", "first", "first_index", "settled")

    def __init__(self, producer: BulkSender, topic: str) -> None:
        self.settled = 0
        self.failed = 0
        self.first: KafkaError | None = None
        self.first_index = -1
        self._send = producer.send
        self._topic = topic
        self._pending: deque[Delivery] = deque()

    def send(self, record: ProducerRecord | Any) -> None:
        pending = self._pending
        if isinstance(record, ProducerRecord):
            delivery = self._send(
                self._topic,
                record.value,
                key=record.key,
                partition=record.partition,
                headers=record.headers,
                timestamp_ms=record.timestamp_ms,
            )
        else:
            delivery = self._send(self._topic, record)
        pending.append(delivery)
        if len(pending) >= _WINDOW:
            while pending and pending[0].done():
                self._count(pending.popleft().exception())

    async def finish(self) -> None:
        """Wait until all are settled."""
        pending = self._pending
        # All open batches go now, not each when its turn to be awaited comes.
        for delivery in pending:
            delivery.expedite()
        while pending:
            try:
                await pending[0]
            except KafkaError as error:
                self._count(error)
            else:
                self._count(None)
            pending.popleft()

    def _count(self, error: KafkaError | None) -> None:
        if error is not None:
            self.failed += 1
            if self.first is None:
                self.first, self.first_index = error, self.settled
        self.settled += 1
