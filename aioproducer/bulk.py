"""The bulk path: many records of one topic from any iterable, pipelined, with back-pressure, and one outcome for all.

It decides how far it runs ahead of the brokers, and what it reports; sending is the producer's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable
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
    pending: deque[Delivery] = deque()
    tally = _Tally()
    send = producer.send
    async for record in _iterate(records):
        if isinstance(record, ProducerRecord):
            delivery = send(
                topic,
                record.value,
                key=record.key,
                partition=record.partition,
                headers=record.headers,
                timestamp_ms=record.timestamp_ms,
            )
        else:
            delivery = send(topic, record)
        pending.append(delivery)
        await producer.drain()
        if len(pending) >= _WINDOW:
            while pending and pending[0].done():
                tally.count(pending.popleft().exception())
    for delivery in pending:
        try:
            await delivery
        except KafkaError as error:
            tally.count(error)
        else:
            tally.count(None)
    if tally.first is not None:
        raise BulkSendError(
            f"{tally.failed} of {tally.sent} records to {topic!r} failed, the first of them was number "
            f"{tally.first_index} "
            f"(from 0): {tally.first}",
            sent=tally.sent,
            failed=tally.failed,
            first_index=tally.first_index,
        ) from tally.first
    return tally.sent


class _Tally:
    def __init__(self) -> None:
        self.sent = 0
        self.failed = 0
        self.first: KafkaError | None = None
        self.first_index = -1

    def count(self, error: KafkaError | None) -> None:
        if error is not None:
            self.failed += 1
            if self.first is None:
                self.first, self.first_index = error, self.sent
        self.sent += 1


async def _iterate(records: Iterable[Any] | AsyncIterable[Any]) -> AsyncIterator[Any]:
    if isinstance(records, AsyncIterable):
        async for record in records:
            yield record
        return
    # A str or bytes is an iterable too, of what nobody means to send.
    if isinstance(records, str | bytes | bytearray | memoryview) or not hasattr(records, "__iter__"):
        raise ArgumentTypeError(
            f"records is {type(records).__name__}: give an iterable of values or ProducerRecord, sync or async"
        )
    for record in records:
        yield record
