from __future__ import annotations

import dataclasses
import gzip

import pytest

from aioproducer.testing.codes import Code, RefusedError
from aioproducer.testing.reader import checksum, read_header
from aioproducer.testing.topics import TopicConfig
from aioproducer.testing.validation import CheckedBatch, check_batch, check_envelope, placed
from tests.testing.wire import NOW_MS, batch, record

LATEST = 13
HOUR = 3_600_000


def checked(data: bytes, *, version: int = LATEST, **settings: object) -> CheckedBatch:
    view = memoryview(data)
    header = check_envelope(view, version)
    config = dataclasses.replace(TopicConfig(), **settings)  # type: ignore[arg-type]  # any setting
    return check_batch(view, header, config, NOW_MS)


def refusal(data: bytes, *, version: int = LATEST, **settings: object) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        checked(data, version=version, **settings)
    return caught.value


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", Code.INVALID_RECORD),
        (batch()[:-1], Code.INVALID_RECORD),
        (batch() + b"x", Code.INVALID_RECORD),
        (batch() + batch(), Code.INVALID_RECORD),
        (batch(magic=1), Code.INVALID_RECORD),
        (batch(length=3), Code.CORRUPT_MESSAGE),
        (batch(attributes=5), Code.UNKNOWN_SERVER_ERROR),
        (batch(base_offset=1), Code.INVALID_RECORD),
        (batch(crc=0), Code.CORRUPT_MESSAGE),
        (batch(b"a", b"b", last_offset_delta=0), Code.INVALID_RECORD),
        (batch(section=b"", count=0), Code.INVALID_RECORD),
        (batch(b"a", count=2), Code.INVALID_RECORD),
        (batch(b"a", b"b", count=1), Code.INVALID_RECORD),
        (batch(section=record(1)), Code.INVALID_RECORD),
        (batch(attributes=0x20), Code.INVALID_RECORD),
        (batch(attributes=0x80), Code.INVALID_RECORD),
        (batch(attributes=1), Code.UNKNOWN_SERVER_ERROR),
        (batch(attributes=0x10, producer=(1, 0, 0)), Code.TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
        (batch(producer=(1, 0, -1)), Code.INVALID_RECORD),
        (batch(producer=(1, -1, 0)), Code.INVALID_RECORD),
        (batch(attributes=8), Code.INVALID_TIMESTAMP),
    ],
)
def test_what_no_topic_takes(data: bytes, code: Code) -> None:
    assert refusal(data).code is code


def test_one_flipped_bit_anywhere_behind_the_checksum_is_found() -> None:
    whole = batch(b"abc", producer=(1, 0, 0))
    for position in range(21, len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 4
        with pytest.raises(RefusedError):
            checked(bytes(damaged))


def test_zstd_needs_version_7() -> None:
    assert refusal(batch(attributes=4), version=6).code is Code.UNSUPPORTED_COMPRESSION_TYPE


def test_compressed_records_are_looked_into() -> None:
    assert checked(batch(section=gzip.compress(record(0)), attributes=1)).header.record_count == 1
    assert refusal(batch(section=gzip.compress(record(1)), attributes=1)).code is Code.INVALID_RECORD


def test_the_size_of_a_batch_is_limited_as_it_comes() -> None:
    data = batch(b"x" * 100)
    assert checked(data, max_message_bytes=len(data)).max_timestamp == NOW_MS
    assert refusal(data, max_message_bytes=len(data) - 1).code is Code.MESSAGE_TOO_LARGE


def test_compacted_topics_name_each_record_without_key() -> None:
    section = record(0, key=b"k") + record(1) + record(2)
    refused = refusal(batch(section=section, count=3), cleanup_policy="compact")
    assert refused.code is Code.INVALID_RECORD
    assert [index for index, _ in refused.records] == [1, 2]
    checked(batch(section=record(0, key=b""), count=1), cleanup_policy="compact")


def test_times_too_far_ahead_are_named() -> None:
    section = record(0) + record(1, timestamp_delta=HOUR + 1)
    refused = refusal(batch(section=section, count=2))
    assert refused.code is Code.INVALID_TIMESTAMP
    assert [index for index, _ in refused.records] == [1]
    checked(batch(section=record(0, timestamp_delta=HOUR)))


def test_times_too_far_behind_are_named_where_there_is_a_limit() -> None:
    data = batch(section=record(0, timestamp_delta=-11) + record(1, timestamp_delta=-10), count=2)
    checked(data)
    refused = refusal(data, message_timestamp_before_max_ms=10)
    assert [index for index, _ in refused.records] == [0]


def test_where_the_leader_stamps_the_records_time_does_not_matter() -> None:
    checked(batch(base_timestamp=NOW_MS + 99 * HOUR), message_timestamp_type="LogAppendTime")


def test_a_record_without_time_is_taken() -> None:
    checked(batch(base_timestamp=-1), message_timestamp_before_max_ms=10)


def test_the_stored_batch_has_its_place_and_keeps_its_checksum() -> None:
    data = batch(b"a", b"b")
    stored = placed(memoryview(data), checked(data), 77, 5, None)
    header = read_header(stored)
    assert (header.base_offset, header.leader_epoch, header.crc) == (77, 5, read_header(data).crc)
    assert stored[16:] == data[16:]


def test_the_leaders_stamp_makes_a_new_checksum() -> None:
    data = batch(b"a", base_timestamp=5)
    stored = placed(memoryview(data), checked(data), 0, 0, NOW_MS)
    header = read_header(stored)
    assert (header.max_timestamp, header.attributes, header.base_timestamp) == (NOW_MS, 8, 5)
    assert header.crc == checksum(stored)


def test_a_wrong_largest_timestamp_is_put_right() -> None:
    data = batch(section=record(0, timestamp_delta=7), max_timestamp=NOW_MS + 100)
    stored = placed(memoryview(data), checked(data), 0, 0, None)
    header = read_header(stored)
    assert header.max_timestamp == NOW_MS + 7
    assert header.crc == checksum(stored)
