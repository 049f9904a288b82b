"""The header of a record batch: 61 bytes, checksum included.

The checksum covers the records, which stay where they are: header and records travel as two chunks. What is in the
header is the caller's; so is compressing the records first.
"""

from __future__ import annotations

from struct import Struct

from aioproducer.records.checksum import crc32c

HEADER_SIZE = 61
"""Bytes in front of the records."""

MAGIC = 2

TRANSACTIONAL = 1 << 4
"""The attribute bit of a batch that belongs to a transaction. Bits 0-2 are the codec's id."""

# Offset 0 to 20: what a broker rewrites (base offset, leader epoch), and so stands outside of the checksum.
_HEAD = Struct(">qiibI")
# Offset 21 to 60: attributes, last offset delta, base and max timestamp, producer id and epoch, base sequence, count.
_CHECKED = Struct(">hiqqqhii")
_AFTER_LENGTH = HEADER_SIZE - 12


def encode_header(
    *,
    records: bytes | bytearray | memoryview,
    codec_id: int,
    count: int,
    base_timestamp: int,
    max_timestamp: int,
    producer_id: int = -1,
    producer_epoch: int = -1,
    base_sequence: int = -1,
    transactional: bool = False,
) -> bytes:
    """The header of a batch of `count` records (1 or more), whose section is `records`, as compressed by `codec_id`.

    Timestamps are milliseconds since the epoch. Without idempotence the producer id, epoch and sequence are -1. A
    retry under another id or sequence needs a new header, never new records. Costs one pass over `records` for the
    checksum (CRC-32C), and no copy.
    """
    checked = _CHECKED.pack(
        codec_id | TRANSACTIONAL if transactional else codec_id,
        count - 1,
        base_timestamp,
        max_timestamp,
        producer_id,
        producer_epoch,
        base_sequence,
        count,
    )
    return _HEAD.pack(0, _AFTER_LENGTH + len(records), -1, MAGIC, crc32c(records, crc32c(checked, 0))) + checked
