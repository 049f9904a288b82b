from __future__ import annotations

from aioproducer.protocol.messages.create_topics import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfig,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)


def test_request() -> None:
    topic = CreatableTopic(
        name="t",
        num_partitions=-1,
        replication_factor=-1,
        assignments=(CreatableReplicaAssignment(partition_index=0, broker_ids=(1, 2)),),
        configs=(CreatableTopicConfig(name="k", value=None),),
    )
    request = CreateTopicsRequest(topics=(topic,), timeout_ms=1000, validate_only=True)
    octets = """
        00000001 0001 74 ffffffff ffff 00000001 00000000 00000002 00000001 00000002 00000001 0001 6b ffff
        000003e8 01
    """
    assert b"".join(request.encode(2)) == bytes.fromhex(octets)
    octets = "02 0274 ffffffff ffff 02 00000000 03 00000001 00000002 00 02 026b 00 00 00 000003e8 01 00"
    assert b"".join(request.encode(7)) == bytes.fromhex(octets)
    assert CreateTopicsRequest.decode(bytes.fromhex(octets), 7) == request


def test_response() -> None:
    result = CreatableTopicResult(
        name="t",
        topic_id=(9).to_bytes(16),
        error_message=None,
        topic_config_error_code=29,
        num_partitions=3,
        replication_factor=1,
        configs=None,
    )
    octets = f"00000000 02 0274 {'00' * 15}09 0000 00 00000003 0001 00 01 00 02 001d 00"
    assert b"".join(CreateTopicsResponse(topics=[result]).encode(7)) == bytes.fromhex(octets)
    assert CreateTopicsResponse.decode(bytes.fromhex(octets), 7) == CreateTopicsResponse(topics=(result,))
