from __future__ import annotations

import asyncio

import pytest

from aioproducer.protocol.messages.fetch import (
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    PartitionData,
)
from aioproducer.protocol.messages.metadata import MetadataRequest, MetadataResponse
from aioproducer.testing import Code, EmbeddedCluster
from aioproducer.testing.reader import checksum, read_header
from tests.testing.wire import RawClient, batch


def fetching(
    offset: int = 0,
    *,
    partition: int = 0,
    topic: str = "t",
    topic_id: bytes | None = None,
    epoch: int = -1,
    wait_ms: int = 0,
    limit: int = 10**6,
    session: tuple[int, int] = (0, -1),
) -> FetchRequest:
    row = FetchPartition(
        partition=partition, fetch_offset=offset, current_leader_epoch=epoch, partition_max_bytes=limit
    )
    entry = (
        FetchTopic(topic=topic, partitions=(row,))
        if topic_id is None
        else FetchTopic(topic_id=topic_id, partitions=(row,))
    )
    return FetchRequest(
        max_wait_ms=wait_ms, min_bytes=1, topics=(entry,), session_id=session[0], session_epoch=session[1]
    )


async def fetch(client: RawClient, request: FetchRequest, version: int = 12) -> PartitionData:
    response = await client.ask(request, FetchResponse, version)
    return response.responses[0].partitions[0]


def stored(answer: PartitionData) -> bytes:
    assert isinstance(answer.records, bytes)
    return answer.records


@pytest.mark.parametrize("version", range(4, 13))
async def test_every_version_gives_the_stored_bytes(client: RawClient, version: int) -> None:
    await client.produce("t", batch(b"a"))
    data = batch(b"b", b"c")
    await client.produce("t", data)
    answer = await fetch(client, fetching(1), version)
    header = read_header(stored(answer))
    assert (answer.error_code, answer.high_watermark, answer.last_stable_offset) == (0, 3, 3)
    assert (header.base_offset, header.leader_epoch, header.crc) == (1, 0, checksum(data))
    assert stored(answer)[16:] == data[16:]


@pytest.mark.parametrize("version", [13, 17, 18])
async def test_later_versions_name_topics_by_id(client: RawClient, version: int) -> None:
    await client.produce("t", batch())
    metadata = await client.ask(MetadataRequest(topics=None), MetadataResponse, 12)
    assert stored(await fetch(client, fetching(topic_id=metadata.topics[0].topic_id), version))
    unknown = await fetch(client, fetching(topic_id=(3).to_bytes(16)), version)
    assert unknown.error_code == Code.UNKNOWN_TOPIC_ID


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (fetching(2), Code.OFFSET_OUT_OF_RANGE),
        (fetching(-1), Code.OFFSET_OUT_OF_RANGE),
        (fetching(partition=1), Code.NOT_LEADER_OR_FOLLOWER),
        (fetching(partition=9), Code.UNKNOWN_TOPIC_OR_PARTITION),
        (fetching(topic="u"), Code.UNKNOWN_TOPIC_OR_PARTITION),
        (fetching(epoch=7), Code.UNKNOWN_LEADER_EPOCH),
    ],
)
async def test_errors_do_not_wait(client: RawClient, request_: FetchRequest, code: Code) -> None:
    await client.produce("t", batch())
    assert (await fetch(client, request_)).error_code == code


async def test_an_old_leader_epoch_is_fenced_and_told_the_new_one(cluster: EmbeddedCluster, client: RawClient) -> None:
    cluster.move_leader("t", 0, to=2)
    cluster.move_leader("t", 0, to=1)
    answer = await fetch(client, fetching(epoch=0))
    assert answer.error_code == Code.FENCED_LEADER_EPOCH
    assert (answer.current_leader.leader_id, answer.current_leader.leader_epoch) == (1, 2)


async def test_a_reader_waits_for_records(cluster: EmbeddedCluster, client: RawClient) -> None:
    client.send(fetching(wait_ms=5000), 12)
    async with await RawClient.connect(cluster) as writer:
        await asyncio.sleep(0.01)
        await writer.produce("t", batch())
    response = await client.receive(FetchRequest, FetchResponse, 12)
    assert stored(response.responses[0].partitions[0])


async def test_a_reader_does_not_wait_for_ever(client: RawClient) -> None:
    answer = await fetch(client, fetching(wait_ms=20))
    assert (answer.error_code, stored(answer)) == (0, b"")


async def test_readers_do_not_see_what_is_not_replicated(cluster: EmbeddedCluster, client: RawClient) -> None:
    cluster.hold_replication("t", 0)
    await client.produce("t", batch(), acks=1)
    answer = await fetch(client, fetching())
    assert (answer.high_watermark, stored(answer)) == (0, b"")


async def test_limits_are_kept_but_for_the_first_batch(client: RawClient) -> None:
    for _ in range(3):
        await client.produce("t", batch())
    size = len(batch())
    assert len(stored(await fetch(client, fetching(limit=1)))) == size
    assert len(stored(await fetch(client, fetching(limit=2 * size)))) == 2 * size


async def test_there_are_no_sessions(client: RawClient) -> None:
    response = await client.ask(fetching(session=(5, 1)), FetchResponse, 12)
    assert response.error_code == Code.FETCH_SESSION_ID_NOT_FOUND
    assert (await client.ask(fetching(session=(0, 0)), FetchResponse, 12)).session_id == 0


async def test_ordered_errors(cluster: EmbeddedCluster, client: RawClient) -> None:
    cluster.fail("fetch", 56)
    assert (await fetch(client, fetching(wait_ms=5000))).error_code == 56
