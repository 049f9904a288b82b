"""Varints, held against two foreign implementations and the numbers where another byte begins."""

from __future__ import annotations

import pytest
from aiokafka.record.util import decode_varint_py
from hypothesis import given
from hypothesis import strategies as st
from kafka.record.util import encode_varint as kafka_python_encode

from aioproducer.records.varint import TABLE_SIZE, VARINTS, encode_varint, varint_size

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
EDGES = sorted(
    {sign * (1 << bit) + off for bit in range(63) for sign in (1, -1) for off in (-1, 0, 1)}
    | {(1 << 63) - 1, -(1 << 63), TABLE_SIZE - 1, TABLE_SIZE}
)


def judge(number: int) -> bytes:
    out = bytearray()
    kafka_python_encode(number, out.append)
    return bytes(out)


@pytest.mark.parametrize(
    ("number", "encoded"),
    [
        (0, "00"),
        (-1, "01"),
        (1, "02"),
        (63, "7e"),
        (-64, "7f"),
        (64, "8001"),
        (-65, "8101"),
        (8191, "fe7f"),
        (8192, "808001"),
        ((1 << 20) - 1, "feff7f"),
        (1 << 20, "80808001"),
        (0x7FFFFFFF, "feffffff0f"),
        ((1 << 63) - 1, "feffffffffffffffff01"),
        (-(1 << 63), "ffffffffffffffffff01"),
    ],
)
def test_known_bytes(number: int, encoded: str) -> None:
    assert encode_varint(number).hex() == encoded


@pytest.mark.parametrize("number", EDGES)
def test_edges(number: int) -> None:
    encoded = encode_varint(number)
    assert decode_varint_py(bytearray(encoded)) == (number, len(encoded))
    assert varint_size(number) == len(encoded)


@given(INT64 | st.integers(-(1 << 21), 1 << 21))
def test_any_number(number: int) -> None:
    encoded = encode_varint(number)
    assert decode_varint_py(bytearray(encoded)) == (number, len(encoded))
    assert varint_size(number) == len(encoded)
    if abs(number) < 1 << 62:
        assert encoded == judge(number)


@pytest.mark.parametrize("number", [1 << 63, -(1 << 63) - 1])
def test_more_than_64_bits_is_refused(number: int) -> None:
    with pytest.raises(OverflowError, match="64 bits"):
        encode_varint(number)


def test_table() -> None:
    assert len(VARINTS) == TABLE_SIZE
    assert all(varint == judge(number) for number, varint in enumerate(VARINTS))
