from __future__ import annotations

import asyncio

import pytest

from aioproducer.protocol.messages.metadata import MetadataRequest, MetadataResponse
from aioproducer.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from aioproducer.protocol.structs import replaced
from aioproducer.testing import Code, EmbeddedCluster
from tests.testing.conftest import Connect
from tests.testing.wire import NOW_MS, RawClient, batch, only, produce, record


@pytest.mark.parametrize("version", range(3, 13))
async def test_every_version_with_names_appends(cluster: EmbeddedCluster, client: RawClient, version: int) -> None:
    answer = await client.produce("t", batch(b"a", b"b"), version)
    assert (answer.error_code, answer.base_offset, answer.log_append_time_ms) == (0, 0, -1)
    answer = await client.produce("t", batch(b"c"), version)
    assert answer.base_offset == 2
    assert answer.log_start_offset == (0 if version >= 5 else -1)
    assert [(r.offset, r.value) for r in cluster.records("t", 0)] == [(0, b"a"), (1, b"b"), (2, b"c")]


async def test_version_13_names_topics_by_id(cluster: EmbeddedCluster, client: RawClient) -> None:
    metadata = await client.ask(MetadataRequest(topics=None), MetadataResponse, 12)
    (topic,) = metadata.topics
    rows = (PartitionProduceData(index=0, records=batch()),)

    async def ask(topic_id: bytes) -> int:
        request = ProduceRequest(
            acks=-1, timeout_ms=1000, topic_data=(TopicProduceData(topic_id=topic_id, partition_data=rows),)
        )
        response = await client.ask(request, ProduceResponse, 13)
        assert response.responses[0].topic_id == topic_id
        return only(response).error_code

    assert await ask(topic.topic_id) == 0
    assert await ask((5).to_bytes(16)) == Code.UNKNOWN_TOPIC_ID
    cluster.delete_topic("t")
    cluster.create_topic("t")
    assert await ask(topic.topic_id) == Code.UNKNOWN_TOPIC_ID


async def appended(cluster: EmbeddedCluster, topic: str) -> None:
    async with asyncio.timeout(5):
        # The cluster runs on this loop: it gets on at each turn.
        while not cluster.end_offset(topic):  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_each_partition_is_answered_for_itself(cluster: EmbeddedCluster, client: RawClient) -> None:
    request = produce(("t", 0, batch()), ("t", 1, batch()), ("t", 9, batch()), ("u", 0, batch()), ("t", 0, b""))
    response = await client.ask(request, ProduceResponse, 9)
    codes = [topic.partition_responses[0].error_code for topic in response.responses]
    assert codes == [
        0,
        Code.NOT_LEADER_OR_FOLLOWER,
        Code.UNKNOWN_TOPIC_OR_PARTITION,
        Code.UNKNOWN_TOPIC_OR_PARTITION,
        Code.INVALID_RECORD,
    ]
    assert len(cluster.records("t")) == 1


async def test_the_leader_is_named_from_version_10_on(cluster: EmbeddedCluster, client: RawClient) -> None:
    cluster.move_leader("t", 0, to=3)
    for version in (9, 10):
        response = await client.ask(produce(("t", 0, batch())), ProduceResponse, version)
        assert only(response).error_code == Code.NOT_LEADER_OR_FOLLOWER
        if version == 9:
            assert only(response).current_leader.leader_id == -1
            continue
        assert (only(response).current_leader.leader_id, only(response).current_leader.leader_epoch) == (3, 1)
        (node,) = response.node_endpoints
        assert (node.node_id, node.host, node.port) == (3, *cluster.address(3))


async def test_acks_0_is_not_answered(cluster: EmbeddedCluster, client: RawClient) -> None:
    client.send(produce(("t", 0, batch()), acks=0), 9, answered=False)
    answer = await client.ask(MetadataRequest(topics=()), MetadataResponse, 9)
    assert answer.brokers
    assert len(cluster.records("t")) == 1


async def test_an_error_with_acks_0_closes_the_connection(cluster: EmbeddedCluster, client: RawClient) -> None:
    client.send(produce(("t", 1, batch()), acks=0), 9, answered=False)
    assert await client.rest() == b""


async def test_other_acks_are_refused(client: RawClient) -> None:
    assert (await client.produce("t", batch(), acks=2)).error_code == Code.INVALID_REQUIRED_ACKS


async def test_too_few_in_sync_replicas_refuse_acks_all_alone(cluster: EmbeddedCluster, client: RawClient) -> None:
    cluster.create_topic("m", min_insync_replicas=2)
    cluster.set_isr("m", 0, [1])
    refused = await client.produce("m", batch())
    assert (refused.error_code, refused.base_offset) == (Code.NOT_ENOUGH_REPLICAS, -1)
    assert cluster.records("m") == []
    assert (await client.produce("m", batch(), acks=1)).error_code == 0
    cluster.set_isr("m", 0, None)
    assert (await client.produce("m", batch())).base_offset == 1


async def test_no_topic_needs_more_replicas_than_it_has(cluster: EmbeddedCluster, client: RawClient) -> None:
    cluster.create_topic("m", replication_factor=1, min_insync_replicas=2)
    assert (await client.produce("m", batch())).error_code == 0


async def test_acks_all_waits_for_followers(cluster: EmbeddedCluster, client: RawClient) -> None:
    cluster.hold_replication("t", 0)
    client.send(produce(("t", 0, batch())), 9)
    other = await RawClient.connect(cluster)
    async with other:
        assert (await other.produce("t", batch(), acks=1)).base_offset == 1
    assert (cluster.end_offset("t"), cluster.high_watermark("t")) == (2, 0)
    cluster.resume_replication("t", 0)
    assert only(await client.receive(ProduceRequest, ProduceResponse, 9)).base_offset == 0
    assert cluster.high_watermark("t") == 2


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ("isr", Code.NOT_ENOUGH_REPLICAS_AFTER_APPEND),
        ("leader", Code.NOT_LEADER_OR_FOLLOWER),
        ("deleted", Code.UNKNOWN_TOPIC_OR_PARTITION),
        ("nothing", Code.REQUEST_TIMED_OUT),
    ],
)
async def test_how_the_wait_for_followers_ends(
    cluster: EmbeddedCluster, client: RawClient, event: str, code: Code
) -> None:
    cluster.create_topic("m", min_insync_replicas=2)
    cluster.hold_replication("m", 0)
    client.send(produce(("m", 0, batch()), timeout_ms=30 if event == "nothing" else 5000), 9)
    await appended(cluster, "m")
    if event == "isr":
        cluster.set_isr("m", 0, [1])
    elif event == "leader":
        cluster.move_leader("m", 0)
        assert cluster.end_offset("m") == 0
    elif event == "deleted":
        cluster.delete_topic("m")
    assert only(await client.receive(ProduceRequest, ProduceResponse, 9)).error_code == code


async def test_a_duplicate_is_answered_with_the_originals_offset(cluster: EmbeddedCluster, client: RawClient) -> None:
    data = batch(b"a", b"b", producer=(7, 0, 0))
    assert (await client.produce("t", data)).base_offset == 0
    await client.produce("t", batch(producer=(7, 0, 2)))
    again = await client.produce("t", data)
    assert (again.error_code, again.base_offset, again.log_append_time_ms) == (0, 0, NOW_MS)
    assert cluster.end_offset("t") == 3
    assert [r.sequence for r in cluster.records("t")] == [0, 1, 2]


@pytest.mark.parametrize(
    ("producer", "code"),
    [((7, 0, 2), Code.OUT_OF_ORDER_SEQUENCE_NUMBER), ((7, 2, 1), Code.OUT_OF_ORDER_SEQUENCE_NUMBER)],
)
async def test_sequences_are_checked(client: RawClient, producer: tuple[int, int, int], code: Code) -> None:
    await client.produce("t", batch(producer=(7, 0, 0)))
    refused = await client.produce("t", batch(producer=producer))
    assert (refused.error_code, refused.base_offset, refused.log_start_offset) == (code, -1, 0)


async def test_an_old_epoch_is_refused(client: RawClient) -> None:
    await client.produce("t", batch(producer=(7, 1, 0)))
    assert (await client.produce("t", batch(producer=(7, 0, 1)))).error_code == Code.INVALID_PRODUCER_EPOCH


async def test_the_leader_stamps_where_the_topic_says_so(cluster: EmbeddedCluster, client: RawClient) -> None:
    cluster.create_topic("l", message_timestamp_type="LogAppendTime")
    answer = await client.produce("l", batch(b"a", b"b", base_timestamp=5))
    assert answer.log_append_time_ms == NOW_MS
    assert [r.timestamp_ms for r in cluster.records("l")] == [NOW_MS, NOW_MS]


async def test_records_at_fault_are_listed(cluster: EmbeddedCluster, client: RawClient) -> None:
    cluster.create_topic("c", cleanup_policy="compact")
    section = record(0, key=b"k") + record(1)
    answer = await client.produce("c", batch(section=section, count=2), 8)
    assert answer.error_code == Code.INVALID_RECORD
    assert [e.batch_index for e in answer.record_errors] == [1]
    assert answer.error_message
    assert cluster.records("c") == []


async def test_ordered_errors_before_and_after(cluster: EmbeddedCluster, client: RawClient) -> None:
    cluster.fail("produce", Code.NOT_LEADER_OR_FOLLOWER, message="gone")
    cluster.fail("produce", "REQUEST_TIMED_OUT", after_append=True)
    first = await client.produce("t", batch())
    assert (first.error_code, first.error_message) == (6, "gone")
    assert first.current_leader.leader_id == 1
    second = await client.produce("t", batch())
    assert (second.error_code, second.base_offset) == (7, -1)
    assert cluster.end_offset("t") == 1


async def test_an_ordered_error_hits_its_partition_alone(cluster: EmbeddedCluster, connect: Connect) -> None:
    cluster.create_topic("two", partitions=2, replication_factor=1)
    cluster.move_leader("t", 1, to=1)
    client = await connect(1)
    cluster.fail("produce", 56, partition=("t", 1))
    response = await client.ask(produce(("t", 0, batch()), ("t", 1, batch())), ProduceResponse, 9)
    assert [topic.partition_responses[0].error_code for topic in response.responses] == [0, 56]


async def test_a_real_error_goes_before_one_ordered_after_the_append(
    cluster: EmbeddedCluster, client: RawClient
) -> None:
    cluster.fail("produce", 7, after_append=True)
    assert (await client.produce("t", batch(crc=0))).error_code == Code.CORRUPT_MESSAGE


async def test_requests_keep_their_order_on_a_connection(cluster: EmbeddedCluster, client: RawClient) -> None:
    for sequence in range(20):
        client.send(produce(("t", 0, batch(b"%d" % sequence, producer=(7, 0, sequence)))), 9)
    offsets = [only(await client.receive(ProduceRequest, ProduceResponse, 9)).base_offset for _ in range(20)]
    assert offsets == list(range(20))


async def test_records_of_null_are_refused(client: RawClient) -> None:
    request = produce(("t", 0, b""))
    rows = (replaced(request.topic_data[0].partition_data[0], records=None),)
    request = replaced(request, topic_data=(replaced(request.topic_data[0], partition_data=rows),))
    assert only(await client.ask(request, ProduceResponse, 9)).error_code == Code.INVALID_RECORD
