from __future__ import annotations

from aioproducer.protocol.messages.fetch import (
    FetchableTopicResponse,
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    PartitionData,
)


def test_requests_of_consumers() -> None:
    partition = FetchPartition(partition=1, fetch_offset=5, partition_max_bytes=1024)
    octets = """
        ffffffff 000001f4 00000001 00001000 01
        00000001 0001 74 00000001 00000001 0000000000000005 00000400
    """
    request = FetchRequest(
        max_wait_ms=500,
        min_bytes=1,
        max_bytes=4096,
        isolation_level=1,
        topics=(FetchTopic(topic="t", partitions=(partition,)),),
    )
    assert FetchRequest.decode(bytes.fromhex(octets), 4) == request
    octets = f"""
        000001f4 00000001 00001000 01 00000000 ffffffff
        02 {"00" * 15}07 02 00000001 ffffffff 0000000000000005 ffffffff ffffffffffffffff 00000400 00 00
        01 01 00
    """
    decoded = FetchRequest.decode(bytes.fromhex(octets), 16)
    assert decoded.topics == (FetchTopic(topic_id=(7).to_bytes(16), partitions=(partition,)),)


def test_records_of_a_response_are_not_copied() -> None:
    first, second = b"batch-1", b"batch-2"
    partition = PartitionData(partition_index=1, high_watermark=9, records=[first, second], aborted_transactions=None)
    response = FetchResponse(responses=[FetchableTopicResponse(topic="t", partitions=[partition])])
    chunks = response.encode(4)
    assert chunks[1] is first
    assert chunks[2] is second
    octets = """
        00000000 00000001 0001 74 00000001
        00000001 0000 0000000000000009 ffffffffffffffff ffffffff 0000000e
    """
    assert b"".join(chunks) == bytes.fromhex(octets) + first + second
    assert FetchResponse.decode(b"".join(chunks), 4).responses[0].partitions[0].records == first + second
