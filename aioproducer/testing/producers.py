"""What a partition remembers of each producer id: its epoch and its last five batches. Kafka's ProducerStateEntry.

It decides whether a batch is new, a duplicate, or out of order. It does not append anything, and knows no transactions.
Rules, as brokers execute them:

1. A batch with exactly the sequence range of one of the last five, under the same epoch, is a duplicate: it succeeds
   with the offset of the original and is not appended.
2. An epoch older than the last one is refused with INVALID_PRODUCER_EPOCH.
3. A producer id that the partition does not know may begin with any sequence.
4. A new epoch of a known producer id has to begin with sequence 0.
5. Otherwise the first sequence has to follow the last one; after 2^31 - 1 comes 0.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from aioproducer.testing.codes import Code, RefusedError
from aioproducer.testing.reader import BatchHeader

REMEMBERED = 5
MAX_SEQUENCE = 2**31 - 1


class AppendedBatch(NamedTuple):
    first_sequence: int
    last_sequence: int
    first_offset: int
    max_timestamp: int


class ProducerEntry:
    """One producer id on one partition."""

    __slots__ = ("batches", "epoch")

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.batches: deque[AppendedBatch] = deque(maxlen=REMEMBERED)

    def __repr__(self) -> str:
        last = self.batches[-1].last_sequence if self.batches else None
        return f"<ProducerEntry epoch={self.epoch} batches={len(self.batches)} last_sequence={last}>"


def last_sequence(first: int, count: int) -> int:
    """The sequence of the last of `count` records, wrapping from 2^31 - 1 to 0."""
    return (first + count - 1) & MAX_SEQUENCE


class Producers:
    """All producer ids that have written to one partition."""

    def __init__(self) -> None:
        self.entries: dict[int, ProducerEntry] = {}

    def duplicate_of(self, header: BatchHeader) -> AppendedBatch | None:
        """The batch among the last five that `header` repeats, if any."""
        entry = self.entries.get(header.producer_id)
        if entry is None or entry.epoch != header.producer_epoch:
            return None
        last = last_sequence(header.base_sequence, header.record_count)
        for batch in entry.batches:
            if batch.first_sequence == header.base_sequence and batch.last_sequence == last:
                return batch
        return None

    def check(self, header: BatchHeader) -> None:
        """Raises RefusedError unless the batch may be the producer's next on this partition."""
        entry = self.entries.get(header.producer_id)
        if entry is None:
            return
        who = f"producer {header.producer_id}"
        if header.producer_epoch < entry.epoch:
            raise RefusedError(
                Code.INVALID_PRODUCER_EPOCH,
                f"{who} sent epoch {header.producer_epoch}; the last one seen here is {entry.epoch}",
            )
        if header.producer_epoch > entry.epoch:
            if header.base_sequence != 0:
                raise RefusedError(
                    Code.OUT_OF_ORDER_SEQUENCE_NUMBER,
                    f"{who} begins epoch {header.producer_epoch} with sequence {header.base_sequence} instead of 0",
                )
            return
        last = entry.batches[-1].last_sequence
        expected = (last + 1) & MAX_SEQUENCE
        if header.base_sequence != expected:
            raise RefusedError(
                Code.OUT_OF_ORDER_SEQUENCE_NUMBER,
                f"{who} epoch {header.producer_epoch} sent sequence {header.base_sequence}; expected {expected}",
            )

    def appended(self, header: BatchHeader, first_offset: int, max_timestamp: int) -> None:
        """Remembers a batch that `check` has let through, or that is read back from the log."""
        entry = self.entries.get(header.producer_id)
        if entry is None or entry.epoch != header.producer_epoch:
            entry = self.entries[header.producer_id] = ProducerEntry(header.producer_epoch)
        last = last_sequence(header.base_sequence, header.record_count)
        entry.batches.append(AppendedBatch(header.base_sequence, last, first_offset, max_timestamp))

    def keep_last(self) -> None:
        """Drops all but the last batch of each producer id: a snapshot has no more (ProducerSnapshot)."""
        for entry in self.entries.values():
            while len(entry.batches) > 1:
                entry.batches.popleft()

    def forget(self, producer_id: int | None = None) -> None:
        """Drops one producer id, or all, as brokers do after `producer.id.expiration.ms`."""
        if producer_id is None:
            self.entries.clear()
        else:
            self.entries.pop(producer_id, None)
