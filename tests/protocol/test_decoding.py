"""Hostile bytes: whatever comes, a message or a ProtocolError, in time and memory that the number of bytes bounds."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aioproducer.errors import ProtocolError
from aioproducer.protocol.decoding import Takers, decoder_source
from aioproducer.protocol.messages.api_versions import ApiVersion, ApiVersionsResponse
from aioproducer.protocol.messages.metadata import MetadataResponse, MetadataResponsePartition, MetadataResponseTopic
from aioproducer.protocol.messages.produce import (
    LeaderIdAndEpoch,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceResponse,
)
from aioproducer.protocol.primitives import uvarint
from aioproducer.protocol.schema import Message
from aioproducer.work import at_once
from tests.protocol.samples import VERSIONS, body, sample

versions = st.sampled_from(VERSIONS)

LIES = [
    b"\x7f\xff\xff\xff",
    b"\x80\x00\x00\x00",
    b"\xff\xff\xff\xfe",
    b"\x7f\xff",
    b"\xff\xfe",
    b"\xff\xff\xff\xff\x0f",
    b"\xff\xff\xff\xff\xff\xff",
    b"\x80\x80\x80\x80\x00",
]


def survives(message: type[Message], version: int, octets: bytes) -> None:
    """Decoded in one go or in steps: the same message, or the same error."""
    outcomes = [outcome(lambda: message.decode(octets, version))]
    outcomes.append(outcome(lambda: at_once(message.decode_in_steps(octets, version))))
    assert outcomes[0] == outcomes[1]


def outcome(decode: Callable[[], Message]) -> str:
    try:
        return repr(decode())
    except ProtocolError as error:
        return str(error)


@pytest.mark.parametrize(("message", "version"), VERSIONS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_samples_come_back_and_their_beginnings_do_not(message: type[Message], version: int) -> None:
    octets = body(message, version)
    assert message.decode(octets, version) == sample(message, version)
    assert at_once(message.decode_in_steps(octets, version)) == sample(message, version)
    for end in range(len(octets)):
        with pytest.raises(ProtocolError, match=r"no .* v\d+: (they end in|at byte|an unsigned varint|a tagged)"):
            message.decode(octets[:end], version)
    with pytest.raises(ProtocolError, match="1 bytes follow the end"):
        message.decode(octets + b"\x00", version)


@settings(max_examples=300)
@given(versions, st.binary(max_size=300))
def test_random_bytes(which: tuple[type[Message], int], octets: bytes) -> None:
    survives(*which, octets)


@settings(max_examples=300)
@given(versions, st.data())
def test_flipped_bits(which: tuple[type[Message], int], data: st.DataObject) -> None:
    octets = bytearray(body(*which))
    if not octets:
        return
    for bit in data.draw(st.lists(st.integers(0, len(octets) * 8 - 1), min_size=1, max_size=4)):
        octets[bit // 8] ^= 1 << bit % 8
    survives(*which, bytes(octets))


@settings(max_examples=300)
@given(versions, st.sampled_from(LIES), st.booleans(), st.data())
def test_lengths_that_lie(which: tuple[type[Message], int], lie: bytes, inserted: bool, data: st.DataObject) -> None:
    octets = body(*which)
    at = data.draw(st.integers(0, len(octets)))
    survives(*which, octets[:at] + lie + octets[at + (0 if inserted else len(lie)) :])


def test_bytes_behind_the_end_can_be_allowed() -> None:
    octets = body(MetadataResponse, 9) + b"\x00"
    with pytest.raises(ProtocolError, match="1 bytes follow the end"):
        MetadataResponse.decode(octets, 9)
    assert MetadataResponse.decode(octets, 9, exact=False) == sample(MetadataResponse, 9)
    with pytest.raises(ProtocolError, match="end in the middle"):
        MetadataResponse.decode(octets[:-3], 9, exact=False)


@pytest.mark.parametrize("lie", LIES, ids=bytes.hex)
def test_a_length_that_lies_costs_nothing(lie: bytes) -> None:
    rest = bytes(5_000)
    tracemalloc.start()
    try:
        for message, version in VERSIONS:
            if version not in (message.min_version, message.max_version):
                continue
            message.prepare(version, decode=True)
            octets = body(message, version)
            for at in range(0, len(octets), 9):
                hostile = octets[:at] + lie + rest
                tracemalloc.reset_peak()
                before, _ = tracemalloc.get_traced_memory()
                survives(message, version, hostile)
                _, peak = tracemalloc.get_traced_memory()
                assert peak - before < 100 * len(hostile)
    finally:
        tracemalloc.stop()


def test_tagged_fields_without_end() -> None:
    head = b"".join(ProduceResponse().encode(13))[:-1]
    with pytest.raises(ProtocolError, match="end in the middle"):
        ProduceResponse.decode(head + uvarint(2**32 - 1) + b"\x09\x00" * 10, 13)


def test_unknown_tagged_fields_are_skipped() -> None:
    leader = LeaderIdAndEpoch(leader_id=4, leader_epoch=9)
    partition = PartitionProduceResponse(index=1, base_offset=2, current_leader=leader)
    response = ProduceResponse(responses=(TopicProduceResponse(name="t", partition_responses=(partition,)),))
    octets = b"".join(response.encode(10))
    tagged = b"\x01\x00\x09" + bytes((0, 0, 0, 4, 0, 0, 0, 9, 0))
    assert octets.count(tagged) == 1
    unknown = b"\x03\x00\x0d" + bytes((0, 0, 0, 4, 0, 0, 0, 9, 1, 5, 2)) + b"no" + b"\x07\x00\x63\x04nope"
    assert ProduceResponse.decode(octets.replace(tagged, unknown), 10) == response


@pytest.mark.parametrize("size", [8, 10])
def test_a_tagged_field_of_another_size_than_announced(size: int) -> None:
    partition = PartitionProduceResponse(current_leader=LeaderIdAndEpoch(leader_id=4, leader_epoch=9))
    response = ProduceResponse(responses=(TopicProduceResponse(name="t", partition_responses=(partition,)),))
    octets = b"".join(response.encode(10))
    with pytest.raises(ProtocolError, match="the size of current_leader is not what was announced"):
        ProduceResponse.decode(octets.replace(b"\x01\x00\x09", b"\x01\x00" + bytes((size,))), 10)


def test_nulls_where_none_may_be() -> None:
    with pytest.raises(ProtocolError, match="name has the length -1"):
        ProduceRequest.decode(bytes.fromhex("ffff ffff 00000000 00000001 ffff 00000000"), 3)
    with pytest.raises(ProtocolError, match="topic_data is null"):
        ProduceRequest.decode(bytes.fromhex("00 ffff 00000000 00 00"), 9)
    with pytest.raises(ProtocolError, match="transactional_id has the length -2"):
        ProduceRequest.decode(bytes.fromhex("fffe ffff 00000000 00000000"), 3)


def test_a_string_that_is_longer_than_the_message() -> None:
    with pytest.raises(ProtocolError, match="transactional_id reaches 3 bytes behind the end"):
        ProduceRequest.decode(bytes.fromhex("0005 6162"), 3)


def test_text_that_is_not_utf_8() -> None:
    with pytest.raises(ProtocolError, match="a string is not UTF-8"):
        ProduceRequest.decode(bytes.fromhex("0002 c328 ffff 00000000 00000000"), 3)


def test_an_array_that_can_not_fit_is_not_begun() -> None:
    with pytest.raises(ProtocolError, match="brokers of 1000 elements does not fit into the rest"):
        MetadataResponse.decode((1000).to_bytes(4) + bytes(400), 1)


def test_any_byte_but_zero_is_true() -> None:
    octets = bytearray(body(ApiVersionsResponse, 4))
    assert octets[-1] == 1
    octets[-1] = 0x42
    assert ApiVersionsResponse.decode(bytes(octets), 4).zk_migration_ready is True


def test_arrays_are_tuples_and_absent_fields_have_their_default() -> None:
    decoded = ApiVersionsResponse.decode(bytes.fromhex("0000 00000001 0000 0003 000d"), 0)
    assert decoded == ApiVersionsResponse(api_keys=(ApiVersion(api_key=0, min_version=3, max_version=13),))
    assert decoded.throttle_time_ms == 0
    assert decoded.finalized_features_epoch == -1


def test_large_messages_are_decoded_in_steps() -> None:
    partitions = tuple(MetadataResponsePartition(partition_index=index) for index in range(70))
    topics = tuple(MetadataResponseTopic(name=f"t{index}", partitions=partitions) for index in range(3))
    octets = b"".join(MetadataResponse(topics=topics).encode(12))
    assert sum(MetadataResponse.decode_in_steps(octets, 12)) == 3 * 70 + 3
    taken: list[object] = []
    takers: Takers = {MetadataResponsePartition: taken.append}
    message = at_once(MetadataResponse.decode_in_steps(octets, 12, takers=takers))
    assert taken == [*partitions] * 3
    assert [topic.partitions for topic in message.topics] == [()] * 3
    with pytest.raises(ValueError, match="no version 99"):
        next(MetadataResponse.decode_in_steps(octets, 99))


def test_source_can_be_read() -> None:
    text = decoder_source(ProduceResponse, 9, flexible=True)
    assert text.startswith("def decode(body, size, exact):\n")
    compile(text, "<decoder>", "exec")
    assert "yield 1" in decoder_source(ProduceResponse, 9, flexible=True, in_steps=True)
