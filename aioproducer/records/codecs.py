"""The compression codecs of a record batch: none, gzip, snappy, lz4 and zstd, with Kafka's names, ids and levels.

A codec takes the records of one batch and gives their compressed form, framed as the Java client frames it, and takes
its own form apart again; it is no reader for a stranger's bytes. When to compress, and in which thread, is the
caller's; `inline_limit` says from which size on a thread is worth it. Codecs hold no state between calls: one object
may be used by several threads at once.

A package is imported where a codec that needs it is made: lz4 and zstandard take 2 ms, and most producers need neither.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from functools import partial
from struct import Struct
from threading import local
from typing import NamedTuple, Protocol, TypeAlias

from aioproducer.errors import ConfigurationError


class Codec(NamedTuple):
    """One codec at one level."""

    name: str
    id: int
    """What goes into bits 0-2 of the batch's attributes."""
    inline_limit: int
    """Uncompressed bytes from which on `compress` takes half a millisecond or more, and belongs in a worker thread."""
    compress: Callable[[bytes], bytes]
    """The compressed form of a batch's records. It may be larger than they are."""
    decompress: Callable[[bytes], bytes]
    """The records again, from what `compress` of this codec returned."""


def codec(name: str, level: int | None = None) -> Codec:
    """The codec of that name, at `level` or at Kafka's default (gzip -1, lz4 9, zstd 3).

    Raises ConfigurationError for an unknown name, a level outside of the codec's range, and snappy without its extra.
    """
    kind = _KINDS.get(name)
    if kind is None:
        raise ConfigurationError([f"compression_type={name!r} is not known: use one of {', '.join(_KINDS)}"])
    if kind.default_level is None:
        if level is not None:
            raise ConfigurationError([f"compression_type={name!r} has no levels, so level {level!r} can not be used"])
        return kind.make(0)
    if level is None:
        level = kind.default_level
    elif level not in kind.levels and level != kind.default_level:
        low, high = kind.levels[0], kind.levels[-1]
        raise ConfigurationError(
            [f"compression_{name}_level={level} is out of range: use {low} to {high}, or leave it out"]
        )
    return kind.make(level)


def _none(_level: int) -> Codec:
    return Codec("none", 0, sys.maxsize, _unchanged, _unchanged)


def _unchanged(data: bytes) -> bytes:
    return data


def _gzip(level: int) -> Codec:
    limit = _limit(_GZIP_LIMITS, 6 if level == -1 else level)
    return Codec("gzip", 1, limit, partial(_compress_gzip, level), _decompress_gzip)


def _compress_gzip(level: int, data: bytes) -> bytes:
    # 31: a window of 2^15, plus 16 for gzip's wrapper. One member, without a time of modification.
    compressor = zlib.compressobj(level, zlib.DEFLATED, 31)
    return compressor.compress(data) + compressor.flush()


def _decompress_gzip(data: bytes) -> bytes:
    return zlib.decompress(data, 31)


_SNAPPY_BLOCK = 32 * 1024
_SNAPPY_HEADER = b"\x82SNAPPY\x00" + Struct(">ii").pack(1, 1)
_INT32 = Struct(">i")


def _snappy(_level: int) -> Codec:
    try:
        from cramjam import snappy
    except ImportError as error:
        raise ConfigurationError(
            ["compression_type='snappy' needs the package cramjam: install aioproducer[snappy]"]
        ) from error
    compress: _Snappy = snappy.compress_raw
    decompress: _Snappy = snappy.decompress_raw
    return Codec(
        "snappy", 2, _SNAPPY_LIMIT, partial(_compress_snappy, compress), partial(_decompress_snappy, decompress)
    )


class _Readable(Protocol):
    def read(self) -> bytes: ...


_Snappy: TypeAlias = Callable[[memoryview], _Readable]


def _compress_snappy(compress_raw: _Snappy, data: bytes) -> bytes:
    # The framing of xerial's snappy-java, which every Kafka client reads: a header, then blocks with their lengths.
    out = [_SNAPPY_HEADER]
    view = memoryview(data)
    for start in range(0, len(data), _SNAPPY_BLOCK):
        block = compress_raw(view[start : start + _SNAPPY_BLOCK]).read()
        out += (_INT32.pack(len(block)), block)
    return b"".join(out)


def _decompress_snappy(decompress_raw: _Snappy, data: bytes) -> bytes:
    out = []
    view = memoryview(data)
    at = len(_SNAPPY_HEADER)
    while at < len(data):
        (size,) = _INT32.unpack_from(data, at)
        at += _INT32.size + size
        out.append(decompress_raw(view[at - size : at]).read())
    return b"".join(out)


def _lz4(level: int) -> Codec:
    from lz4 import frame

    # In Java 9, its default, is the fast compressor, and every other level the high-compression one, whose lowest
    # and highest levels are 3 and 12 here.
    own_level = 0 if level == 9 else min(max(level, 3), 12)
    compress = partial(
        frame.compress,
        compression_level=own_level,
        block_size=frame.BLOCKSIZE_MAX64KB,
        block_linked=False,
        content_checksum=False,
        block_checksum=False,
        store_size=False,
    )
    return Codec("lz4", 3, _limit(_LZ4_LIMITS, own_level), compress, frame.decompress)


def _zstd(level: int) -> Codec:
    import zstandard

    def decompress(data: bytes) -> bytes:
        return zstandard.ZstdDecompressor().decompress(data)

    make = partial(zstandard.ZstdCompressor, level=level, write_checksum=False)
    return Codec("zstd", 4, _limit(_ZSTD_LIMITS, level), _Zstd(make), decompress)


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...


class _Zstd(local):
    """A compressor per thread, since one must not be used by two at once; made anew, it costs 10 us more per batch."""

    def __init__(self, make: Callable[[], _Compressor]) -> None:
        self._compressor = make()

    def __call__(self, data: bytes) -> bytes:
        return self._compressor.compress(data)


# (up to this level, uncompressed bytes that take about 0.5 ms), measured with JSON on a slow core; noise goes faster.
_GZIP_LIMITS = ((3, 40 * 1024), (7, 18 * 1024), (9, 10 * 1024))
_LZ4_LIMITS = ((0, 192 * 1024), (6, 32 * 1024), (9, 20 * 1024), (10, 10 * 1024), (12, 8 * 1024))
_ZSTD_LIMITS = ((1, 128 * 1024), (3, 40 * 1024), (5, 32 * 1024), (9, 24 * 1024), (12, 6 * 1024), (22, 4 * 1024))
_SNAPPY_LIMIT = 192 * 1024


def _limit(limits: tuple[tuple[int, int], ...], level: int) -> int:
    return next(limit for highest, limit in limits if level <= highest)


class _Kind(NamedTuple):
    make: Callable[[int], Codec]
    default_level: int | None = None
    levels: range = range(0)


_KINDS = {
    "none": _Kind(_none),
    "gzip": _Kind(_gzip, -1, range(1, 10)),
    "snappy": _Kind(_snappy),
    "lz4": _Kind(_lz4, 9, range(1, 18)),
    "zstd": _Kind(_zstd, 3, range(-131072, 23)),
}
