from __future__ import annotations

import crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioproducer.testing.reader import (
    HEADER,
    RawRecord,
    RecordError,
    Summary,
    checksum,
    decode_records,
    read_header,
    records_section,
    walk,
)
from tests.testing.wire import batch, nullable, record, varint

GOLDEN = bytes.fromhex(
    "000000000000000000000055ffffffff0234e7652b0010000000020000018bcfe56800"
    "0000018bcfe5680500000000075bcd1500070000002a0000000314000000046b310476"
    "31001e000a02010476320402680278026e0110000504046b330100"
)


def test_the_golden_batch_is_read_to_the_byte() -> None:
    header = read_header(GOLDEN)
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (123456789, 7, 42)
    assert (header.base_timestamp, header.max_timestamp) == (1700000000000, 1700000000005)
    assert header.record_count == 3
    assert header.crc == checksum(GOLDEN)
    section = records_section(GOLDEN, header)
    assert walk(section, 3) == Summary(5, True)
    assert list(decode_records(section, 3)) == [
        RawRecord(0, 0, b"k1", b"v1", ()),
        RawRecord(5, 1, None, b"v2", (("h", b"x"), ("n", None))),
        RawRecord(-3, 2, b"k3", None, ()),
    ]


def test_the_checksum_is_castagnoli() -> None:
    assert crc32c.crc32c(b"123456789") == 0xE3069283


nullable_bytes = st.none() | st.binary(max_size=200)
headers = st.lists(st.tuples(st.text(max_size=8), nullable_bytes), max_size=3)
deltas = st.integers(-(2**40), 2**40)


@given(st.lists(st.tuples(nullable_bytes, nullable_bytes, headers, deltas), min_size=1, max_size=20))
def test_what_is_encoded_is_read_back(
    rows: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]], int]],
) -> None:
    section = b"".join(record(i, k, v, h, d) for i, (k, v, h, d) in enumerate(rows))
    summary = walk(section, len(rows))
    assert summary == Summary(max(d for *_, d in rows), any(k is None for k, *_ in rows))
    decoded = list(decode_records(section, len(rows)))
    assert decoded == [RawRecord(d, i, k, v, tuple(h)) for i, (k, v, h, d) in enumerate(rows)]


@given(st.binary(max_size=60), st.integers(1, 3))
def test_any_bytes_are_records_or_a_record_error(data: bytes, count: int) -> None:
    try:
        walk(data, count)
    except RecordError:
        return
    assert len(list(decode_records(data, count))) == count


BODY = b"\x00" + varint(0) + varint(0) + nullable(None) + nullable(b"v")


def sized(body: bytes) -> bytes:
    return varint(len(body)) + body


@pytest.mark.parametrize(
    ("section", "why"),
    [
        (record(0)[:-1], "longer than its batch"),
        (record(0) + b"\x00", "1 bytes follow"),
        (record(1), "offset delta 1"),
        (varint(-1) + BODY, "longer than its batch"),
        (sized(BODY + varint(0) + b"\x00"), "ends -1 bytes after"),
        (varint(len(BODY)) + BODY + varint(0), "ends 1 bytes after"),
        (sized(b"\x00" + varint(0) + varint(0) + varint(-2) + nullable(b"v") + varint(0)), "key of negative length"),
        (sized(b"\x00" + varint(0) + varint(0) + nullable(None) + varint(-2) + varint(0)), "value of negative length"),
        (sized(BODY + varint(-1)), "-1 headers"),
        (sized(BODY + varint(1000)), "1000 headers"),
        (sized(BODY + varint(1) + varint(-1) + nullable(b"")), "header without a key"),
        (sized(BODY + varint(1) + nullable(b"h") + varint(-2)), "header value of negative length"),
        (b"\x80" * 20, "does not end"),
        (b"", "in the middle"),
    ],
)
def test_each_malformed_record_is_named(section: bytes, why: str) -> None:
    with pytest.raises(RecordError, match=why):
        walk(section, 1)


def test_a_header_that_is_not_utf8_is_shown_and_not_refused() -> None:
    section = sized(BODY + varint(1) + nullable(b"\xff") + nullable(b"x"))
    walk(section, 1)
    (read,) = decode_records(section, 1)
    assert read.headers == (("\\xff", b"x"),)


def test_the_header_has_61_bytes() -> None:
    assert HEADER.size == 61
    assert len(batch(section=b"")) == 61
