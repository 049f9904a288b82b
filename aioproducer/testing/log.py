"""One partition's log: batches as bytes, offsets, and where a reader may begin. Nothing is decoded but headers.

It appends what it is given; whether that is allowed is decided elsewhere.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from aioproducer.testing.reader import BatchHeader, decode_records, read_header, records_section


class LogBatch(NamedTuple):
    """A batch in the log: the header as stored, and all its bytes, header included."""

    header: BatchHeader
    data: bytes

    @property
    def last_offset(self) -> int:
        return self.header.base_offset + self.header.last_offset_delta


class PartitionLog:
    """Batches in offset order.

    start_offset: the first offset that may be read. end_offset: the next one to be given.
    high_watermark: consumers see the offsets below it.
    """

    def __init__(self) -> None:
        self.batches: list[LogBatch] = []
        self.start_offset = 0
        self.end_offset = 0
        self.high_watermark = 0
        self._bases: list[int] = []

    def __repr__(self) -> str:
        return f"<PartitionLog {self.start_offset}..{self.end_offset} high_watermark={self.high_watermark}>"

    def append(self, data: bytes) -> None:
        """Adds a batch whose header already carries `end_offset` as its base offset."""
        batch = LogBatch(read_header(data), data)
        self.batches.append(batch)
        self._bases.append(batch.header.base_offset)
        self.end_offset = batch.last_offset + 1

    def read(self, offset: int, max_bytes: int) -> list[bytes]:
        """Whole batches from the one that contains `offset`, below the high watermark.

        At most `max_bytes`, but never less than one batch if there is one, so that a reader always gets on (KIP-74).
        """
        chunks: list[bytes] = []
        size = 0
        for index in range(self._index(offset), len(self.batches)):
            batch = self.batches[index]
            if batch.last_offset >= self.high_watermark:
                break
            size += len(batch.data)
            if chunks and size > max_bytes:
                break
            chunks.append(batch.data)
        return chunks

    def offset_for(self, timestamp: int) -> tuple[int, int]:
        """The first visible record not older than `timestamp`, as (offset, its timestamp), or (-1, -1)."""
        for offset, time in self._times(timestamp):
            if time >= timestamp:
                return offset, time
        return -1, -1

    def latest_timestamp(self) -> tuple[int, int]:
        """The visible record with the largest timestamp, the first of several, as (offset, timestamp), or (-1, -1)."""
        newest = max((batch.header.max_timestamp for batch in self._visible()), default=-1)
        return self.offset_for(newest) if newest >= 0 else (-1, -1)

    def truncate(self, offset: int) -> None:
        """Drops everything from `offset` on, which is the base of a batch or the end."""
        keep = self._index(offset) if offset < self.end_offset else len(self.batches)
        del self.batches[keep:]
        del self._bases[keep:]
        self.end_offset = min(self.end_offset, offset)
        self.high_watermark = min(self.high_watermark, offset)

    def delete_before(self, offset: int) -> None:
        """Moves the start of the log, as DeleteRecords and retention do; whole batches below it go."""
        self.start_offset = max(self.start_offset, min(offset, self.high_watermark))
        gone = 0
        while gone < len(self.batches) and self.batches[gone].last_offset < self.start_offset:
            gone += 1
        del self.batches[:gone]
        del self._bases[:gone]

    def _index(self, offset: int) -> int:
        index = bisect_right(self._bases, offset) - 1
        if index < 0:
            return 0
        return index if self.batches[index].last_offset >= offset else index + 1

    def _visible(self) -> Iterator[LogBatch]:
        return (batch for batch in self.batches if batch.last_offset < self.high_watermark)

    def _times(self, since: int) -> Iterator[tuple[int, int]]:
        for batch in self._visible():
            if batch.header.max_timestamp < since:
                continue
            for offset, timestamp in record_times(batch):
                if offset >= self.start_offset:
                    yield offset, timestamp


def record_times(batch: LogBatch) -> Iterator[tuple[int, int]]:
    """(offset, timestamp) of each record; the batch's own time where the leader stamped it."""
    header = batch.header
    for record in decode_records(records_section(batch.data, header), header.record_count):
        yield header.base_offset + record.offset_delta, record_timestamp(header, record.timestamp_delta)


def record_timestamp(header: BatchHeader, delta: int) -> int:
    return header.max_timestamp if header.attributes & 0x08 else header.base_timestamp + delta
