"""Fetch (1): stored batches as they are, from an offset on; waits for `min_bytes` up to `max_wait_ms`.

Versions 4 to 18, without fetch sessions: every answer says that there is none, which clients take as "ask in full".
Followers do not come here, they copy inside of the cluster.
"""

from __future__ import annotations

from collections.abc import Sequence

from aioproducer.protocol.messages.fetch import (
    FetchableTopicResponse,
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    LeaderIdAndEpoch,
    NodeEndpoint,
    PartitionData,
)
from aioproducer.testing.codes import Code
from aioproducer.testing.faults import Subject
from aioproducer.testing.handlers.base import Call, Outcome, Wait, check_epoch, handler
from aioproducer.testing.state import NO_LEADER, ClusterState

FIRST_VERSION_WITH_LEADER = 12
FIRST_VERSION_WITH_ENDPOINTS = 16


def handle(request: FetchRequest, call: Call) -> Outcome:
    if request.session_id != 0 and request.session_epoch != -1:
        return FetchResponse(error_code=Code.FETCH_SESSION_ID_NOT_FOUND)

    def attempt(last: bool) -> FetchResponse | None:
        response, size, failed = _read(request, call)
        return response if last or failed or size >= request.min_bytes else None

    return attempt(request.max_wait_ms <= 0) or Wait(request.max_wait_ms / 1000, attempt)


def _read(request: FetchRequest, call: Call) -> tuple[FetchResponse, int, bool]:
    """The answer as of now, the bytes of records in it, and whether a partition has an error."""
    left = request.max_bytes
    size = 0
    failed = False
    leaders: set[int] = set()
    topics = []
    for topic in request.topics:
        name = _name(topic, call.state)
        answers = []
        for wanted in topic.partitions:
            answer = _partition(name, wanted, left, call, leaders)
            length = sum(map(len, answer.records or ()))  # type: ignore[arg-type]  # `_partition` makes it of chunks
            left -= length
            size += length
            failed = failed or answer.error_code != Code.NONE
            answers.append(answer)
        topics.append(FetchableTopicResponse(topic=topic.topic, topic_id=topic.topic_id, partitions=tuple(answers)))
    nodes = [call.state.brokers[leader] for leader in sorted(leaders)]
    endpoints: Sequence[NodeEndpoint] = ()
    if call.version >= FIRST_VERSION_WITH_ENDPOINTS:
        endpoints = tuple(NodeEndpoint(node_id=n.node_id, host=n.host, port=n.port, rack=n.rack) for n in nodes)
    return FetchResponse(responses=tuple(topics), node_endpoints=endpoints), size, failed


def _partition(name: str | None, wanted: FetchPartition, left: int, call: Call, leaders: set[int]) -> PartitionData:
    index = wanted.partition
    if name is None:
        return _error(index, Code.UNKNOWN_TOPIC_ID)
    ordered = call.refused(name, index) or call.spoilt(name, index)
    if ordered:
        return _error(index, ordered)
    partition, code = call.led(name, index)
    if partition is None:
        return _error(index, code)
    if code is Code.NONE:
        code = check_epoch(partition, wanted.current_leader_epoch)
    log = partition.log
    if code is not Code.NONE:
        hint = LeaderIdAndEpoch()
        if call.version >= FIRST_VERSION_WITH_LEADER and partition.leader != NO_LEADER:
            hint = LeaderIdAndEpoch(leader_id=partition.leader, leader_epoch=partition.leader_epoch)
            leaders.add(partition.leader)
        return PartitionData(partition_index=index, error_code=code, high_watermark=-1, current_leader=hint, records=())
    if not log.start_offset <= wanted.fetch_offset <= log.end_offset:
        return _error(index, Code.OFFSET_OUT_OF_RANGE)
    # At least one batch, until the whole answer is full: a reader with small limits still gets on.
    records = log.read(wanted.fetch_offset, min(wanted.partition_max_bytes, left)) if left > 0 else []
    return PartitionData(
        partition_index=index,
        high_watermark=log.high_watermark,
        last_stable_offset=log.high_watermark,
        log_start_offset=log.start_offset,
        aborted_transactions=None,
        records=records,
    )


def _error(index: int, code: int) -> PartitionData:
    return PartitionData(partition_index=index, error_code=code, high_watermark=-1, records=())


def _name(topic: FetchTopic, state: ClusterState) -> str | None:
    if topic.topic:
        return topic.topic
    found = state.topic_by_id(topic.topic_id)
    return found.name if found else None


def subjects(request: FetchRequest, state: ClusterState) -> list[Subject]:
    return [
        (_name(topic, state) or topic.topic_id.hex(), wanted.partition)
        for topic in request.topics
        for wanted in topic.partitions
    ]


FETCH = handler(FetchRequest, handle, subjects)
