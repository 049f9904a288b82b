"""What became of the records of one batch, and who waits to hear it.

What the fate is, is decided in `sending`; how it looks to a caller is `delivery`'s, and how one waits is `waiting`'s.

1. `on_delivery` calls of one partition run in the order of the sends, also when a later batch settles first.
2. An error that nobody looked at is logged once per batch, when the last that could have looked is gone.
3. The outcome of a batch that went out in pieces is settled when those of all pieces are, and says of each record what
   its piece does.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from copy import copy
from typing import TypeAlias

from aioproducer.errors import KafkaError
from aioproducer.models import NO_OFFSET, NO_TIMESTAMP, RecordMetadata, TimestampType
from aioproducer.trim import trim
from aioproducer.turns import Soon
from aioproducer.waiting import Place

logger = logging.getLogger("aioproducer")

OnDelivery: TypeAlias = Callable[[RecordMetadata | None, KafkaError | None], object]
"""Called on the loop with the metadata and None, or with None and the error."""

Owed: TypeAlias = "dict[tuple[str, int], deque[Outcome]]"
"""The outcomes that owe `on_delivery` calls, by partition, in the order of the sends."""

_metadata = tuple.__new__
# Python 3.11 looks a member up by a call of its own: 60 ns a result.
_CREATE_TIME = TimestampType.CREATE_TIME


class Outcome(Place):
    """What became of the records of one batch: one object for all of them.

    `deltas` are the records' timestamps above `base_timestamp`, in milliseconds; the list is the batch's own and grows
    until the batch is sealed. `owed` is shared by all outcomes whose `on_delivery` calls have an order: those of
    records that got to a partition. succeeded: all records are in the log; of a batch that went out in pieces the
    pieces know.
    """

    __slots__ = (
        "_owed",
        "_parts",
        "_record_errors",
        "_reports",
        "_seen",
        "append_timestamp",
        "base_offset",
        "base_timestamp",
        "deltas",
        "error",
        "partition",
        "succeeded",
        "topic",
        "whole",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        topic: str,
        partition: int,
        base_timestamp: int,
        deltas: Sequence[int],
        owed: Owed,
        soon: Soon | None = None,
    ) -> None:
        super().__init__(loop, soon)
        self.topic = topic
        self.partition = partition
        self.base_timestamp = base_timestamp
        self.deltas = deltas
        self._owed = owed
        self.base_offset = NO_OFFSET
        self.append_timestamp = NO_TIMESTAMP
        self.succeeded = False
        self.error: KafkaError | None = None
        self.whole: Outcome | None = None
        self._parts: Sequence[Outcome] = ()
        self._record_errors: dict[int, KafkaError] | None = None
        self._reports: list[tuple[int, OnDelivery]] | None = None
        self._seen: set[int] | None = None

    def __repr__(self) -> str:
        state = "pending" if not self.done else f"failed: {self.error!r}" if self.error else f"at {self.base_offset}"
        return f"<Outcome of {len(self.deltas)} records to {self.where}, {state}>"

    @property
    def where(self) -> str:
        """The partition in words; the topic alone for records that never got one."""
        return self.topic if self.partition < 0 else f"{self.topic}[{self.partition}]"

    def report(self, index: int, on_delivery: OnDelivery) -> None:
        """Have `on_delivery` called with the fate of one record."""
        if self._reports is None:
            self._reports = []
            place = self.topic, self.partition
            owing = self._owed.get(place)
            if owing is None:
                owing = self._owed[place] = deque()
            owing.append(self)
        self._reports.append((index, on_delivery))

    def succeed(self, base_offset: int, append_timestamp: int = NO_TIMESTAMP) -> None:
        """Settle: the records are in the log from `base_offset` on (-1: the broker does not tell)."""
        self.base_offset = base_offset
        self.append_timestamp = append_timestamp
        self.succeeded = True
        self._settle()

    def fail(self, error: KafkaError, record_errors: dict[int, KafkaError] | None = None) -> None:
        """Settle: the records failed with `error`, those listed by index with their own."""
        self.error = error
        self._record_errors = record_errors
        self._settle()

    def split(self, parts: Sequence[Outcome]) -> None:
        """The records go on in pieces with these outcomes, one piece after the other."""
        self._parts = parts
        for part in parts:
            part.whole = self

    def part_settled(self) -> None:
        """One of the parts is settled."""
        if all(part.done for part in self._parts):
            self._settle()

    def _part_of(self, index: int) -> tuple[Outcome, int]:
        """The part that has the record, and its index there."""
        for part in self._parts:
            if index < len(part.deltas):
                return part, index
            index -= len(part.deltas)
        raise IndexError(index)

    def _settle(self) -> None:
        self.done = True
        self.on_wanted = None
        # The callbacks first: whoever awaits, or flushes, finds them called.
        if self._owed:
            self._report_in_turn()
        self.tell()
        # The circle of whole and parts is cut here, so that an error nobody looked at is told of without the collector.
        whole, self.whole = self.whole, None
        if whole is not None:
            whole.part_settled()

    def _report_in_turn(self) -> None:
        """Have the calls made that wait for none of an older outcome any more."""
        owing = self._owed.get((self.topic, self.partition))
        if owing is None:
            return
        while owing and owing[0].done:
            self.soon(owing.popleft().run_reports)
        if not owing:
            del self._owed[self.topic, self.partition]
            trim(self._owed)

    def run_reports(self) -> None:
        """Make the calls that `report` promised."""
        reports, self._reports = self._reports or [], None
        for index, on_delivery in reports:
            error = self.error_of(index)
            try:
                on_delivery(None if error else self.metadata_of(index), error)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException:  # CancelledError too, which is what a cancelled future's result() raises
                logger.exception("on_delivery %r raised for a record to %s; it is ignored", on_delivery, self.where)

    def metadata_of(self, index: int) -> RecordMetadata:
        if self._parts:
            part, index = self._part_of(index)
            return part.metadata_of(index)
        offset = self.base_offset
        if offset != NO_OFFSET:
            offset += index
        if self.append_timestamp != NO_TIMESTAMP:
            return RecordMetadata(
                self.topic, self.partition, offset, self.append_timestamp, TimestampType.LOG_APPEND_TIME
            )
        # Without the call of the class, which is one in Python: 100 ns of those that asking for a result takes.
        return _metadata(
            RecordMetadata,
            (self.topic, self.partition, offset, self.base_timestamp + self.deltas[index], _CREATE_TIME),
        )

    def error_of(self, index: int) -> KafkaError | None:
        """The error of one record; asking is looking at it.

        Everybody gets a copy. What is raised collects a traceback and a context, which are nobody else's, and with
        which the outcome would hold on to the stacks of those who waited.
        """
        if self._parts:
            part, index = self._part_of(index)
            return part.error_of(index)
        error = self.error
        if error is None:
            return None
        if self._seen is None:
            self._seen = set()
        self._seen.add(index)
        if self._record_errors is not None:
            error = self._record_errors.get(index, error)
        own = copy(error)
        own.__cause__ = error.__cause__
        own.__suppress_context__ = error.__suppress_context__
        return own

    def __del__(self) -> None:
        error = self.error
        if error is None:
            return
        unseen = len(self.deltas) - len(self._seen or ())
        if unseen:
            logger.error(
                "%d of %d records to %s failed and nobody looked at it (await the delivery, or give on_delivery): "
                "%s: %s",
                unseen,
                len(self.deltas),
                self.where,
                type(error).__name__,
                error,
            )
