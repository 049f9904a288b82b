"""Takes a records section apart again, for a batch that a broker refused as too large and that goes out in pieces.

It reads what `RecordsBuilder` has written, uncompressed, and nothing else: it is no reader for a stranger's bytes.
"""

from __future__ import annotations

from collections.abc import Iterator

from aioproducer.records.builder import RecordsBuilder


def split_records(section: bytes, base_timestamp: int, room: int) -> list[RecordsBuilder]:
    """The same records in the same order, in builders of at most `room` bytes each; one too large for that is alone.

    The first builder has the first `count` records, and so on. `section` is what `RecordsBuilder.build` returned, and
    `base_timestamp` that builder's.
    """
    pieces: list[RecordsBuilder] = []
    piece = RecordsBuilder()
    for key, value, tail, delta in _read(section):
        timestamp_ms = base_timestamp + delta
        if not (piece.count and piece.append(key, value, tail, timestamp_ms, room - piece.size)):
            piece = RecordsBuilder()
            pieces.append(piece)
            # As the first of its builder a record has no more bytes than it had in the section.
            piece.append(key, value, tail, timestamp_ms, len(section))
    return pieces


def _read(section: bytes) -> Iterator[tuple[bytes | None, bytes | None, bytes, int]]:
    """Key, value, encoded headers and timestamp delta of each record."""
    at = 0
    while at < len(section):
        size, at = _read_varint(section, at)
        end = at + size
        delta, at = _read_varint(section, at + 1)  # one byte of attributes
        _, at = _read_varint(section, at)
        key, at = _read_field(section, at)
        value, at = _read_field(section, at)
        yield key, value, section[at:end], delta
        at = end


def _read_varint(section: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = section[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number >> 1 ^ -(number & 1), at
        shift += 7


def _read_field(section: bytes, at: int) -> tuple[bytes | None, int]:
    size, at = _read_varint(section, at)
    return (None, at) if size < 0 else (section[at : at + size], at + size)
