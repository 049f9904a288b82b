from __future__ import annotations

import pytest

from aioproducer.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)
from aioproducer.testing import Code, EmbeddedCluster
from tests.testing.wire import NOW_MS, RawClient, batch


async def ask(
    client: RawClient, timestamp: int, version: int = 7, *, partition: int = 0, epoch: int = -1
) -> ListOffsetsPartitionResponse:
    row = ListOffsetsPartition(partition_index=partition, timestamp=timestamp, current_leader_epoch=epoch)
    request = ListOffsetsRequest(replica_id=-1, topics=(ListOffsetsTopic(name="t", partitions=(row,)),))
    return (await client.ask(request, ListOffsetsResponse, version)).topics[0].partitions[0]


@pytest.mark.parametrize("version", range(1, 12))
async def test_every_version_knows_both_ends(cluster: EmbeddedCluster, client: RawClient, version: int) -> None:
    await client.produce("t", batch(b"a", b"b"))
    cluster.delete_records("t", 0, 1)
    assert [(await ask(client, t, version)).offset for t in (-2, -1)] == [1, 2]


async def test_offsets_by_time(client: RawClient) -> None:
    for step in (0, 5, 3):
        await client.produce("t", batch(base_timestamp=NOW_MS + step))
    answers = [await ask(client, t) for t in (0, NOW_MS + 1, NOW_MS + 6, -3, -9)]
    assert [(a.offset, a.timestamp) for a in answers] == [
        (0, NOW_MS),
        (1, NOW_MS + 5),
        (-1, -1),
        (1, NOW_MS + 5),
        (-1, -1),
    ]


async def test_errors(cluster: EmbeddedCluster, client: RawClient) -> None:
    assert (await ask(client, -1, partition=1)).error_code == Code.NOT_LEADER_OR_FOLLOWER
    assert (await ask(client, -1, partition=7)).error_code == Code.UNKNOWN_TOPIC_OR_PARTITION
    assert (await ask(client, -1, epoch=4)).error_code == Code.UNKNOWN_LEADER_EPOCH
    cluster.fail("list_offsets", 5)
    assert (await ask(client, -1)).error_code == 5
