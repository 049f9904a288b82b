from __future__ import annotations

import gzip
import random

import cramjam
import lz4.frame
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from aioproducer.testing import decompress as module
from aioproducer.testing.decompress import XERIAL_MAGIC, DecompressionError, decompress

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
TEXT = b"the same words again, the same words again, and again the same " * 50


def raw_snappy(data: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(data))


def xerial(*blocks: bytes) -> bytes:
    framed = b"".join(len(block).to_bytes(4, "big") + block for block in map(raw_snappy, blocks))
    return XERIAL_MAGIC + (1).to_bytes(4, "big") * 2 + framed


def packed(codec: int, data: bytes) -> bytes:
    if codec == GZIP:
        return gzip.compress(data)
    if codec == SNAPPY:
        return xerial(data)
    if codec == LZ4:
        return bytes(lz4.frame.compress(data))
    return zstandard.ZstdCompressor().compress(data)


@pytest.mark.parametrize("codec", [GZIP, SNAPPY, LZ4, ZSTD])
@pytest.mark.parametrize(
    "data", [b"", b"a", TEXT, random.Random(1).randbytes(200_000)], ids=["0", "1", "text", "noise"]
)
def test_every_codec_unpacks(codec: int, data: bytes) -> None:
    assert decompress(codec, packed(codec, data)) == data


@given(st.binary(max_size=300).map(lambda data: data * 7))
def test_snappy_blocks_unpack_to_what_was_packed(data: bytes) -> None:
    assert decompress(SNAPPY, raw_snappy(data)) == data


def test_snappy_blocks_follow_each_other() -> None:
    assert decompress(SNAPPY, xerial(TEXT, b"", b"x" * 70_000)) == TEXT + b"x" * 70_000


@given(st.sampled_from([GZIP, SNAPPY, LZ4, ZSTD]), st.binary(max_size=100))
def test_noise_is_an_error_or_empty_and_nothing_else(codec: int, data: bytes) -> None:
    try:
        decompress(codec, data)
    except DecompressionError:
        pass


@pytest.mark.parametrize("codec", [GZIP, SNAPPY, LZ4, ZSTD])
def test_data_cut_short_is_an_error(codec: int) -> None:
    with pytest.raises(DecompressionError):
        decompress(codec, packed(codec, TEXT)[:-1])


@pytest.mark.parametrize("codec", [GZIP, LZ4, ZSTD])
def test_bytes_after_the_frame_are_an_error(codec: int) -> None:
    with pytest.raises(DecompressionError, match="follow the"):
        decompress(codec, packed(codec, TEXT) + b"more")


@pytest.mark.parametrize("codec", [GZIP, SNAPPY, LZ4, ZSTD])
def test_a_bomb_stops_at_the_limit(codec: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_UNPACKED", 1000)
    with pytest.raises(DecompressionError, match="1000"):
        decompress(codec, packed(codec, b"x" * 5000))


def test_there_are_no_other_codecs() -> None:
    with pytest.raises(DecompressionError, match="codec 5"):
        decompress(5, b"")


@pytest.mark.parametrize(
    ("block", "why"),
    [
        (b"\xff\xff\xff\xff\xff\xff", "size"),
        (b"\x05\x00", "cut short"),
        (b"\x05\x10abc", "cut short"),
        (b"\x05\x01\x01", "back reference"),
        (b"\x01\x04ab", "has 2"),
        (b"\x03\x04ab\x05\x02", "has more"),
        (b"\x05\x04ab", "has 2"),
        (b"", "damaged"),
    ],
)
def test_damaged_snappy_is_named(block: bytes, why: str) -> None:
    with pytest.raises(DecompressionError, match=why):
        decompress(SNAPPY, block)
