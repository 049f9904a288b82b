"""Produce (0): checks each batch, appends it, and answers when the replicas have what `acks` asks for.

Versions 3 to 13. Rules:

1. acks=0 gets no answer. If anything went wrong the connection is closed, for there is no other way to tell.
2. acks=all is refused while fewer replicas than `min.insync.replicas` are in sync, before anything is appended; if they
   become too few while it waits for followers, the batch is in the log and the answer says so.
3. From version 10 an answer that says NOT_LEADER_OR_FOLLOWER names the leader, and its address (KIP-951).
4. Version 13 names topics by id, and an id that nobody knows is UNKNOWN_TOPIC_ID.
5. A duplicate is answered with the original's offset, and, as brokers do it, with its largest timestamp as append time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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
from aioproducer.protocol.structs import replaced
from aioproducer.testing.codes import Code, RefusedError
from aioproducer.testing.faults import Subject
from aioproducer.testing.handlers.base import Call, Instruction, Outcome, Wait, handler
from aioproducer.testing.state import NO_LEADER, ClusterState, Partition
from aioproducer.testing.validation import check_batch, check_envelope, placed

FIRST_VERSION_WITH_LEADER_HINTS = 10
ALL = -1
NOTHING_APPENDED = -1

WITHOUT_LOG_START = frozenset(
    {
        Code.UNKNOWN_TOPIC_OR_PARTITION,
        Code.NOT_LEADER_OR_FOLLOWER,
        Code.MESSAGE_TOO_LARGE,
        Code.CORRUPT_MESSAGE,
        Code.UNKNOWN_TOPIC_ID,
        Code.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
"""Errors that say nothing of where the log starts; with the others a broker tells it."""


@dataclass(slots=True)
class _Result:
    """What became of one partition's batch. `end` is what the high watermark has to reach for acks=all."""

    topic: str
    answer: PartitionProduceResponse
    partition: Partition | None = None
    end: int = NOTHING_APPENDED

    @property
    def failed(self) -> bool:
        return self.answer.error_code != Code.NONE


def handle(request: ProduceRequest, call: Call) -> Outcome:
    results = [
        (topic, [_append(request.acks, topic, data, call) for data in topic.partition_data])
        for topic in request.topic_data
    ]
    flat = [result for _, row in results for result in row]
    if request.acks == 0:
        return Instruction.CLOSE if any(result.failed for result in flat) else Instruction.NO_ANSWER
    if request.acks != ALL:
        return _response(results, call)

    def attempt(last: bool) -> ProduceResponse | None:
        waiting = [result for result in flat if result.end != NOTHING_APPENDED]
        for result in waiting:
            _settle(result, call, last=last)
        if any(result.end != NOTHING_APPENDED for result in waiting):
            return None
        return _response(results, call)

    return attempt(False) or Wait(request.timeout_ms / 1000, attempt)


def _append(acks: int, topic: TopicProduceData, data: PartitionProduceData, call: Call) -> _Result:
    name = _name(topic, call.state)
    result = _Result(name or "", PartitionProduceResponse(index=data.index))
    try:
        if name is None:
            raise RefusedError(Code.UNKNOWN_TOPIC_ID, f"no topic has the id {topic.topic_id.hex()}")
        if acks not in (0, 1, ALL):
            raise RefusedError(Code.INVALID_REQUIRED_ACKS, f"acks={acks}: 0, 1 and -1 are all there is")
        ordered = call.refused(name, data.index)
        if ordered:
            result.answer = _error(data.index, ordered, call.message(name, data.index))
            return result
        _append_checked(acks, name, data, call, result)
    except RefusedError as refusal:
        log_start = -1
        if result.partition is not None and refusal.code not in WITHOUT_LOG_START:
            log_start = result.partition.log.start_offset
        result.answer = _error(data.index, refusal.code, refusal.message, refusal.records, log_start)
        return result
    spoilt = call.spoilt(name, data.index)
    if spoilt:
        result.answer = _error(data.index, spoilt, call.message(name, data.index))
        result.end = NOTHING_APPENDED
    return result


def _append_checked(acks: int, name: str, data: PartitionProduceData, call: Call, result: _Result) -> None:
    """The way of a batch into the log, in the order in which a broker checks. Raises RefusedError."""
    state = call.state
    partition = state.find(name, data.index)
    if partition is None:
        raise RefusedError(Code.UNKNOWN_TOPIC_OR_PARTITION, f"there is no partition {name}[{data.index}]")
    records = data.records
    view = memoryview(records if isinstance(records, bytes | bytearray | memoryview) else b"".join(records or ()))
    header = check_envelope(view, call.version)
    if partition.leader != call.broker:
        raise RefusedError(Code.NOT_LEADER_OR_FOLLOWER, f"broker {call.broker} does not lead {name}[{data.index}]")
    result.partition = partition
    config = state.topics[name].config
    if acks == ALL and len(partition.isr) < _needed(partition, config.min_insync_replicas):
        raise RefusedError(
            Code.NOT_ENOUGH_REPLICAS,
            f"{len(partition.isr)} replicas of {name}[{data.index}] are in sync, "
            f"min.insync.replicas is {config.min_insync_replicas}",
        )
    now_ms = state.now_ms()
    checked = check_batch(view, header, config, now_ms)
    append_time = now_ms if config.log_append_time else None
    log = partition.log
    if header.producer_id >= 0:
        duplicate = partition.producers.duplicate_of(header)
        if duplicate is not None:
            end = duplicate.first_offset + header.record_count
            result.answer = _success(data.index, duplicate.first_offset, duplicate.max_timestamp, log.start_offset)
            result.end = end
            return
        partition.producers.check(header)
    base_offset = log.end_offset
    log.append(placed(view, checked, base_offset, partition.leader_epoch, append_time))
    if header.producer_id >= 0:
        partition.producers.appended(header, base_offset, log.batches[-1].header.max_timestamp)
    partition.replicate()
    state.changed()
    result.answer = _success(data.index, base_offset, -1 if append_time is None else append_time, log.start_offset)
    result.end = log.end_offset


def _settle(result: _Result, call: Call, *, last: bool) -> None:
    """Ends the wait of a partition whose followers have the batch, or can not get it any more, or not in time."""
    partition = result.partition
    if partition is None:
        return
    code = Code.NONE
    if call.state.find(partition.topic, partition.index) is not partition:
        code = Code.UNKNOWN_TOPIC_OR_PARTITION
    elif partition.leader != call.broker:
        code = Code.NOT_LEADER_OR_FOLLOWER
    elif len(partition.isr) < _needed(partition, call.state.topics[partition.topic].config.min_insync_replicas):
        code = Code.NOT_ENOUGH_REPLICAS_AFTER_APPEND
    elif partition.log.high_watermark < result.end:
        if not last:
            return
        code = Code.REQUEST_TIMED_OUT
    result.end = NOTHING_APPENDED
    if code is not Code.NONE:
        result.answer = _error(partition.index, code, None)


def _needed(partition: Partition, min_insync_replicas: int) -> int:
    """No partition needs more replicas than it has."""
    return min(min_insync_replicas, len(partition.replicas))


def _name(topic: TopicProduceData, state: ClusterState) -> str | None:
    if topic.name:
        return topic.name
    found = state.topic_by_id(topic.topic_id)
    return found.name if found else None


def _success(index: int, base_offset: int, append_time: int, log_start: int) -> PartitionProduceResponse:
    return PartitionProduceResponse(
        index=index, base_offset=base_offset, log_append_time_ms=append_time, log_start_offset=log_start
    )


def _error(
    index: int, code: int, message: str | None, records: Iterable[tuple[int, str]] = (), log_start: int = -1
) -> PartitionProduceResponse:
    return PartitionProduceResponse(
        index=index,
        error_code=code,
        base_offset=-1,
        log_start_offset=log_start,
        error_message=message,
        record_errors=tuple(
            BatchIndexAndErrorMessage(batch_index=at, batch_index_error_message=text) for at, text in records
        ),
    )


def _response(results: Sequence[tuple[TopicProduceData, list[_Result]]], call: Call) -> ProduceResponse:
    leaders: set[int] = set()
    topics = []
    for topic, row in results:
        answers = tuple(_with_leader(result, call, leaders) for result in row)
        topics.append(TopicProduceResponse(name=topic.name, topic_id=topic.topic_id, partition_responses=answers))
    endpoints = (call.state.brokers[leader] for leader in sorted(leaders))
    return ProduceResponse(
        responses=tuple(topics),
        node_endpoints=tuple(
            NodeEndpoint(node_id=node.node_id, host=node.host, port=node.port, rack=node.rack) for node in endpoints
        ),
    )


def _with_leader(result: _Result, call: Call, leaders: set[int]) -> PartitionProduceResponse:
    """Adds who leads the partition now, where the version can say it."""
    answer = result.answer
    if call.version < FIRST_VERSION_WITH_LEADER_HINTS or answer.error_code != Code.NOT_LEADER_OR_FOLLOWER:
        return answer
    partition = call.state.find(result.topic, answer.index)
    if partition is None:
        return answer
    if partition.leader != NO_LEADER:
        leaders.add(partition.leader)
    leader = LeaderIdAndEpoch(leader_id=partition.leader, leader_epoch=partition.leader_epoch)
    return replaced(answer, current_leader=leader)


def subjects(request: ProduceRequest, state: ClusterState) -> list[Subject]:
    return [
        (_name(topic, state) or topic.topic_id.hex(), data.index)
        for topic in request.topic_data
        for data in topic.partition_data
    ]


PRODUCE = handler(ProduceRequest, handle, subjects)
