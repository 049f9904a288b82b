from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kio.schema.request_header.v1.header import RequestHeader as HeaderV1
from kio.schema.request_header.v2.header import RequestHeader as HeaderV2
from kio.serial import entity_writer

from aioproducer.errors import ProtocolError
from aioproducer.protocol.headers import decode_response_header, encode_request
from aioproducer.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from aioproducer.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from aioproducer.protocol.serving import RequestHeader, decode_request_header, encode_response

PARTITION = PartitionProduceData(index=1, records=[b"head", b"tail"])
REQUEST = ProduceRequest(acks=1, topic_data=[TopicProduceData(name="t", partition_data=[PARTITION])])

client_ids = st.one_of(st.none(), st.text(max_size=50))
numbers = st.integers(-(2**31), 2**31 - 1)


@given(st.sampled_from([(3, HeaderV1), (9, HeaderV2)]), numbers, client_ids)
def test_request_frames_against_kio(how: tuple[int, Any], correlation_id: int, client_id: str | None) -> None:
    version, kio_header = how
    header = io.BytesIO()
    entity_writer(kio_header)(
        header,
        kio_header(request_api_key=0, request_api_version=version, correlation_id=correlation_id, client_id=client_id),
    )
    expected = header.getvalue() + b"".join(REQUEST.encode(version))
    frame = b"".join(encode_request(REQUEST, version=version, correlation_id=correlation_id, client_id=client_id))
    assert frame[:4] == len(expected).to_bytes(4)
    assert frame[4:] == expected
    read, body = decode_request_header(frame[4:])
    assert read == RequestHeader(api_key=0, api_version=version, correlation_id=correlation_id, client_id=client_id)
    assert ProduceRequest.decode(body, version) == ProduceRequest.decode(b"".join(REQUEST.encode(version)), version)


def test_records_stay_uncopied_in_a_frame() -> None:
    records = b"r" * 1000
    partition = PartitionProduceData(records=records)
    request = ProduceRequest(topic_data=[TopicProduceData(partition_data=[partition])])
    chunks = encode_request(request, version=9, correlation_id=1, client_id="c")
    assert len(chunks) == 3
    assert chunks[1] is records


def test_a_request_without_body() -> None:
    (frame,) = encode_request(ApiVersionsRequest(), version=0, correlation_id=5, client_id=None)
    assert frame == bytes.fromhex("0000000a 0012 0000 00000005 ffff")


def test_a_client_id_that_is_too_long() -> None:
    with pytest.raises(ValueError, match="client_id takes 40000 bytes"):
        encode_request(REQUEST, version=9, correlation_id=1, client_id="x" * 40000)


def test_response_frames() -> None:
    plain = b"".join(encode_response(ProduceResponse(), ProduceRequest, version=8, correlation_id=7))
    assert plain == bytes.fromhex("0000000c 00000007 00000000 00000000")
    tagged = b"".join(encode_response(ProduceResponse(), ProduceRequest, version=9, correlation_id=7))
    assert tagged == bytes.fromhex("0000000b 00000007 00 01 00000000 00")
    for frame, version in ((plain, 8), (tagged, 9)):
        correlation_id, body = decode_response_header(frame[4:], ProduceRequest, version)
        assert correlation_id == 7
        assert ProduceResponse.decode(body, version) == ProduceResponse()


@pytest.mark.parametrize("version", range(5))
def test_answers_to_api_versions_have_the_plain_header(version: int) -> None:
    response = ApiVersionsResponse(error_code=35)
    frame = b"".join(encode_response(response, ApiVersionsRequest, version=version, correlation_id=7))
    assert frame[4:10] == bytes.fromhex("00000007 0023")
    correlation_id, body = decode_response_header(frame[4:], ApiVersionsRequest, version)
    assert (correlation_id, ApiVersionsResponse.decode(body, version)) == (7, response)


def test_tagged_fields_in_headers_are_skipped() -> None:
    frame = bytes.fromhex("00000007 01 05 02 abcd 99")
    correlation_id, body = decode_response_header(frame, ProduceRequest, 9)
    assert (correlation_id, bytes(body)) == (7, b"\x99")
    frame = bytes.fromhex("0000 0009 00000007 0001 63 01 05 02 abcd 99")
    header, body = decode_request_header(memoryview(frame))
    assert (header.client_id, bytes(body)) == ("c", b"\x99")


def test_the_header_of_an_unknown_api_is_read_as_version_1() -> None:
    header, body = decode_request_header(bytes.fromhex("03e7 0002 00000007 ffff 1122"))
    assert header == RequestHeader(api_key=999, api_version=2, correlation_id=7, client_id=None)
    assert bytes(body) == b"\x11\x22"


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ("", "0 bytes is too short"),
        ("0000 0009 00000007", "8 bytes is too short"),
        ("0000 0009 00000007 0005 6161", "client id of 5 bytes in a frame of 12"),
        ("0000 0009 00000007 fffe", "client id of -2 bytes"),
        ("0000 0003 00000007 0002 c328", "not UTF-8"),
        ("0000 0009 00000007 ffff", "header of a Produce request are malformed"),
        ("0000 0009 00000007 ffff 01 00 05", "header of a Produce request are malformed"),
        ("0000 0009 00000007 ffff ffffffff7f", "header of a Produce request are malformed"),
    ],
)
def test_request_headers_that_are_wrong(frame: str, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        decode_request_header(bytes.fromhex(frame))


@pytest.mark.parametrize("frame", ["", "000000", "00000007", "00000007 01 00 09", "00000007 ffffffffff"])
def test_response_headers_that_are_wrong(frame: str) -> None:
    with pytest.raises(ProtocolError):
        decode_response_header(bytes.fromhex(frame), ProduceRequest, 9)


@given(st.binary(max_size=40), st.integers(0, 4))
def test_headers_of_random_bytes(octets: bytes, key: int) -> None:
    for frame in (octets, key.to_bytes(2) + b"\x00\x0c" + octets):
        for read in (
            lambda frame=frame: decode_request_header(frame),
            lambda frame=frame: decode_response_header(frame, ProduceRequest, 9),
        ):
            try:
                _, body = read()
            except ProtocolError:
                continue
            assert len(body) < len(frame)
