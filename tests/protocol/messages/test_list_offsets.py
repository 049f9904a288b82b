from __future__ import annotations

import pytest

from aioproducer.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
    ListOffsetsTopicResponse,
)


@pytest.mark.parametrize(
    ("version", "octets"),
    [
        (1, "ffffffff 00000001 0001 74 00000001 00000002 fffffffffffffffe"),
        (2, "ffffffff 00 00000001 0001 74 00000001 00000002 fffffffffffffffe"),
        (6, "ffffffff 00 02 0274 02 00000002 ffffffff fffffffffffffffe 00 00 00"),
        (10, "ffffffff 00 02 0274 02 00000002 ffffffff fffffffffffffffe 00 00 00000000 00"),
    ],
)
def test_asking_for_the_start(version: int, octets: str) -> None:
    partition = ListOffsetsPartition(partition_index=2, timestamp=-2)
    request = ListOffsetsRequest(replica_id=-1, topics=(ListOffsetsTopic(name="t", partitions=(partition,)),))
    assert b"".join(request.encode(version)) == bytes.fromhex(octets)
    assert ListOffsetsRequest.decode(bytes.fromhex(octets), version) == request


def test_response() -> None:
    octets = bytes.fromhex("00000000 02 0274 02 00000002 0000 ffffffffffffffff 0000000000000063 00000004 00 00 00")
    partition = ListOffsetsPartitionResponse(partition_index=2, offset=99, leader_epoch=4)
    topic = ListOffsetsTopicResponse(name="t", partitions=(partition,))
    assert ListOffsetsResponse.decode(octets, 7) == ListOffsetsResponse(topics=(topic,))
