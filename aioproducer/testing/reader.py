"""Reads record batches of magic 2 from bytes: the header, the checksum, the records. For tests, a second opinion.

It decodes by Kafka's description of the format alone and shares nothing with the code that encodes. It does not decide
what a broker accepts; that is `validation`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import crc32c

from aioproducer.testing.decompress import decompress

HEADER = struct.Struct(">qiibIhiqqqhii")
LOG_OVERHEAD = 12
"""Bytes before the part that `batchLength` counts."""
CRC_START = 21
"""The checksum covers everything from the attributes on."""

CODEC_MASK = 0x07
LOG_APPEND_TIME = 0x08
TRANSACTIONAL = 0x10
CONTROL = 0x20


class RecordError(ValueError):
    """The records section does not follow the format, or not what the header says of it."""


class BatchHeader(NamedTuple):
    """The 61 bytes in front of the records, in their order."""

    base_offset: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def codec_id(self) -> int:
        return self.attributes & CODEC_MASK


class RawRecord(NamedTuple):
    """One record, its place still relative to its batch."""

    timestamp_delta: int
    offset_delta: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class Summary(NamedTuple):
    """What a walk over all records found: the extremes of the timestamps, and whether a key was null."""

    max_timestamp_delta: int
    null_keys: bool


def read_header(data: bytes | memoryview) -> BatchHeader:
    """The header of the batch at the start of `data`, which has at least 61 bytes."""
    return BatchHeader._make(HEADER.unpack_from(data))


def checksum(data: bytes | bytearray | memoryview) -> int:
    """CRC-32C of a whole batch, computed; the stored one is in its header."""
    computed: int = crc32c.crc32c(memoryview(data)[CRC_START:])
    return computed


def records_section(data: bytes | memoryview, header: BatchHeader) -> bytes:
    """The records' bytes, unpacked. Raises DecompressionError."""
    return decompress(header.codec_id, bytes(memoryview(data)[HEADER.size :]))


def walk(data: bytes, count: int) -> Summary:
    """Checks the shape of all records without building one. Raises RecordError.

    Each length has to end where the next thing begins, offset deltas have to count up from zero, and nothing may
    follow. Written out flat, because every record that any test produces comes through here.
    """
    position = 0
    end = len(data)
    max_delta = None
    null_keys = False
    try:
        for index in range(count):
            length = data[position]
            position += 1
            if length > 0x7F:
                length, position = _varint(data, position - 1)
            stop = position + (length >> 1)
            if length & 1 or stop > end:
                raise RecordError(f"record {index} says it is longer than its batch")
            # One byte of attributes, unused by the format so far and not looked at by brokers either.
            delta = data[position + 1]
            position += 2
            if delta > 0x7F:
                delta, position = _varint(data, position - 1)
            delta = (delta >> 1) ^ -(delta & 1)
            if max_delta is None or delta > max_delta:
                max_delta = delta
            offset = data[position]
            position += 1
            if offset > 0x7F:
                offset, position = _varint(data, position - 1)
            if offset != index << 1:
                raise RecordError(f"record {index} has the offset delta {(offset >> 1) ^ -(offset & 1)}")
            size = data[position]
            position += 1
            if size > 0x7F:
                size, position = _varint(data, position - 1)
            if not size & 1:
                position += size >> 1
            elif size == 1:
                null_keys = True
            else:
                raise RecordError(f"record {index} has a key of negative length")
            size = data[position]
            position += 1
            if size > 0x7F:
                size, position = _varint(data, position - 1)
            if not size & 1:
                position += size >> 1
            elif size != 1:
                raise RecordError(f"record {index} has a value of negative length")
            headers = data[position]
            position += 1
            if headers:
                position = _skip_headers(data, position - 1, stop, index)
            if position != stop:
                raise RecordError(f"record {index} ends {position - stop} bytes after the length it gives")
    except IndexError:
        raise RecordError(f"the records end in the middle of one of the {count} that the header counts") from None
    if position != end:
        raise RecordError(f"{end - position} bytes follow the {count} records that the header counts")
    return Summary(max_delta or 0, null_keys)


def _skip_headers(data: bytes, position: int, stop: int, index: int) -> int:
    count, position = _signed(data, position)
    if count < 0 or count > stop - position:
        raise RecordError(f"record {index} has {count} headers in {stop - position} bytes")
    for _ in range(count):
        size, position = _signed(data, position)
        if size < 0:
            raise RecordError(f"record {index} has a header without a key")
        position += size
        size, position = _signed(data, position)
        if size < -1:
            raise RecordError(f"record {index} has a header value of negative length")
        if size > 0:
            position += size
    return position


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """An unsigned varint of at most 64 bits and the position after it; zigzag is left to the caller."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise RecordError("a varint does not end")


def _signed(data: bytes, position: int) -> tuple[int, int]:
    value, position = _varint(data, position)
    return (value >> 1) ^ -(value & 1), position


def decode_records(data: bytes, count: int) -> Iterator[RawRecord]:
    """The records of a section that `walk` has approved."""
    position = 0
    for _ in range(count):
        _, position = _signed(data, position)
        timestamp_delta, position = _signed(data, position + 1)
        offset_delta, position = _signed(data, position)
        key, position = _nullable(data, position)
        value, position = _nullable(data, position)
        header_count, position = _signed(data, position)
        headers = []
        for _ in range(header_count):
            name, position = _nullable(data, position)
            content, position = _nullable(data, position)
            # A broker does not look into header keys; one that is not UTF-8 has to be visible to a test all the same.
            headers.append(((name or b"").decode("utf-8", "backslashreplace"), content))
        yield RawRecord(timestamp_delta, offset_delta, key, value, tuple(headers))


def _nullable(data: bytes, position: int) -> tuple[bytes | None, int]:
    size, position = _signed(data, position)
    if size < 0:
        return None, position
    return data[position : position + size], position + size
