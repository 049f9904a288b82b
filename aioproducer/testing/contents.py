"""What is in a partition's log, decoded for a test to look at. It reads; it is not on any request's way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from aioproducer.testing.decompress import NAMES
from aioproducer.testing.log import LogBatch, record_timestamp
from aioproducer.testing.producers import MAX_SEQUENCE
from aioproducer.testing.reader import LOG_APPEND_TIME, decode_records, records_section
from aioproducer.testing.state import Partition

NONE = -1


class StoredRecord(NamedTuple):
    """A record as a consumer would get it, and who wrote it. `sequence` is its own, -1 without idempotence."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    producer_id: int
    epoch: int
    sequence: int


class StoredBatch(NamedTuple):
    """A batch as it lies in the log. `size` is in bytes, header included; `codec` is Kafka's name of it."""

    partition: int
    base_offset: int
    record_count: int
    size: int
    codec: str
    log_append_time: bool
    max_timestamp_ms: int
    leader_epoch: int
    producer_id: int
    epoch: int
    base_sequence: int


def stored_batches(partition: Partition) -> list[StoredBatch]:
    return [_described(partition.index, batch) for batch in partition.log.batches]


def stored_records(partition: Partition) -> Iterator[StoredRecord]:
    """All records from the start of the log to its end, whether replicated or not."""
    start = partition.log.start_offset
    for batch in partition.log.batches:
        header = batch.header
        for record in decode_records(records_section(batch.data, header), header.record_count):
            offset = header.base_offset + record.offset_delta
            if offset < start:
                continue
            sequence = NONE
            if header.base_sequence >= 0:
                sequence = (header.base_sequence + record.offset_delta) & MAX_SEQUENCE
            yield StoredRecord(
                partition.index,
                offset,
                record_timestamp(header, record.timestamp_delta),
                record.key,
                record.value,
                record.headers,
                header.producer_id,
                header.producer_epoch,
                sequence,
            )


def _described(partition: int, batch: LogBatch) -> StoredBatch:
    header = batch.header
    return StoredBatch(
        partition,
        header.base_offset,
        header.record_count,
        len(batch.data),
        NAMES[header.codec_id],
        bool(header.attributes & LOG_APPEND_TIME),
        header.max_timestamp,
        header.leader_epoch,
        header.producer_id,
        header.producer_epoch,
        header.base_sequence,
    )
