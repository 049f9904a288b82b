from __future__ import annotations

import pytest

from aioproducer.errors import ProtocolError, UnsupportedVersionError
from aioproducer.protocol.messages.fetch import FetchRequest, FetchTopic
from aioproducer.protocol.messages.init_producer_id import InitProducerIdRequest
from aioproducer.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from aioproducer.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from aioproducer.protocol.primitives import RecordsLike
from aioproducer.protocol.requests import REQUESTS
from aioproducer.protocol.schema import Message, Request, api_name


def produce(name: str = "t", index: int = 0, records: RecordsLike | None = b"") -> ProduceRequest:
    partition = PartitionProduceData(index=index, records=records)
    return ProduceRequest(topic_data=[TopicProduceData(name=name, partition_data=[partition])])


@pytest.mark.parametrize("request_type", REQUESTS.values())
def test_requests_and_responses_belong_together(request_type: type[Request]) -> None:
    response = request_type.response
    assert api_name(request_type) == api_name(response)
    assert request_type.__name__ == api_name(request_type) + "Request"
    assert response.__name__ == api_name(response) + "Response"
    assert request_type.api_key == response.api_key
    assert [request_type.is_flexible(version) for version in range(20)] == [
        response.is_flexible(version) for version in range(20)
    ]


def test_flexible_versions() -> None:
    assert not ProduceRequest.is_flexible(8)
    assert ProduceRequest.is_flexible(9)
    assert ProduceRequest.is_flexible(13)


@pytest.mark.parametrize("version", [-1, 2, 14])
def test_a_version_that_is_not_spoken(version: int) -> None:
    message = rf"ProduceRequest has no version {version} here: use 3 to 13"
    with pytest.raises(ValueError, match=message):
        ProduceRequest().encode(version)
    with pytest.raises(ValueError, match=message):
        ProduceRequest.decode(b"", version)


def test_a_field_that_the_version_lacks_and_that_matters() -> None:
    with pytest.raises(UnsupportedVersionError, match=r"InitProducerIdRequest v2 has no field producer_id: leave it"):
        InitProducerIdRequest(producer_id=5).encode(2)
    assert InitProducerIdRequest(producer_id=5).encode(3)
    with pytest.raises(UnsupportedVersionError, match="allow_auto_topic_creation"):
        MetadataRequest(allow_auto_topic_creation=False).encode(3)
    with pytest.raises(UnsupportedVersionError, match="replica_id"):
        FetchRequest(replica_id=3).encode(15)


def test_a_field_that_the_version_lacks_and_that_may_be_ignored() -> None:
    plain = FetchRequest(topics=[FetchTopic(topic="t")]).encode(4)
    assert FetchRequest(topics=[FetchTopic(topic="t")], rack_id="r", session_id=3).encode(4) == plain


@pytest.mark.parametrize("version", [3, 9])
@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (produce(index=2**31), r"topic_data\[0\]\.partition_data\[0\]\.index is 2147483648, which is no int32"),
        (produce(name="x" * 32768), r"topic_data\[0\]\.name takes 32768 bytes, 32767 is the most"),
        (produce(name="\ud800"), r"topic_data\[0\]\.name is no text that UTF-8 can hold"),
        (produce(name=None), r"topic_data\[0\]\.name is None, which version \d does not allow"),  # type: ignore[arg-type]
        (produce(name=b"t"), r"topic_data\[0\]\.name is bytes, it has to be str"),  # type: ignore[arg-type]
        (produce(records=5), r"records is int, it has to be bytes or a sequence of bytes"),  # type: ignore[arg-type]
        (ProduceRequest(topic_data=None), "topic_data is None, which version"),  # type: ignore[arg-type]
        (ProduceRequest(topic_data=5), "topic_data is int, it has to be a sequence"),  # type: ignore[arg-type]
        (ProduceRequest(topic_data=["t"]), r"topic_data\[0\] is str, it has to be TopicProduceData"),  # type: ignore[list-item]
        (ProduceRequest(acks="all"), "acks is 'all', which is no int16"),  # type: ignore[arg-type]
    ],
)
def test_a_value_that_does_not_fit_is_named(message: Message, version: int, reason: str) -> None:
    with pytest.raises(ValueError, match=rf"ProduceRequest v{version} can not be encoded: .*{reason}"):
        message.encode(version)


@pytest.mark.parametrize("topic_id", ["0d9c1f1e", "0" * 16, b"0d9c1f1e", bytes(17)])
def test_a_uuid_has_to_be_sixteen_bytes(topic_id: bytes) -> None:
    topic = MetadataRequestTopic(topic_id=topic_id)
    with pytest.raises(ValueError, match=r"topics\[0\]\.topic_id is .*, which is no uuid \(16 bytes are a UUID\)"):
        MetadataRequest(topics=[topic]).encode(12)


def test_null_only_from_the_version_that_has_it() -> None:
    message = MetadataRequest(topics=[MetadataRequestTopic(name=None)])
    with pytest.raises(ValueError, match=r"topics\[0\]\.name is None, which version 9 does not allow"):
        message.encode(9)
    assert message.encode(10)


def test_a_failed_encode_leaves_nothing_behind() -> None:
    with pytest.raises(ValueError, match="index"):
        produce(index=2**31, records=b"one").encode(9)
    assert b"".join(produce(records=b"two").encode(9)).count(b"one") == 0


def test_faults_of_a_peer_say_what_came() -> None:
    with pytest.raises(ProtocolError, match=r"17 bytes are no ProduceResponse v9: .*; check that the peer is a Kafka"):
        ProduceResponse.decode(b"HTTP/1.1 400 Bad ", 9)
    with pytest.raises(ProtocolError, match=r"0 bytes are no MetadataResponse v1: they end in the middle of a field"):
        MetadataResponse.decode(b"", 1)


def test_messages_are_values() -> None:
    assert produce() == produce()
    assert hash(ProduceResponse()) == hash(ProduceResponse())
    with pytest.raises(AttributeError):
        produce().ack = 1  # type: ignore[attr-defined]


def test_preparing_changes_nothing_but_the_time_of_compiling() -> None:
    for _ in range(2):
        ProduceRequest.prepare(8, encode=True, decode=True, decode_in_steps=True)
    assert ProduceRequest.decode(b"".join(produce(records=b"x").encode(8)), 8).topic_data[0].name == "t"
    with pytest.raises(ValueError, match="no version 99"):
        ProduceRequest.prepare(99, encode=True)
