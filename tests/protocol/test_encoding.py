from __future__ import annotations

import pytest

from aioproducer.protocol.encoding import encoder_source
from aioproducer.protocol.messages.api_versions import (
    ApiVersion,
    ApiVersionsResponse,
    FinalizedFeatureKey,
    SupportedFeatureKey,
)
from aioproducer.protocol.messages.fetch import EpochEndOffset, FetchableTopicResponse, FetchResponse, PartitionData
from aioproducer.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from aioproducer.protocol.primitives import uvarint


def produce(*records: bytes | list[bytes | memoryview] | None) -> ProduceRequest:
    partitions = [PartitionProduceData(index=index, records=each) for index, each in enumerate(records)]
    return ProduceRequest(acks=-1, timeout_ms=1, topic_data=[TopicProduceData(name="t", partition_data=partitions)])


def test_records_are_chunks_of_their_own_and_never_copied() -> None:
    header, payload, other = b"h" * 61, memoryview(b"p" * 100), b"o" * 200
    for version in (3, 9, 13):
        chunks = produce([header, payload], other).encode(version)
        assert chunks[1] is header
        assert chunks[4] is other
        view = chunks[2]
        assert isinstance(view, memoryview)
        assert view.obj is payload.obj
        flexible = version >= 9
        assert len(chunks) == (6 if flexible else 5)
        assert chunks[3] == bytes.fromhex("00 00000001 c901" if flexible else "00000001 000000c8")
        assert chunks[5:] == ([b"\0\0\0"] if flexible else [])


def test_records_that_are_null_or_empty() -> None:
    assert b"".join(produce(None).encode(3)).endswith(b"\xff\xff\xff\xff")
    assert b"".join(produce(None).encode(9)).endswith(b"\x00" + b"\0\0\0")
    assert b"".join(produce(b"").encode(3)).endswith(bytes(4))
    assert b"".join(produce([]).encode(9)).endswith(b"\x01" + b"\0\0\0")
    assert len(produce(None, b"", []).encode(9)) == 1


def test_tagged_fields_are_ascending_and_only_those_that_say_something() -> None:
    head = bytes.fromhex("0000 01 00000000")
    assert b"".join(ApiVersionsResponse().encode(3)) == head + b"\x00"
    assert b"".join(ApiVersionsResponse(zk_migration_ready=True).encode(3)) == head + bytes.fromhex("01 03 01 01")
    response = ApiVersionsResponse(
        finalized_features=[FinalizedFeatureKey(name="f", max_version_level=2, min_version_level=1)],
        finalized_features_epoch=7,
        supported_features=[SupportedFeatureKey(name="s", min_version=0, max_version=3)],
    )
    assert b"".join(response.encode(4)) == head + bytes.fromhex(
        "03 00 08 02 0273 0000 0003 00   01 08 0000000000000007   02 08 02 0266 0002 0001 00"
    )


def test_tagged_fields_below_arrays() -> None:
    partition = PartitionData(diverging_epoch=EpochEndOffset(epoch=5, end_offset=6))
    response = FetchResponse(responses=[FetchableTopicResponse(topic="t", partitions=[partition])])
    tail = bytes.fromhex("00 01 00 0d 00000005 0000000000000006 00 00 00")
    assert b"".join(response.encode(12)).endswith(tail)
    assert FetchResponse.decode(b"".join(response.encode(12)), 12).responses[0].partitions[0] == partition


def test_source_can_be_read() -> None:
    text = encoder_source(ProduceRequest, 9, flexible=True)
    assert text.startswith("def encode(message):\n")
    compile(text, "<encoder>", "exec")


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 128, 129, 16382, 16383, 16384, 32767])
def test_compact_lengths_around_the_ends_of_their_bytes(length: int) -> None:
    partition = PartitionProduceData(records=b"r" * length)
    request = ProduceRequest(topic_data=[TopicProduceData(name="n" * length, partition_data=[partition])])
    prefix = uvarint(length + 1)
    octets = (
        bytes.fromhex("00 0000 00000000 02")
        + (prefix + b"n" * length + b"\x02")
        + (bytes(4) + prefix + b"r" * length)
        + bytes(3)
    )
    assert b"".join(request.encode(9)) == octets
    assert ProduceRequest.decode(octets, 9) == ProduceRequest(
        topic_data=(TopicProduceData(name="n" * length, partition_data=(partition,)),)
    )


@pytest.mark.parametrize("count", [126, 127, 128, 16383])
def test_arrays_of_many_elements(count: int) -> None:
    response = ApiVersionsResponse(api_keys=tuple(ApiVersion(api_key=number) for number in range(count)))
    octets = b"".join(response.encode(3))
    assert octets.startswith(bytes(2) + uvarint(count + 1) + bytes(7) + bytes.fromhex("0001 0000 0000 00"))
    assert ApiVersionsResponse.decode(octets, 3) == response
