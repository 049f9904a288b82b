"""A model of one partition at the brokers: its log, and what its leader remembers of producers.

Pure, and no copy of `aioproducer.testing`: it takes a stamp and the numbers of the records, and keeps no bytes. Who
leads, and what a request is answered beside what sequences say, is the caller's. Rules, as of Kafka 4
(ProducerStateEntry, ProducerAppendInfo, ProducerSnapshot):

1. A batch with exactly the sequences of one of the last five of its producer id and epoch is a duplicate: success, at
   the offset of the original. An older duplicate is OUT_OF_ORDER_SEQUENCE_NUMBER, as is any other sequence that does
   not follow; DUPLICATE_SEQUENCE_NUMBER is an answer of older brokers.
2. An epoch below the last one is refused, and a higher one has to begin with sequence 0.
3. A producer id that is not known may begin with any sequence, in any epoch.
4. What is remembered is lost with time, or with the topic; a broker that was restarted remembers the last batch alone,
   for its snapshot has no more; and after the end of a log is cut off, as much as the rest of it shows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from aioproducer.batching.batch import NO_PRODUCER_ID, Batch

OUT_OF_ORDER = 45
INVALID_EPOCH = 47
REMEMBERED = 5
LIMIT = 2**31


class Stamp(NamedTuple):
    """What a broker knows a batch by."""

    producer_id: int
    epoch: int
    sequence: int
    length: int

    @classmethod
    def of(cls, batch: Batch) -> Stamp:
        return cls(batch.producer_id, batch.producer_epoch, batch.base_sequence, batch.count)

    @property
    def following(self) -> int:
        return (self.sequence + self.length) % LIMIT


class Stored(NamedTuple):
    stamp: Stamp
    offset: int
    numbers: tuple[int, ...]


class Answer(NamedTuple):
    """`taken`: it was appended. `forgotten`: though the log had forgotten the producer, so that any would have been."""

    code: int
    offset: int = -1
    taken: bool = False
    forgotten: bool = False


class PartitionLog:
    """`batches` are in the order of the log; `committed`: the offset below which nothing is ever cut off."""

    def __init__(self) -> None:
        self.batches: list[Stored] = []
        self.committed = 0
        self._known: dict[int, deque[Stored]] = {}
        self._forgotten: set[int] = set()
        self._read_from = 0

    def __repr__(self) -> str:
        return f"<PartitionLog of {self.records}, committed up to {self.committed}>"

    @property
    def end(self) -> int:
        return self.batches[-1].offset + len(self.batches[-1].numbers) if self.batches else 0

    @property
    def records(self) -> list[int]:
        return [number for batch in self.batches for number in batch.numbers]

    def produce(self, stamp: Stamp, numbers: Sequence[int]) -> Answer:
        """Append the batch, unless it is a duplicate or refused; the answer, if nothing but sequences is wrong."""
        assert len(numbers) == stamp.length
        if stamp.producer_id == NO_PRODUCER_ID:
            return self._append(stamp, numbers)
        known = self._known.get(stamp.producer_id)
        if known is None:
            forgotten = stamp.producer_id in self._forgotten
            return self._append(stamp, numbers)._replace(forgotten=forgotten)
        last = known[-1].stamp
        if stamp.epoch < last.epoch:
            return Answer(INVALID_EPOCH)
        if stamp.epoch > last.epoch:
            return Answer(OUT_OF_ORDER) if stamp.sequence else self._append(stamp, numbers)
        for batch in known:
            if batch.stamp == stamp:
                return Answer(0, batch.offset)
        return Answer(OUT_OF_ORDER) if stamp.sequence != last.following else self._append(stamp, numbers)

    def commit(self) -> None:
        """All replicas have what is in the log."""
        self.committed = self.end

    def forget(self) -> None:
        """The time of all producer ids is over (producer.id.expiration.ms)."""
        self._forgotten.update(self._known)
        self._known.clear()
        self._read_from = self.end

    def made_again(self) -> PartitionLog:
        """The log of the topic that was made under the same name, after this one was deleted."""
        self.forget()
        log = PartitionLog()
        log._forgotten = self._forgotten
        return log

    def restart(self) -> None:
        """The leader was stopped in order and started again."""
        for known in self._known.values():
            while len(known) > 1:
                known.popleft()

    def cut(self, offset: int) -> None:
        """Drop the batches from this offset on, but for what is committed: the new leader does not have them."""
        kept = max(offset, self.committed)
        while self.batches and self.batches[-1].offset >= kept:
            self.batches.pop()
        self._known.clear()
        for batch in self.batches:
            if batch.offset >= self._read_from:
                self._remember(batch)

    def _append(self, stamp: Stamp, numbers: Sequence[int]) -> Answer:
        batch = Stored(stamp, self.end, tuple(numbers))
        self.batches.append(batch)
        self._remember(batch)
        return Answer(0, batch.offset, taken=True)

    def _remember(self, batch: Stored) -> None:
        stamp = batch.stamp
        if stamp.producer_id == NO_PRODUCER_ID:
            return
        self._forgotten.discard(stamp.producer_id)
        known = self._known.get(stamp.producer_id)
        if known is None or known[-1].stamp.epoch != stamp.epoch:
            known = self._known[stamp.producer_id] = deque(maxlen=REMEMBERED)
        known.append(batch)
