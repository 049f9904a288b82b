from __future__ import annotations

import pytest

from aioproducer.protocol.messages.create_topics import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfig,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from aioproducer.testing import Code, EmbeddedCluster
from tests.testing.wire import RawClient, batch


async def create(
    client: RawClient, topic: CreatableTopic, version: int = 7, *, check: bool = False
) -> CreatableTopicResult:
    request = CreateTopicsRequest(topics=(topic,), validate_only=check)
    (result,) = (await client.ask(request, CreateTopicsResponse, version)).topics
    return result


@pytest.mark.parametrize("version", range(2, 8))
async def test_every_version_creates(cluster: EmbeddedCluster, client: RawClient, version: int) -> None:
    result = await create(client, CreatableTopic(name="n", num_partitions=4, replication_factor=2), version)
    assert (result.name, result.error_code, result.error_message) == ("n", 0, None)
    assert cluster.topics()["n"] == 4
    assert len(cluster.isr("n")) == 2
    again = await create(client, CreatableTopic(name="n", num_partitions=4, replication_factor=2), version)
    assert again.error_code == Code.TOPIC_ALREADY_EXISTS
    assert again.error_message


async def test_defaults_are_the_clusters(client: RawClient) -> None:
    result = await create(client, CreatableTopic(name="n", num_partitions=-1, replication_factor=-1))
    assert (result.num_partitions, result.replication_factor) == (1, 3)


async def test_settings_are_obeyed(cluster: EmbeddedCluster, client: RawClient) -> None:
    settings = (CreatableTopicConfig(name="max.message.bytes", value="10"),)
    topic = CreatableTopic(name="n", num_partitions=1, replication_factor=1, configs=settings)
    assert (await create(client, topic)).error_code == 0
    assert (await client.produce("n", batch())).error_code == Code.MESSAGE_TOO_LARGE


@pytest.mark.parametrize(
    ("topic", "code"),
    [
        (CreatableTopic(name="a b", num_partitions=1, replication_factor=1), Code.INVALID_TOPIC_EXCEPTION),
        (CreatableTopic(name="n", num_partitions=0, replication_factor=1), Code.INVALID_PARTITIONS),
        (CreatableTopic(name="n", num_partitions=1, replication_factor=9), Code.INVALID_REPLICATION_FACTOR),
        (
            CreatableTopic(
                name="n",
                num_partitions=1,
                replication_factor=1,
                configs=(CreatableTopicConfig(name="no.such", value="1"),),
            ),
            Code.INVALID_CONFIG,
        ),
        (
            CreatableTopic(
                name="n",
                num_partitions=1,
                replication_factor=1,
                assignments=(CreatableReplicaAssignment(partition_index=0, broker_ids=(1,)),),
            ),
            Code.INVALID_REQUEST,
        ),
    ],
)
async def test_what_is_refused(cluster: EmbeddedCluster, client: RawClient, topic: CreatableTopic, code: Code) -> None:
    assert (await create(client, topic)).error_code == code
    assert list(cluster.topics()) == ["t"]


async def test_replicas_may_be_assigned(cluster: EmbeddedCluster, client: RawClient) -> None:
    rows = (
        CreatableReplicaAssignment(partition_index=0, broker_ids=(3, 1)),
        CreatableReplicaAssignment(partition_index=1, broker_ids=(2, 3)),
    )
    await create(client, CreatableTopic(name="n", num_partitions=-1, replication_factor=-1, assignments=rows))
    assert [cluster.isr("n", p) for p in (0, 1)] == [(3, 1), (2, 3)]
    assert [cluster.leader("n", p) for p in (0, 1)] == [3, 2]


async def test_checking_creates_nothing(cluster: EmbeddedCluster, client: RawClient) -> None:
    topic = CreatableTopic(name="n", num_partitions=1, replication_factor=1)
    assert (await create(client, topic, check=True)).error_code == 0
    assert "n" not in cluster.topics()


async def test_ordered_errors_before_and_after(cluster: EmbeddedCluster, client: RawClient) -> None:
    cluster.fail("create_topics", 44, message="no")
    cluster.fail("create_topics", 7, after_append=True)
    topic = CreatableTopic(name="n", num_partitions=1, replication_factor=1)
    first = await create(client, topic)
    assert (first.error_code, first.error_message, "n" in cluster.topics()) == (44, "no", False)
    second = await create(client, topic)
    assert (second.error_code, "n" in cluster.topics()) == (7, True)
