from __future__ import annotations

import pytest

from aioproducer.protocol.messages.metadata import (
    NO_AUTHORIZED_OPERATIONS,
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)


@pytest.mark.parametrize(
    ("request_", "version", "octets"),
    [
        (MetadataRequest(topics=None), 1, "ffffffff"),
        (MetadataRequest(), 1, "00000000"),
        (MetadataRequest(topics=[MetadataRequestTopic(name="t")]), 4, "00000001 0001 74 01"),
        (MetadataRequest(topics=None), 9, "00 01 00 00 00"),
        (MetadataRequest(), 12, "01 01 00 00"),
        (MetadataRequest(topics=[MetadataRequestTopic(name="t")]), 12, f"02 {'00' * 16} 0274 00 01 00 00"),
        (
            MetadataRequest(topics=[MetadataRequestTopic(name=None, topic_id=(5).to_bytes(16))]),
            13,
            f"02 {'00' * 15}05 00 00 01 00 00",
        ),
    ],
)
def test_every_topic_no_topic_and_some(request_: MetadataRequest, version: int, octets: str) -> None:
    assert b"".join(request_.encode(version)) == bytes.fromhex(octets)
    assert MetadataRequest.decode(bytes.fromhex(octets), version).topics == (
        None if request_.topics is None else tuple(request_.topics)
    )


def test_response_of_an_old_broker() -> None:
    octets = """
        00000001 00000000 0002 6230 00002384 ffff
        00000000
        00000001 0000 0001 74 00
            00000001 0005 00000000 ffffffff 00000002 00000000 00000001 00000001 00000000
    """
    assert MetadataResponse.decode(bytes.fromhex(octets), 1) == MetadataResponse(
        brokers=(MetadataResponseBroker(node_id=0, host="b0", port=9092, rack=None),),
        controller_id=0,
        topics=(
            MetadataResponseTopic(
                name="t",
                partitions=(
                    MetadataResponsePartition(error_code=5, leader_id=-1, replica_nodes=(0, 1), isr_nodes=(0,)),
                ),
            ),
        ),
    )


def test_what_an_old_broker_does_not_tell() -> None:
    response = MetadataResponse.decode(bytes(4) + b"\xff\xff\xff\xff" + bytes(4), 1)
    assert response.cluster_id is None
    assert response.controller_id == -1
    assert response.cluster_authorized_operations == NO_AUTHORIZED_OPERATIONS
    assert response.error_code == 0
    assert MetadataResponsePartition().leader_epoch == -1


def test_rebootstrap_required() -> None:
    octets = bytes.fromhex("00000000 01 00 ffffffff 01 0081 00")
    assert MetadataResponse.decode(octets, 13) == MetadataResponse(error_code=129)
