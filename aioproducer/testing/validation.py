"""Whether a leader takes a batch, in the order in which Kafka's brokers check, and with their error codes.

It looks at one batch and the settings of its topic. Sequences are checked by `producers`, replicas by the produce
handler. The codes were compared with those of Kafka 4.3. On purpose it is stricter in what no producer should rely
on, so that a test sees the bug: offset deltas of uncompressed records, bytes after the batch, attribute bits without a
meaning, a producer id without epoch, and the timestamp type, all of which a broker passes over or puts right.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from aioproducer.testing.codes import Code, RefusedError
from aioproducer.testing.decompress import NAMES, ZSTD, DecompressionError
from aioproducer.testing.reader import (
    CONTROL,
    HEADER,
    LOG_APPEND_TIME,
    LOG_OVERHEAD,
    TRANSACTIONAL,
    BatchHeader,
    RecordError,
    Summary,
    checksum,
    decode_records,
    read_header,
    records_section,
    walk,
)
from aioproducer.testing.topics import TopicConfig

NO_TIMESTAMP = -1
FIRST_VERSION_WITH_ZSTD = 7
KNOWN_ATTRIBUTES = 0x7F
SHOWN_ERRORS = 3


class CheckedBatch(NamedTuple):
    """A batch that may be appended: its header, and the largest timestamp that its records really have."""

    header: BatchHeader
    max_timestamp: int


def check_envelope(data: memoryview, api_version: int) -> BatchHeader:
    """What is checked before anyone asks who leads the partition: one whole batch of magic 2, nothing else. Raises
    RefusedError.
    """
    if len(data) < HEADER.size:
        raise RefusedError(
            Code.INVALID_RECORD, f"a produce request needs one record batch per partition, got {len(data)} bytes"
        )
    header = read_header(data)
    if header.magic != 2:
        raise RefusedError(Code.INVALID_RECORD, f"batches need magic 2, got {header.magic}")
    size = header.length + LOG_OVERHEAD
    if size < HEADER.size:
        raise RefusedError(Code.CORRUPT_MESSAGE, f"batchLength {header.length} is less than a header")
    if size > len(data):
        raise RefusedError(Code.INVALID_RECORD, f"the batch says {size} bytes, but {len(data)} came")
    if size < len(data):
        raise RefusedError(
            Code.INVALID_RECORD, f"{len(data) - size} bytes follow the one batch that a partition may have"
        )
    if header.codec_id == ZSTD and api_version < FIRST_VERSION_WITH_ZSTD:
        raise RefusedError(Code.UNSUPPORTED_COMPRESSION_TYPE, f"zstd needs Produce 7, this is version {api_version}")
    if header.attributes & TRANSACTIONAL:
        raise RefusedError(Code.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "there are no transactions here")
    return header


def check_batch(data: memoryview, header: BatchHeader, config: TopicConfig, now_ms: int) -> CheckedBatch:
    """What the leader checks before it looks at sequences. Raises RefusedError."""
    if header.base_offset != 0:
        raise RefusedError(Code.INVALID_RECORD, f"baseOffset from a client has to be 0, got {header.base_offset}")
    if len(data) > config.max_message_bytes:
        raise RefusedError(
            Code.MESSAGE_TOO_LARGE, f"the batch has {len(data)} bytes; max.message.bytes is {config.max_message_bytes}"
        )
    computed = checksum(data)
    if computed != header.crc:
        raise RefusedError(Code.CORRUPT_MESSAGE, f"the batch says CRC {header.crc:08x}, its bytes have {computed:08x}")
    if header.codec_id >= len(NAMES):
        raise RefusedError(Code.UNKNOWN_SERVER_ERROR, f"codec {header.codec_id} does not exist")
    if header.last_offset_delta + 1 != header.record_count or header.record_count < 1:
        raise RefusedError(
            Code.INVALID_RECORD,
            f"lastOffsetDelta is {header.last_offset_delta} with {header.record_count} records counted",
        )
    if header.attributes & CONTROL:
        raise RefusedError(Code.INVALID_RECORD, "clients may not write control records")
    if header.attributes & ~KNOWN_ATTRIBUTES:
        raise RefusedError(Code.INVALID_RECORD, f"attributes {header.attributes:#06x} have bits without a meaning")
    if header.producer_id >= 0 and header.base_sequence < 0:
        raise RefusedError(
            Code.INVALID_RECORD, f"producer {header.producer_id} sent base sequence {header.base_sequence}"
        )
    if header.producer_id >= 0 and header.producer_epoch < 0:
        raise RefusedError(Code.INVALID_RECORD, f"producer {header.producer_id} sent epoch {header.producer_epoch}")
    try:
        section = records_section(data, header)
        summary = walk(section, header.record_count)
    except RecordError as error:
        raise RefusedError(Code.INVALID_RECORD, str(error)) from error
    except DecompressionError as error:
        raise RefusedError(Code.UNKNOWN_SERVER_ERROR, str(error)) from error
    _check_records(section, header, summary, config, now_ms)
    return CheckedBatch(header, header.base_timestamp + summary.max_timestamp_delta)


def _check_records(section: bytes, header: BatchHeader, summary: Summary, config: TopicConfig, now_ms: int) -> None:
    """The rules that blame single records: keys on compacted topics, and timestamps."""
    latest = header.base_timestamp + summary.max_timestamp_delta
    stamped_by_client = not config.log_append_time
    if (
        not (config.compacted and summary.null_keys)
        and not header.attributes & LOG_APPEND_TIME
        and not (stamped_by_client and latest - now_ms > config.message_timestamp_after_max_ms)
        and not (stamped_by_client and config.message_timestamp_before_max_ms is not None)
    ):
        return
    bad_keys: list[tuple[int, str]] = []
    bad_times: list[tuple[int, str]] = []
    before = config.message_timestamp_before_max_ms
    for index, record in enumerate(decode_records(section, header.record_count)):
        timestamp = header.base_timestamp + record.timestamp_delta
        if config.compacted and record.key is None:
            bad_keys.append((index, "a compacted topic takes no record without key"))
        elif header.attributes & LOG_APPEND_TIME:
            bad_times.append((index, "a producer may not set the timestamp type LogAppendTime"))
        elif stamped_by_client and timestamp != NO_TIMESTAMP:
            late = timestamp - now_ms > config.message_timestamp_after_max_ms
            if late or (before is not None and now_ms - timestamp > before):
                bad_times.append((index, f"timestamp {timestamp} is too far from the broker's clock, {now_ms}"))
    if bad_times:
        raise RefusedError(
            Code.INVALID_TIMESTAMP,
            "records were refused for their timestamps",
            tuple(sorted(bad_keys + bad_times)),
        )
    if bad_keys:
        raise RefusedError(
            Code.INVALID_RECORD,
            f"{len(bad_keys)} records were refused, the first are {bad_keys[:SHOWN_ERRORS]}",
            tuple(bad_keys),
        )


_PLACE = struct.Struct(">qii")
_ATTRIBUTES = struct.Struct(">h")
_TIMESTAMP = struct.Struct(">q")
_CRC = struct.Struct(">I")
_PLACE_END = 16
_ATTRIBUTES_AT = 21
_MAX_TIMESTAMP_AT = 35
_CRC_AT = 17


def placed(
    data: memoryview, checked: CheckedBatch, base_offset: int, leader_epoch: int, append_time_ms: int | None
) -> bytes:
    """The batch as the log keeps it: with its offset and epoch, and with the leader's time if it stamps.

    Offset and epoch are outside of the checksum; a changed timestamp needs a new one.
    """
    header = checked.header
    place = _PLACE.pack(base_offset, header.length, leader_epoch)
    max_timestamp = checked.max_timestamp if append_time_ms is None else append_time_ms
    if append_time_ms is None and max_timestamp == header.max_timestamp:
        return b"".join((place, data[_PLACE_END:]))
    stored = bytearray(data)
    stored[:_PLACE_END] = place
    if append_time_ms is not None:
        _ATTRIBUTES.pack_into(stored, _ATTRIBUTES_AT, header.attributes | LOG_APPEND_TIME)
    _TIMESTAMP.pack_into(stored, _MAX_TIMESTAMP_AT, max_timestamp)
    _CRC.pack_into(stored, _CRC_AT, checksum(stored))
    return bytes(stored)
