"""Compression: the frames byte by byte, levels, and round trips through other people's decompressors."""

from __future__ import annotations

import gzip
import struct
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import cramjam
import lz4.block
import lz4.frame
import pytest
import zstandard
from aiokafka.codec import gzip_decode, lz4_decode, snappy_decode, zstd_decode
from hypothesis import given
from hypothesis import strategies as st

from aioproducer.errors import ConfigurationError
from aioproducer.records.codecs import Codec, codec

DECODERS = {"gzip": gzip_decode, "snappy": snappy_decode, "lz4": lz4_decode, "zstd": zstd_decode}
ALL_LEVELS = {
    "none": [None],
    "gzip": [None, -1, *range(1, 10)],
    "snappy": [None],
    "lz4": [None, *range(1, 18)],
    "zstd": [None, -131072, -100, -1, 0, *range(1, 23)],
}
TEXT = b"".join(b'{"id": %d, "event": "click", "price": %d.25}' % (i, i * 7919 % 1000) for i in range(4000))


@pytest.mark.parametrize(("name", "number"), [("none", 0), ("gzip", 1), ("snappy", 2), ("lz4", 3), ("zstd", 4)])
def test_names_and_ids(name: str, number: int) -> None:
    kind = codec(name)
    assert (kind.name, kind.id) == (name, number)


def test_none_is_the_data_itself() -> None:
    data = b"abc"
    assert codec("none").compress(data) is data
    assert codec("none").decompress(data) is data
    assert codec("none").inline_limit == sys.maxsize


@pytest.mark.parametrize("name", DECODERS)
@given(
    data=st.binary(min_size=1, max_size=1000)
    | st.builds(lambda part, times: part * times, st.binary(min_size=1, max_size=50), st.integers(1, 5000))
)
def test_round_trip(name: str, data: bytes) -> None:
    compressed = codec(name).compress(data)
    assert type(compressed) is bytes
    assert bytes(DECODERS[name](compressed)) == data
    assert codec(name).decompress(compressed) == data


@pytest.mark.parametrize(("name", "level"), [(name, level) for name in DECODERS for level in ALL_LEVELS[name]])
def test_every_level(name: str, level: int | None) -> None:
    kind = codec(name, level)
    assert bytes(DECODERS[name](kind.compress(TEXT[:20_000]))) == TEXT[:20_000]
    assert kind.inline_limit >= 4096


@pytest.mark.parametrize(
    ("name", "default"),
    [("gzip", -1), ("lz4", 9), ("zstd", 3)],
)
def test_default_levels(name: str, default: int) -> None:
    assert codec(name).compress(TEXT) == codec(name, default).compress(TEXT)
    assert codec(name).inline_limit == codec(name, default).inline_limit


@pytest.mark.parametrize(("name", "weak", "strong"), [("gzip", 1, 9), ("lz4", 9, 12), ("zstd", 1, 19)])
def test_levels_reach_the_compressor(name: str, weak: int, strong: int) -> None:
    assert len(codec(name, strong).compress(TEXT)) < len(codec(name, weak).compress(TEXT))
    assert codec(name, strong).inline_limit < codec(name, weak).inline_limit


@pytest.mark.parametrize(
    ("name", "level", "advice"),
    [
        ("gzip", 0, "compression_gzip_level=0 is out of range: use 1 to 9"),
        ("gzip", 10, "use 1 to 9"),
        ("gzip", -2, "use 1 to 9"),
        ("lz4", 0, "compression_lz4_level=0 is out of range: use 1 to 17"),
        ("lz4", 18, "use 1 to 17"),
        ("zstd", 23, "compression_zstd_level=23 is out of range: use -131072 to 22"),
        ("zstd", -131073, "use -131072 to 22"),
        ("none", 1, "has no levels"),
        ("snappy", 1, "has no levels"),
    ],
)
def test_levels_out_of_range(name: str, level: int, advice: str) -> None:
    with pytest.raises(ConfigurationError, match=advice):
        codec(name, level)


@pytest.mark.parametrize("name", ["brotli", "", "GZIP"])
def test_unknown_name(name: str) -> None:
    with pytest.raises(ConfigurationError, match="use one of none, gzip, snappy, lz4, zstd"):
        codec(name)


def test_snappy_without_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cramjam", None)
    with pytest.raises(ConfigurationError, match=r"install aioproducer\[snappy\]"):
        codec("snappy")


def test_gzip_is_one_member_without_a_time() -> None:
    compressed = codec("gzip").compress(TEXT)
    assert compressed[:4] == b"\x1f\x8b\x08\x00"
    assert compressed[4:8] == bytes(4)
    assert gzip.decompress(compressed) == TEXT
    assert compressed == codec("gzip").compress(TEXT)


@pytest.mark.parametrize("size", [0, 1, 32 * 1024, 32 * 1024 + 1, 100_000])
def test_snappy_frames(size: int) -> None:
    data = (TEXT * 2)[:size]
    compressed = codec("snappy").compress(data)
    assert compressed[:16] == bytes.fromhex("82534e41505059000000000100000001")
    at, blocks = 16, []
    while at < len(compressed):
        (length,) = struct.unpack_from(">i", compressed, at)
        blocks.append(bytes(cramjam.snappy.decompress_raw(compressed[at + 4 : at + 4 + length])))
        at += 4 + length
    assert at == len(compressed)
    assert b"".join(blocks) == data
    assert len(blocks) == -(-size // 32768)
    assert all(len(block) == 32768 for block in blocks[:-1])


@pytest.mark.parametrize("level", ALL_LEVELS["lz4"])
@pytest.mark.parametrize("data", [b"", b"a", TEXT, bytes(range(256)) * 600], ids=len)
def test_lz4_frames_as_in_java(level: int | None, data: bytes) -> None:
    compressed = codec("lz4", level).compress(data)
    # Magic; independent blocks, no sizes and checksums; blocks of 64 KiB; the check of these two.
    assert compressed[:7] == bytes.fromhex("04224d18604082")
    at, blocks = 7, []
    while True:
        (length,) = struct.unpack_from("<I", compressed, at)
        at += 4
        if length == 0:
            break
        block = compressed[at : at + (length & 0x7FFFFFFF)]
        at += len(block)
        # Independent of each other: every block is read alone.
        blocks.append(block if length >> 31 else lz4.block.decompress(block, uncompressed_size=65536))
    assert at == len(compressed)
    assert b"".join(blocks) == data
    assert all(len(block) == 65536 for block in blocks[:-1])


def test_lz4_stores_what_does_not_shrink() -> None:
    noise = zstandard.ZstdCompressor(level=19).compress(TEXT)[:3000]
    compressed = codec("lz4").compress(noise)
    assert struct.unpack_from("<I", compressed, 7) == (len(noise) | 1 << 31,)


def test_lz4_nine_is_the_fast_compressor() -> None:
    fast = lz4.frame.compress(
        TEXT, compression_level=0, block_size=lz4.frame.BLOCKSIZE_MAX64KB, block_linked=False, store_size=False
    )
    assert codec("lz4", 9).compress(TEXT) == fast
    assert len(codec("lz4", 8).compress(TEXT)) < len(fast)
    assert len(codec("lz4", 1).compress(TEXT)) < len(fast)
    assert codec("lz4", 17).compress(TEXT) == codec("lz4", 12).compress(TEXT)


def test_zstd_frames() -> None:
    frame = zstandard.get_frame_parameters(codec("zstd").compress(TEXT))
    assert not frame.has_checksum
    assert frame.dict_id == 0


@pytest.mark.parametrize("name", DECODERS)
def test_one_codec_in_many_threads(name: str) -> None:
    kind = codec(name)
    pieces = [TEXT[start : start + 5000 + start % 777] * 5 for start in range(0, 100_000, 1000)]
    with ThreadPoolExecutor(4) as pool:
        compressed = list(pool.map(kind.compress, pieces))
    assert compressed == [kind.compress(piece) for piece in pieces]


def test_zstd_compressors_are_not_shared_by_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two threads in one compressor would damage each other's batches, rarely enough to go unnoticed in a test.
    made_in: list[int] = []

    class Compressor:
        def __init__(self, **options: object) -> None:
            made_in.append(threading.get_ident())

        def compress(self, data: bytes) -> bytes:
            assert threading.get_ident() in made_in
            return data

    monkeypatch.setattr(zstandard, "ZstdCompressor", Compressor)
    kind = codec("zstd")
    thread = threading.Thread(target=lambda: [kind.compress(b""), kind.compress(b"")])
    thread.start()
    thread.join()
    kind.compress(b"")
    assert len(made_in) == len({*made_in}) == 2


def test_inline_limits_hold_a_default_batch_at_default_levels() -> None:
    assert all(codec(name).inline_limit >= 16384 for name in ALL_LEVELS)


def test_codecs_are_immutable() -> None:
    kind: Codec = codec("gzip")
    with pytest.raises(AttributeError):
        kind.id = 5  # type: ignore[misc]  # that this is refused is the point
