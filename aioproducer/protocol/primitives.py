"""The words of Kafka's wire format that `struct` does not have: unsigned varints and chunks of records.

Bytes in, values out and back. It knows no message and no version. What is wrong with bytes is said by
`MalformedError`, which `schema` turns into a `ProtocolError` with the name of the message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

Chunk: TypeAlias = bytes | memoryview
"""A piece of an outgoing frame. The pieces of a list of chunks go out one after another."""

ChunkLike: TypeAlias = bytes | bytearray | memoryview

RecordsLike: TypeAlias = ChunkLike | Sequence[ChunkLike]
"""The value of a `records` field: bytes, or pieces of bytes that are sent one after another."""

ZERO_UUID = bytes(16)
"""What the wire has in place of a UUID that is absent."""

MAX_UVARINT = 0xFFFFFFFF
"""Kafka's unsigned varints hold 32 bits, so they take at most five bytes."""

MAX_STRING = 0x7FFF
"""Strings are at most this many bytes long, also where their length would fit into a longer prefix."""

SMALL_UVARINTS: tuple[bytes, ...] = tuple(bytes((n,)) for n in range(0x80))
"""The unsigned varints of a single byte, by value: nearly all of them are lengths below 128."""


class MalformedError(Exception):
    """Bytes that do not follow the wire format; the text says which rule they break."""


def uvarint(value: int) -> bytes:
    """`value`, 0 to 2**32 - 1, as an unsigned varint of one to five bytes."""
    if value < 0x80:
        return SMALL_UVARINTS[value]
    if value > MAX_UVARINT:
        raise OverflowError(f"{value} does not fit into an unsigned varint of 32 bits")
    octets = bytearray()
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)


def read_uvarint(buffer: bytes | memoryview, position: int) -> tuple[int, int]:
    """The unsigned varint at `position`, and the position behind it.

    Raises IndexError where the buffer ends within it and MalformedError where it has more than 32 bits.
    """
    octet = buffer[position]
    position += 1
    if octet < 0x80:
        return octet, position
    value = octet & 0x7F
    for shift in (7, 14, 21, 28):
        octet = buffer[position]
        position += 1
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            if value > MAX_UVARINT:
                break
            return value, position
    raise MalformedError(f"an unsigned varint before byte {position} has more than 32 bits")


def skip_tagged_fields(buffer: bytes | memoryview, position: int) -> int:
    """The position behind a section of tagged fields of which none is known here."""
    count, position = read_uvarint(buffer, position)
    return skip_fields(buffer, position, count)


def skip_fields(buffer: bytes | memoryview, position: int, count: int) -> int:
    """The position behind `count` tagged fields. A count that is not true ends at the end of the buffer."""
    for _ in range(count):
        _, position = read_uvarint(buffer, position)
        length, position = read_uvarint(buffer, position)
        position += length
    if position > len(buffer):
        raise MalformedError("a tagged field is longer than what is left of the message")
    return position


def uuid_octets(value: object) -> bytes:
    """`value`, if it is the sixteen bytes of a UUID; else TypeError. `struct` would fill up fewer, and cut off more."""
    if type(value) is not bytes or len(value) != len(ZERO_UUID):
        raise TypeError(f"{len(ZERO_UUID)} bytes are a UUID")
    return value


def record_chunks(records: RecordsLike) -> tuple[int, list[Chunk]]:
    """The length in bytes of `records`, and its pieces without the empty ones. Nothing is copied."""
    pieces = (records,) if isinstance(records, bytes | bytearray | memoryview) else records
    length = 0
    chunks: list[Chunk] = []
    for piece in pieces:
        if type(piece) is bytes:
            chunk: Chunk = piece
        else:
            # A view of single bytes: `len` of any other view counts items, and a stream would send it as they lie.
            view = memoryview(piece)
            chunk = view if view.format == "B" and view.ndim == 1 else view.cast("B")
        if size := len(chunk):
            length += size
            chunks.append(chunk)
    return length, chunks
