from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioproducer.protocol.primitives import (
    MAX_UVARINT,
    MalformedError,
    read_uvarint,
    record_chunks,
    skip_fields,
    skip_tagged_fields,
    uvarint,
)


@pytest.mark.parametrize(
    ("value", "octets"),
    [
        (0, "00"),
        (1, "01"),
        (127, "7f"),
        (128, "8001"),
        (300, "ac02"),
        (16383, "ff7f"),
        (16384, "808001"),
        (2**31 - 1, "ffffffff07"),
        (MAX_UVARINT, "ffffffff0f"),
    ],
)
def test_uvarint_by_hand(value: int, octets: str) -> None:
    assert uvarint(value).hex() == octets
    assert read_uvarint(bytes.fromhex(octets), 0) == (value, len(octets) // 2)


@given(st.integers(0, MAX_UVARINT), st.binary(max_size=3), st.binary(max_size=3))
def test_uvarint_is_read_where_it_is(value: int, before: bytes, behind: bytes) -> None:
    octets = uvarint(value)
    assert read_uvarint(before + octets + behind, len(before)) == (value, len(before) + len(octets))


def test_uvarint_has_32_bits() -> None:
    with pytest.raises(OverflowError):
        uvarint(MAX_UVARINT + 1)
    for octets in ("ffffffff1f", "ffffffffff0f", "808080808000"):
        with pytest.raises(MalformedError, match="32 bits"):
            read_uvarint(bytes.fromhex(octets), 0)


@pytest.mark.parametrize("octets", ["", "80", "ffffff"])
def test_uvarint_that_is_cut_off(octets: str) -> None:
    with pytest.raises(IndexError):
        read_uvarint(bytes.fromhex(octets), 0)


def test_tagged_fields_are_skipped() -> None:
    assert skip_tagged_fields(b"\x00rest", 0) == 1
    assert skip_tagged_fields(b"\x02\x00\x01a\x05\x03bcdrest", 0) == 9
    assert skip_fields(b"\x00\x01a\x05\x03bcdrest", 0, 1) == 3


def test_tagged_fields_that_do_not_fit() -> None:
    with pytest.raises(MalformedError, match="longer than what is left"):
        skip_tagged_fields(b"\x01\x00\x05abcd", 0)
    with pytest.raises(IndexError):
        skip_tagged_fields(b"\xff\xff\xff\xff\x0f\x00\x00", 0)


def test_record_chunks_are_what_was_given() -> None:
    head, tail = b"head", b"tail"
    length, chunks = record_chunks([head, b"", tail])
    assert length == 8
    assert [id(chunk) for chunk in chunks] == [id(head), id(tail)]
    assert record_chunks(head) == (4, [head])
    assert record_chunks(b"") == (0, [])
    assert record_chunks([]) == (0, [])


def test_record_chunks_count_bytes_and_share_them() -> None:
    buffer = bytearray(b"abcd")
    length, (view,) = record_chunks(buffer)
    assert length == 4
    buffer[0:1] = b"X"
    assert bytes(view) == b"Xbcd"
    words = memoryview(bytes(8)).cast("I")
    length, (octets,) = record_chunks((words,))
    assert (length, len(octets)) == (8, 8)
