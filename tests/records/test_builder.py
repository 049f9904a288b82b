"""Records, held against foreign writers byte for byte, and read back by foreign readers."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from aiokafka.record.default_records import DefaultRecordBatch as AiokafkaBatch
from aiokafka.record.default_records import DefaultRecordBatchBuilder as AiokafkaBuilder
from hypothesis import given
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatch as KafkaPythonBatch
from kafka.record.default_records import DefaultRecordBatchBuilder as KafkaPythonBuilder

from aioproducer.models import Headers
from aioproducer.records.batch import HEADER_SIZE, encode_header
from aioproducer.records.builder import RecordsBuilder, record_size_bound
from aioproducer.records.codecs import codec
from aioproducer.records.headers import NO_HEADERS, encode_headers
from aioproducer.records.varint import TABLE_SIZE

NOW = 1_700_000_000_000
ROOM = 1 << 40


class Record(NamedTuple):
    key: bytes | None = None
    value: bytes | None = None
    headers: Headers = ()
    timestamp_ms: int = NOW

    def append_to(self, builder: RecordsBuilder, room: int) -> int:
        return builder.append(self.key, self.value, encode_headers(self.headers), self.timestamp_ms, room)


def bytes_up_to(size: int) -> st.SearchStrategy[bytes]:
    # Short ones, and ones around the lengths where a varint grows.
    edges = [edge + off for edge in (64, 8192) for off in (-12, -9, -8, -1, 0, 1) if edge + off <= size]
    sizes = st.integers(0, 20) | st.sampled_from(edges)
    return st.builds(lambda count, byte: bytes([byte]) * count, sizes, st.integers(0, 255)) | st.binary(max_size=20)


HEADERS = st.lists(
    st.tuples(st.text(max_size=5) | st.sampled_from(["ключ", "鍵", "h" * 64, "h"]), st.none() | bytes_up_to(65)),
    max_size=4,
)
TIMESTAMPS = st.integers(NOW - 3, NOW + 3) | st.integers(0, (1 << 62)) | st.sampled_from([NOW + 8191, NOW + 8192])
RECORDS = st.lists(
    st.builds(
        Record,
        st.none() | bytes_up_to(65),
        st.none() | bytes_up_to(8193),
        st.just(()) | HEADERS,
        TIMESTAMPS,
    ),
    min_size=1,
    max_size=8,
)


def build(records: list[Record]) -> tuple[RecordsBuilder, bytes]:
    builder = RecordsBuilder()
    for record in records:
        before = builder.size
        added = record.append_to(builder, ROOM)
        assert added > 0
        assert builder.size == before + added
    section = builder.build()
    assert len(section) == builder.size
    return builder, section


def batch(builder: RecordsBuilder, section: bytes, codec_name: str = "none") -> bytes:
    kind = codec(codec_name)
    compressed = kind.compress(section)
    header = encode_header(
        records=compressed,
        codec_id=kind.id,
        count=builder.count,
        base_timestamp=builder.base_timestamp,
        max_timestamp=builder.max_timestamp,
    )
    return header + compressed


@given(RECORDS)
def test_same_bytes_as_foreign_writers(records: list[Record]) -> None:
    builder, section = build(records)
    for kind in (KafkaPythonBuilder, AiokafkaBuilder):
        theirs = kind(2, 0, 0, -1, -1, -1, 1 << 30)
        for offset, record in enumerate(records):
            assert theirs.append(offset, record.timestamp_ms, record.key, record.value, [*record.headers]), (
                "the judge has no room"
            )
        assert bytes(theirs.build())[HEADER_SIZE:] == section
    assert builder.count == len(records)
    assert builder.base_timestamp == records[0].timestamp_ms
    assert builder.max_timestamp == max(record.timestamp_ms for record in records)
    assert [builder.base_timestamp + delta for delta in builder.deltas] == [record.timestamp_ms for record in records]


# kafka-python needs another package for snappy, so aiokafka alone judges that.
JUDGES = [
    (reader, name)
    for reader in (KafkaPythonBatch, AiokafkaBatch)
    for name in ("none", "gzip", "snappy", "lz4", "zstd")
    if (reader, name) != (KafkaPythonBatch, "snappy")
]


@pytest.mark.parametrize(("reader", "codec_name"), JUDGES)
@given(records=RECORDS)
def test_foreign_readers_read_it_back(reader: type[AiokafkaBatch], codec_name: str, records: list[Record]) -> None:
    builder, section = build(records)
    read = reader(batch(builder, section, codec_name))
    assert read.validate_crc()
    assert [(r.offset, r.key, r.value, [*r.headers], r.timestamp) for r in read] == [
        (offset, r.key, r.value, [*r.headers], r.timestamp_ms) for offset, r in enumerate(records)
    ]


@pytest.mark.parametrize("codec_name", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_more_records_than_the_tables_hold(codec_name: str) -> None:
    records = [
        Record(b"k" * (i % 3), b"%d" % i, (("i", b"%d" % i),) if i % 5 == 0 else (), NOW + i * 2) for i in range(8300)
    ]
    assert len(records) > TABLE_SIZE
    builder, section = build(records)
    read = AiokafkaBatch(batch(builder, section, codec_name))
    assert [(r.key, r.value, tuple(r.headers), r.timestamp) for r in read] == records


@given(RECORDS, st.data())
def test_too_little_room_changes_nothing(records: list[Record], data: st.DataObject) -> None:
    builder = RecordsBuilder()
    for record in records:
        probe = RecordsBuilder()
        size = 0
        for earlier in records[: builder.count]:
            earlier.append_to(probe, ROOM)
        size = record.append_to(probe, ROOM)
        # A refused record of another time must leave no trace in the times either.
        other = record._replace(timestamp_ms=data.draw(TIMESTAMPS), value=b"x" * (size + 20))
        before = (
            builder.count,
            builder.size,
            builder.base_timestamp,
            builder.max_timestamp,
            [*builder.deltas],
            repr(builder),
        )
        assert record.append_to(builder, size - 1) == 0
        assert other.append_to(builder, size) == 0
        assert record.append_to(builder, 0) == 0
        assert record.append_to(builder, -1) == 0
        assert before == (
            builder.count,
            builder.size,
            builder.base_timestamp,
            builder.max_timestamp,
            builder.deltas,
            repr(builder),
        )
        assert record.append_to(builder, size) == size
    assert builder.build() == build(records)[1]


@pytest.mark.parametrize("size", [0, 1, 56, 57, 58, 63, 64, 8181, 8182, 8183, 8184, 8185, 8191, 8192, 8193, 1 << 20])
@pytest.mark.parametrize("key", [None, b"", b"k" * 16])
def test_lengths_where_a_varint_grows(key: bytes | None, size: int) -> None:
    records = [Record(key, b"v" * size), Record(key, b"v" * size, (), NOW + 100), Record(key, None)]
    builder, section = build(records)
    assert [(r.key, r.value, r.timestamp) for r in AiokafkaBatch(batch(builder, section))] == [
        (r.key, r.value, r.timestamp_ms) for r in records
    ]


def test_empty_builder() -> None:
    builder = RecordsBuilder()
    assert (builder.count, builder.size, builder.base_timestamp, builder.max_timestamp) == (0, 0, -1, -1)
    assert builder.deltas == []
    assert builder.build() == b""


def test_equal_times_share_their_delta() -> None:
    # The deltas of a batch are kept until it is settled; as one object per millisecond they cost 8 bytes each.
    builder = RecordsBuilder()
    for timestamp in (NOW, NOW + 5000, int(str(NOW + 5000))):
        builder.append(None, b"", NO_HEADERS, timestamp, ROOM)
    assert builder.deltas == [0, 5000, 5000]
    assert builder.deltas[1] is builder.deltas[2]


def test_a_time_difference_beyond_64_bits_changes_nothing() -> None:
    builder = RecordsBuilder()
    builder.append(None, b"1", NO_HEADERS, -2, ROOM)
    with pytest.raises(OverflowError):
        builder.append(None, b"2", NO_HEADERS, (1 << 63) - 1, ROOM)
    assert (builder.count, builder.size, builder.deltas) == (1, 8, [0])


def test_many_headers_in_one_record() -> None:
    headers = tuple((f"h{i % 100}", b"x" * (i % 3)) for i in range(TABLE_SIZE + 1))
    builder, section = build([Record(None, b"v", headers)])
    (read,) = AiokafkaBatch(batch(builder, section))
    assert tuple(read.headers) == headers


def test_use_after_build_fails() -> None:
    builder = RecordsBuilder()
    builder.append(None, b"v", NO_HEADERS, NOW, ROOM)
    builder.build()
    with pytest.raises(AttributeError):
        builder.append(None, b"v", NO_HEADERS, NOW, ROOM)
    with pytest.raises(AttributeError):
        builder.build()
    assert (builder.count, builder.deltas) == (1, [0])


def test_repr() -> None:
    builder = RecordsBuilder()
    builder.append(None, b"abc", NO_HEADERS, NOW, ROOM)
    assert repr(builder) == "<RecordsBuilder: 1 records in 10 bytes>"


@given(st.none() | bytes_up_to(8193), st.none() | bytes_up_to(8193), HEADERS)
def test_size_bound_as_in_java(key: bytes | None, value: bytes | None, headers: Headers) -> None:
    bound = record_size_bound(key, value, encode_headers(headers))
    assert bound == KafkaPythonBuilder.estimate_size_in_bytes(key, value, headers)
    _, section = build([Record(key, value, headers)])
    assert HEADER_SIZE + len(section) <= bound
