"""ListOffsets (2): the offset of a partition's start, end, or first record at a time. The declaration only.

The timestamps -1 and -2 ask for the end and for the start; what -3 and below mean came with versions 7 and later.

2 isolation level, throttle - 4 leader epochs - 6 flexible - 7 to 9 and 11 more special timestamps - 10 time-out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from aioproducer.protocol.fields import Int8, Int16, Int32, Int64, String, since
from aioproducer.protocol.schema import Api, Request, Response
from aioproducer.protocol.structs import Struct


class ListOffsets(Api):
    api_key: ClassVar[int] = 2
    min_version: ClassVar[int] = 1
    max_version: ClassVar[int] = 11
    flexible_from: ClassVar[int | None] = 6


class ListOffsetsPartition(Struct):
    partition_index: Int32 = 0
    current_leader_epoch: Annotated[Int32, since(4, ignorable=True)] = -1
    timestamp: Int64 = 0


class ListOffsetsTopic(Struct):
    name: String = ""
    partitions: Sequence[ListOffsetsPartition] = ()


class ListOffsetsPartitionResponse(Struct):
    partition_index: Int32 = 0
    error_code: Int16 = 0
    timestamp: Int64 = -1
    offset: Int64 = -1
    leader_epoch: Annotated[Int32, since(4)] = -1


class ListOffsetsTopicResponse(Struct):
    name: String = ""
    partitions: Sequence[ListOffsetsPartitionResponse] = ()


class ListOffsetsResponse(ListOffsets, Response):
    throttle_time_ms: Annotated[Int32, since(2, ignorable=True)] = 0
    topics: Sequence[ListOffsetsTopicResponse] = ()


class ListOffsetsRequest(ListOffsets, Request):
    response: ClassVar[type[Response]] = ListOffsetsResponse

    replica_id: Int32 = 0
    isolation_level: Annotated[Int8, since(2)] = 0
    topics: Sequence[ListOffsetsTopic] = ()
    timeout_ms: Annotated[Int32, since(10, ignorable=True)] = 0
