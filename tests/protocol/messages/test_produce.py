"""Bytes worked out by hand; every version is held against a foreign judge in the folder above."""

from __future__ import annotations

import pytest

from aioproducer.protocol.messages.produce import (
    BatchIndexAndErrorMessage,
    LeaderIdAndEpoch,
    NodeEndpoint,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)

TOPIC_ID = bytes.fromhex("00112233445566778899aabbccddeeff")


@pytest.mark.parametrize(
    ("version", "octets"),
    [
        (3, "ffff ffff 00007530 00000001 0006 6f7264657273 00000001 00000003 00000004 64617461"),
        (9, "00 ffff 00007530 02 07 6f7264657273 02 00000003 05 64617461 00 00 00"),
        (13, "00 ffff 00007530 02 00112233445566778899aabbccddeeff 02 00000003 05 64617461 00 00 00"),
    ],
)
def test_request(version: int, octets: str) -> None:
    partition = PartitionProduceData(index=3, records=b"data")
    topic = TopicProduceData(name="orders", topic_id=TOPIC_ID, partition_data=[partition])
    request = ProduceRequest(acks=-1, timeout_ms=30000, topic_data=[topic])
    assert b"".join(request.encode(version)) == bytes.fromhex(octets)


def test_response_with_all_that_it_can_say() -> None:
    octets = """
        02 00112233445566778899aabbccddeeff
           02 00000003 0006 ffffffffffffffff ffffffffffffffff 0000000000000005
              02 00000001 04 626164 00
              04 776879
              01 00 09 00000002 00000008 00
           00
        00000064
        01 00 0e 02 00000002 03 6232 00002384 00 00
    """
    partition = PartitionProduceResponse(
        index=3,
        error_code=6,
        base_offset=-1,
        log_start_offset=5,
        record_errors=(BatchIndexAndErrorMessage(batch_index=1, batch_index_error_message="bad"),),
        error_message="why",
        current_leader=LeaderIdAndEpoch(leader_id=2, leader_epoch=8),
    )
    response = ProduceResponse(
        responses=(TopicProduceResponse(topic_id=TOPIC_ID, partition_responses=(partition,)),),
        throttle_time_ms=100,
        node_endpoints=(NodeEndpoint(node_id=2, host="b2", port=9092),),
    )
    assert ProduceResponse.decode(bytes.fromhex(octets), 13) == response
    assert b"".join(response.encode(13)) == bytes.fromhex(octets)


def test_a_new_leader_can_not_be_told_before_version_10() -> None:
    leader = LeaderIdAndEpoch(leader_id=2, leader_epoch=8)
    topic = TopicProduceResponse(name="t", partition_responses=[PartitionProduceResponse(current_leader=leader)])
    with pytest.raises(Exception, match="v9 has no field current_leader"):
        ProduceResponse(responses=[topic]).encode(9)
