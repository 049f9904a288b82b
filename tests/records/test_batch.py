"""The batch header: a golden batch, and headers read by foreign readers."""

from __future__ import annotations

import struct

import pytest
from aiokafka.record.default_records import DefaultRecordBatch as AiokafkaBatch
from hypothesis import given
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatch as KafkaPythonBatch

from aioproducer.records.batch import HEADER_SIZE, encode_header
from aioproducer.records.builder import RecordsBuilder
from aioproducer.records.headers import NO_HEADERS, encode_headers

GOLDEN = bytes.fromhex(
    "000000000000000000000055ffffffff0234e7652b0010000000020000018bcfe56800"
    "0000018bcfe5680500000000075bcd1500070000002a0000000314000000046b310476"
    "31001e000a02010476320402680278026e0110000504046b330100"
)


def test_golden_batch() -> None:
    builder = RecordsBuilder()
    builder.append(b"k1", b"v1", NO_HEADERS, 1_700_000_000_000, 1000)
    builder.append(None, b"v2", encode_headers((("h", b"x"), ("n", None))), 1_700_000_000_005, 1000)
    builder.append(b"k3", None, NO_HEADERS, 1_699_999_999_997, 1000)
    records = builder.build()
    header = encode_header(
        records=records,
        codec_id=0,
        count=builder.count,
        base_timestamp=builder.base_timestamp,
        max_timestamp=builder.max_timestamp,
        producer_id=123456789,
        producer_epoch=7,
        base_sequence=42,
        transactional=True,
    )
    assert header + records == GOLDEN


@given(
    records=st.binary(max_size=300),
    codec_id=st.integers(0, 4),
    count=st.integers(1, (1 << 31) - 1),
    base_timestamp=st.integers(-1, (1 << 63) - 1),
    max_timestamp=st.integers(-1, (1 << 63) - 1),
    producer_id=st.integers(-1, (1 << 63) - 1),
    producer_epoch=st.integers(-1, (1 << 15) - 1),
    base_sequence=st.integers(-1, (1 << 31) - 1),
    transactional=st.booleans(),
    kind=st.sampled_from([bytes, bytearray, memoryview]),
)
def test_every_field_is_read_back(
    records: bytes,
    codec_id: int,
    count: int,
    base_timestamp: int,
    max_timestamp: int,
    producer_id: int,
    producer_epoch: int,
    base_sequence: int,
    transactional: bool,
    kind: type[bytes],
) -> None:
    header = encode_header(
        records=kind(records),
        codec_id=codec_id,
        count=count,
        base_timestamp=base_timestamp,
        max_timestamp=max_timestamp,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_sequence=base_sequence,
        transactional=transactional,
    )
    assert len(header) == HEADER_SIZE
    assert struct.unpack_from(">qii", header) == (0, HEADER_SIZE - 12 + len(records), -1)
    for batch in (KafkaPythonBatch(header + records), AiokafkaBatch(header + records)):
        assert batch.validate_crc()
        assert batch.base_offset == 0
        assert batch.magic == 2
        assert batch.compression_type == codec_id
        assert batch.timestamp_type == 0
        assert batch.is_transactional is transactional
        assert not batch.is_control_batch
        assert batch.attributes == codec_id | transactional << 4
        assert batch.next_offset == count
        assert batch.first_timestamp == base_timestamp
        assert batch.max_timestamp == max_timestamp
        assert batch.producer_id == producer_id
        assert batch.producer_epoch == producer_epoch
        assert batch.base_sequence == base_sequence
    assert KafkaPythonBatch(header + records).records_count == count


def test_without_idempotence() -> None:
    header = encode_header(records=b"", codec_id=0, count=1, base_timestamp=5, max_timestamp=5)
    assert struct.unpack_from(">qhi", header, 43) == (-1, -1, -1)
    assert header[21:23] == b"\0\0"


@pytest.mark.parametrize("at", [0, 50, 99])
def test_a_changed_record_is_noticed(at: int) -> None:
    records = bytearray(100)
    header = encode_header(records=records, codec_id=0, count=1, base_timestamp=5, max_timestamp=5)
    records[at] ^= 1
    assert not KafkaPythonBatch(header + records).validate_crc()
