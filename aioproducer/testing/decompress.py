"""Unpacks the records section of a batch, each codec to an upper bound of bytes.

It knows framings only, not records. It shares nothing with the code that compresses, so that it can judge it; raw
snappy blocks are unpacked here in plain Python for the same reason.
"""

from __future__ import annotations

import zlib

import lz4.frame
import zstandard

MAX_UNPACKED = 256 * 1024 * 1024
"""No batch of a test unpacks to more than this; a bomb stops here instead of in the memory of the machine."""

XERIAL_MAGIC = b"\x82SNAPPY\x00"
XERIAL_HEADER = 16

NAMES = ("none", "gzip", "snappy", "lz4", "zstd")
ZSTD = 4


class DecompressionError(ValueError):
    """The bytes are not what the codec of the batch's attributes writes."""


def decompress(codec_id: int, data: bytes) -> bytes:
    """The unpacked records section. `codec_id` is the lowest three bits of the batch's attributes.

    Raises DecompressionError for damaged or oversized data, and for trailing bytes after the frame.
    """
    if codec_id == 0:
        return data
    try:
        if codec_id == 1:
            return _gunzip(data)
        if codec_id == 2:
            return _unsnap(data)
        if codec_id == 3:
            return _unlz4(data)
        if codec_id == ZSTD:
            return _unzstd(data)
    except (zlib.error, RuntimeError, EOFError, IndexError, zstandard.ZstdError) as error:
        raise DecompressionError(f"{NAMES[codec_id]} data is damaged: {error}") from error
    raise DecompressionError(f"codec {codec_id} does not exist")


def _gunzip(data: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    unpacked = unpacker.decompress(data, MAX_UNPACKED)
    _check_end("gzip", unpacker.eof, unpacker.unused_data)
    return unpacked


def _unlz4(data: bytes) -> bytes:
    unpacker = lz4.frame.LZ4FrameDecompressor()
    unpacked = bytes(unpacker.decompress(data, MAX_UNPACKED))
    _check_end("lz4", unpacker.eof, unpacker.unused_data or b"")
    return unpacked


def _unzstd(data: bytes) -> bytes:
    unpacker = zstandard.ZstdDecompressor().decompressobj()
    parts = []
    size = 0
    # In slices, so that a small bomb is noticed before all of it is unpacked.
    for start in range(0, len(data), 65536):
        part = unpacker.decompress(data[start : start + 65536])
        size += len(part)
        if size > MAX_UNPACKED:
            raise DecompressionError(f"zstd data unpacks to more than {MAX_UNPACKED} bytes")
        parts.append(part)
        if unpacker.eof and start + 65536 < len(data):
            break
    _check_end("zstd", unpacker.eof, unpacker.unused_data)
    return b"".join(parts)


def _check_end(name: str, eof: bool, rest: bytes) -> None:
    if not eof:
        raise DecompressionError(f"{name} data is cut short, or unpacks to more than {MAX_UNPACKED} bytes")
    if rest:
        raise DecompressionError(f"{len(rest)} bytes follow the {name} frame")


def _unsnap(data: bytes) -> bytes:
    """A xerial stream of blocks, as Java writes it, or one bare block, as readers accept it too."""
    if not data.startswith(XERIAL_MAGIC):
        return _unsnap_block(data)
    if len(data) < XERIAL_HEADER:
        raise DecompressionError("snappy stream header is cut short")
    parts = []
    size = 0
    position = XERIAL_HEADER
    while position < len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        position += 4
        block = data[position : position + length]
        if len(block) < length or length == 0:
            raise DecompressionError("a snappy block is cut short")
        position += length
        part = _unsnap_block(block)
        size += len(part)
        if size > MAX_UNPACKED:
            raise DecompressionError(f"snappy data unpacks to more than {MAX_UNPACKED} bytes")
        parts.append(part)
    return b"".join(parts)


def _unsnap_block(data: bytes) -> bytes:
    """One raw block: the unpacked size as a varint, then literals and back references."""
    expected = shift = position = 0
    while True:
        byte = data[position]
        position += 1
        expected |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 28:
            raise DecompressionError("the size of a snappy block is damaged")
    if expected > MAX_UNPACKED:
        raise DecompressionError(f"a snappy block unpacks to more than {MAX_UNPACKED} bytes")
    out = bytearray()
    end = len(data)
    while position < end:
        tag = data[position]
        position += 1
        kind = tag & 3
        if kind == 0:
            length = (tag >> 2) + 1
            if length > 60:
                width = length - 60
                length = int.from_bytes(data[position : position + width], "little") + 1
                position += width
            if position + length > end:
                raise DecompressionError("a snappy literal is cut short")
            out += data[position : position + length]
            position += length
            continue
        if kind == 1:
            length = ((tag >> 2) & 7) + 4
            distance = (tag >> 5) << 8 | data[position]
            position += 1
        else:
            width = 2 if kind == 2 else 4
            length = (tag >> 2) + 1
            distance = int.from_bytes(data[position : position + width], "little")
            position += width
        start = len(out) - distance
        if distance == 0 or start < 0 or position > end:
            raise DecompressionError("a snappy back reference points outside of its block")
        if distance >= length:
            out += out[start : start + length]
        else:
            # The copy overlaps what it writes: the pattern repeats.
            pattern = bytes(out[start:])
            out += (pattern * (length // distance + 1))[:length]
        if len(out) > expected:
            raise DecompressionError(f"a snappy block says {expected} bytes and has more")
    if len(out) != expected:
        raise DecompressionError(f"a snappy block says {expected} bytes and has {len(out)}")
    return bytes(out)
