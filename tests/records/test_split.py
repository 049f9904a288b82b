"""Splitting a section: nothing lost, nothing moved, nothing over the limit."""

from __future__ import annotations

from typing import TypeAlias

from aiokafka.record.default_records import DefaultRecordBatch as AiokafkaBatch
from hypothesis import given
from hypothesis import strategies as st

from aioproducer.models import Headers
from aioproducer.records.batch import encode_header
from aioproducer.records.builder import RecordsBuilder
from aioproducer.records.headers import encode_headers
from aioproducer.records.split import split_records

NOW = 1_700_000_000_000
Record: TypeAlias = tuple[bytes | None, bytes | None, Headers, int]

FIELDS = st.none() | st.binary(max_size=30) | st.sampled_from([b"v" * 64, b"w" * 9000])
RECORDS = st.lists(
    st.tuples(
        FIELDS,
        FIELDS,
        st.lists(st.tuples(st.text(max_size=5), FIELDS), max_size=3),
        st.integers(NOW - 100, NOW + 100) | st.integers(0, 1 << 61),
    ),
    min_size=1,
    max_size=12,
)


def build(records: list[Record]) -> RecordsBuilder:
    builder = RecordsBuilder()
    for key, value, headers, timestamp_ms in records:
        assert builder.append(key, value, encode_headers(headers), timestamp_ms, 1 << 40)
    return builder


def read(builder: RecordsBuilder) -> list[Record]:
    """What a foreign reader finds in the batch."""
    count = builder.count
    section = builder.build()
    header = encode_header(
        records=section,
        codec_id=0,
        count=count,
        base_timestamp=builder.base_timestamp,
        max_timestamp=builder.max_timestamp,
    )
    return [(r.key, r.value, [*r.headers], r.timestamp) for r in AiokafkaBatch(header + section)]


@given(RECORDS, st.integers(0, 200) | st.integers(0, 40_000))
def test_the_same_records_in_the_same_order(records: list[Record], room: int) -> None:
    whole = build(records)
    pieces = split_records(whole.build(), whole.base_timestamp, room)
    counts = [piece.count for piece in pieces]
    sizes = [piece.size for piece in pieces]
    assert [record for piece in pieces for record in read(piece)] == records
    assert all(counts)
    assert all(size <= room or count == 1 for size, count in zip(sizes, counts, strict=True))


@given(RECORDS, st.integers(0, 40_000))
def test_no_piece_is_cut_too_early(records: list[Record], room: int) -> None:
    whole = build(records)
    pieces = split_records(whole.build(), whole.base_timestamp, room)
    at = 0
    for piece in pieces[:-1]:
        at += piece.count
        key, value, headers, timestamp_ms = records[at]
        assert piece.append(key, value, encode_headers(headers), timestamp_ms, room - piece.size) == 0


@given(RECORDS)
def test_with_room_enough_nothing_changes(records: list[Record]) -> None:
    whole = build(records)
    section = whole.build()
    (piece,) = split_records(section, whole.base_timestamp, len(section))
    assert piece.deltas == whole.deltas
    assert piece.max_timestamp == whole.max_timestamp
    assert piece.build() == section
