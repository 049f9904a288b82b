from __future__ import annotations

import pytest

from aioproducer.protocol.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseTopic,
)
from aioproducer.testing import Code, EmbeddedCluster
from tests.testing.wire import NOW, RawClient


def asking(*names: str, create: bool = True) -> MetadataRequest:
    topics = tuple(MetadataRequestTopic(name=name) for name in names)
    return MetadataRequest(topics=topics, allow_auto_topic_creation=create)


async def topic(client: RawClient, name: str, version: int = 12, *, create: bool = True) -> MetadataResponseTopic:
    (answer,) = (await client.ask(asking(name, create=create), MetadataResponse, version)).topics
    return answer


@pytest.mark.parametrize("version", range(4, 14))
async def test_every_version_describes_the_cluster(cluster: EmbeddedCluster, client: RawClient, version: int) -> None:
    answer = await client.ask(asking("t"), MetadataResponse, version)
    assert [(b.node_id, b.host, b.port) for b in answer.brokers] == [(n, *cluster.address(n)) for n in (1, 2, 3)]
    assert (answer.cluster_id, answer.controller_id) == (cluster.cluster_id, 1)
    (described,) = answer.topics
    assert [(p.partition_index, p.leader_id) for p in described.partitions] == [(0, 1), (1, 2), (2, 3)]
    assert [p.replica_nodes for p in described.partitions] == [(1, 2, 3), (2, 3, 1), (3, 1, 2)]
    assert any(described.topic_id) is (version >= 10)


async def test_null_is_all_topics_and_empty_is_none(cluster: EmbeddedCluster, client: RawClient) -> None:
    cluster.create_topic("u")
    everything = await client.ask(MetadataRequest(topics=None), MetadataResponse, 9)
    assert sorted(t.name or "" for t in everything.topics) == ["t", "u"]
    assert (await client.ask(asking(), MetadataResponse, 9)).topics == ()


async def test_a_topic_that_is_asked_for_is_made_and_seen_at_the_second_look(
    cluster: EmbeddedCluster, client: RawClient
) -> None:
    assert (await topic(client, "new")).error_code == Code.UNKNOWN_TOPIC_OR_PARTITION
    found = await topic(client, "new")
    assert (found.error_code, len(found.partitions), len(found.partitions[0].replica_nodes)) == (0, 1, 3)


async def test_with_zookeeper_the_first_look_says_that_there_is_no_leader() -> None:
    async with EmbeddedCluster(release="2.8", num_partitions=2) as old, await RawClient.connect(old) as client:
        assert (await topic(client, "new", 9)).error_code == Code.LEADER_NOT_AVAILABLE
        assert len((await topic(client, "new", 9)).partitions) == 2


async def test_topics_are_made_only_if_both_sides_want_it(cluster: EmbeddedCluster, client: RawClient) -> None:
    for _ in range(2):
        assert (await topic(client, "x", create=False)).error_code == Code.UNKNOWN_TOPIC_OR_PARTITION
    async with EmbeddedCluster(auto_create_topics=False) as strict, await RawClient.connect(strict) as other:
        for _ in range(2):
            assert (await topic(other, "x")).error_code == Code.UNKNOWN_TOPIC_OR_PARTITION


async def test_topics_with_errors_come_first(client: RawClient) -> None:
    answer = await client.ask(asking("t", "a b", create=False), MetadataResponse, 9)
    assert [t.name for t in answer.topics] == ["a b", "t"]


@pytest.mark.parametrize("create", [True, False])
async def test_illegal_names_are_refused(client: RawClient, create: bool) -> None:
    assert (await topic(client, "a b", create=create)).error_code == Code.INVALID_TOPIC_EXCEPTION


async def test_topics_are_found_by_id(client: RawClient) -> None:
    topic_id = (await topic(client, "t")).topic_id
    for wanted, expected in ((topic_id, (0, "t")), ((9).to_bytes(16), (Code.UNKNOWN_TOPIC_ID, None))):
        request = MetadataRequest(topics=(MetadataRequestTopic(topic_id=wanted, name=None),))
        (answer,) = (await client.ask(request, MetadataResponse, 12)).topics
        assert (answer.error_code, answer.name) == expected


async def test_a_partition_without_leader_says_so(cluster: EmbeddedCluster, client: RawClient) -> None:
    cluster.create_topic("one", partitions=3, replication_factor=1)
    await cluster.stop_broker(3)
    answer = await client.ask(asking("one"), MetadataResponse, 9)
    assert [b.node_id for b in answer.brokers] == [1, 2]
    partition = answer.topics[0].partitions[2]
    assert (partition.error_code, partition.leader_id) == (Code.LEADER_NOT_AVAILABLE, -1)
    assert (partition.offline_replicas, partition.isr_nodes) == ((3,), (3,))


async def test_a_crash_that_nobody_has_noticed_is_not_in_the_metadata(
    cluster: EmbeddedCluster, client: RawClient
) -> None:
    await cluster.stop_broker(2, fail_over=False)
    answer = await client.ask(asking("t"), MetadataResponse, 9)
    assert (len(answer.brokers), answer.topics[0].partitions[1].leader_id) == (3, 2)
    cluster.fail_over(2)
    answer = await client.ask(asking("t"), MetadataResponse, 9)
    moved = answer.topics[0].partitions[1]
    assert (len(answer.brokers), moved.leader_id, moved.leader_epoch, moved.isr_nodes) == (2, 3, 1, (3, 1))


async def test_ordered_errors_go_where_they_belong(cluster: EmbeddedCluster, client: RawClient) -> None:
    cluster.fail("metadata", Code.LEADER_NOT_AVAILABLE, partition=("t", 1))
    partitions = (await topic(client, "t")).partitions
    assert [(p.error_code, p.leader_id) for p in partitions] == [(0, 1), (5, -1), (0, 3)]
    cluster.fail("metadata", 29, partition="t")
    assert ((answer := await topic(client, "t")).error_code, answer.partitions) == (29, ())
    cluster.fail("metadata", 29)
    assert (await topic(client, "unknown")).error_code == 29
    assert "unknown" not in cluster.topics()
    assert (await topic(client, "t")).error_code == 0


async def test_rebootstrapping_is_asked_for_at_the_top(cluster: EmbeddedCluster, client: RawClient) -> None:
    cluster.fail("metadata", 129)
    answer = await client.ask(asking("t"), MetadataResponse, 13)
    assert (answer.error_code, answer.topics[0].error_code, answer.topics[0].partitions[0].error_code) == (129, 0, 0)


async def test_racks_are_named() -> None:
    async with (
        EmbeddedCluster(2, racks=["a", "b"], clock=lambda: NOW) as racked,
        await RawClient.connect(racked) as client,
    ):
        answer = await client.ask(asking(), MetadataResponse, 9)
        assert [b.rack for b in answer.brokers] == ["a", "b"]
