"""Batches to requests and back: which version, how topics are named, and whose answer is whose."""

from __future__ import annotations

import pytest

from aioproducer.errors import UnsupportedVersionError
from aioproducer.models import Acks
from aioproducer.protocol.messages.api_versions import ApiVersion, ApiVersionsResponse
from aioproducer.protocol.messages.produce import (
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceResponse,
)
from aioproducer.protocol.primitives import ZERO_UUID
from aioproducer.protocol.versions import BrokerVersions
from aioproducer.sending.produce import build_request, pick_version, prepare, read_response, topic_ids
from tests.sending.bench import Bench

ID = (5).to_bytes(16)
OTHER = (6).to_bytes(16)


def broker(newest: int, oldest: int = 0) -> BrokerVersions:
    return BrokerVersions(
        ApiVersionsResponse(api_keys=(ApiVersion(api_key=0, min_version=oldest, max_version=newest),))
    )


@pytest.mark.parametrize(("newest", "version"), [(13, 13), (99, 13), (12, 12), (9, 9), (3, 3)])
def test_the_newest_version_in_common(newest: int, version: int) -> None:
    assert pick_version(broker(newest), {"t": ID}, "none") == version


def test_names_instead_of_ids_while_one_id_is_not_known() -> None:
    assert pick_version(broker(13), {"t": ID, "new": ZERO_UUID}, "none") == 12


def test_without_a_version_in_common_the_error_says_so() -> None:
    with pytest.raises(UnsupportedVersionError, match="Produce"):
        pick_version(broker(2), {"t": ID}, "none")


def test_zstd_needs_version_7() -> None:
    assert pick_version(broker(7), {"t": ID}, "zstd") == 7
    with pytest.raises(UnsupportedVersionError, match="use 'lz4'"):
        pick_version(broker(6), {"t": ID}, "zstd")
    assert pick_version(broker(6), {"t": ID}, "lz4") == 6


@pytest.mark.parametrize(("acks", "wire"), [(Acks.NONE, 0), (Acks.LEADER, 1), (Acks.ALL, -1)])
def test_a_request_groups_by_topic_and_passes_the_bytes_through(acks: Acks, wire: int) -> None:
    bench = Bench()
    batches = [bench.batch(bench.queue(partition, topic=topic)) for topic, partition in (("a", 0), ("b", 0), ("a", 1))]
    assert bench.write() == batches
    ids = topic_ids(batches, lambda name: {"a": ID, "b": OTHER}[name])
    request = build_request(batches, ids, acks=acks, timeout_ms=1234)
    assert (request.acks, request.timeout_ms, request.transactional_id) == (wire, 1234, None)
    shape = [
        (topic.name, topic.topic_id, [data.index for data in topic.partition_data]) for topic in request.topic_data
    ]
    assert shape == [("a", ID, [0, 1]), ("b", OTHER, [0])]
    records = request.topic_data[0].partition_data[1].records
    assert isinstance(records, tuple)
    assert records[1] is batches[2].records
    frame = b"".join(request.encode(12))
    assert ProduceRequest.decode(frame, 12).topic_data[1].name == "b"


def test_answers_are_found_by_name_and_by_id() -> None:
    partitions = (PartitionProduceResponse(index=3, error_code=6),)
    by_name = ProduceResponse(responses=(TopicProduceResponse(name="a", partition_responses=partitions),))
    by_id = ProduceResponse(responses=(TopicProduceResponse(topic_id=ID, partition_responses=partitions),))
    for response in (by_name, by_id):
        assert read_response(response, {"a": ID, "b": ZERO_UUID}) == {("a", 3): partitions[0]}


def test_an_id_that_was_not_asked_about_is_nobodys() -> None:
    partitions = (PartitionProduceResponse(index=3),)
    response = ProduceResponse(responses=(TopicProduceResponse(topic_id=OTHER, partition_responses=partitions),))
    assert ("a", 3) not in read_response(response, {"a": ID})


def test_preparing_compiles_what_the_first_send_needs() -> None:
    prepare()
    prepare()
    assert ProduceRequest(acks=1).encode(13)
