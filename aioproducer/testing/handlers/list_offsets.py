"""ListOffsets (2): where a partition starts and ends, and which offset belongs to a time. Versions 1 to 11."""

from __future__ import annotations

from aioproducer.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)
from aioproducer.testing.faults import Subject
from aioproducer.testing.handlers.base import Call, Outcome, check_epoch, handler
from aioproducer.testing.log import PartitionLog
from aioproducer.testing.state import ClusterState

LATEST = -1
EARLIEST = -2
MAX_TIMESTAMP = -3
EARLIEST_LOCAL = -4
NOWHERE = (-1, -1)


def handle(request: ListOffsetsRequest, call: Call) -> Outcome:
    return ListOffsetsResponse(
        topics=tuple(
            ListOffsetsTopicResponse(
                name=topic.name,
                partitions=tuple(_partition(topic.name, wanted, call) for wanted in topic.partitions),
            )
            for topic in request.topics
        )
    )


def _partition(topic: str, wanted: ListOffsetsPartition, call: Call) -> ListOffsetsPartitionResponse:
    index = wanted.partition_index
    code: int = call.refused(topic, index) or call.spoilt(topic, index)
    partition, why = call.led(topic, index)
    if not code:
        code = why
    if not code and partition is not None:
        code = check_epoch(partition, wanted.current_leader_epoch)
    if code or partition is None:
        return ListOffsetsPartitionResponse(partition_index=index, error_code=code)
    offset, timestamp = _offset(partition.log, wanted.timestamp)
    epoch = partition.leader_epoch if call.version >= 4 and offset >= 0 else -1
    return ListOffsetsPartitionResponse(partition_index=index, timestamp=timestamp, offset=offset, leader_epoch=epoch)


def _offset(log: PartitionLog, timestamp: int) -> tuple[int, int]:
    if timestamp == LATEST:
        return log.high_watermark, -1
    if timestamp in (EARLIEST, EARLIEST_LOCAL):
        return log.start_offset, -1
    if timestamp == MAX_TIMESTAMP:
        return log.latest_timestamp()
    return log.offset_for(timestamp) if timestamp >= 0 else NOWHERE


def subjects(request: ListOffsetsRequest, _state: ClusterState) -> list[Subject]:
    return [(topic.name, wanted.partition_index) for topic in request.topics for wanted in topic.partitions]


LIST_OFFSETS = handler(ListOffsetsRequest, handle, subjects)
