"""Produce (0): batches of records for partitions that the broker leads. The declaration only.

The record batches go through unchanged; what is in them is the matter of `aioproducer.records`. With `acks=0` the
broker sends no response.

5 start of the log - 7 zstd - 8 which records were refused, and why - 9 flexible - 10 the new leader (KIP-951) -
11 TRANSACTION_ABORTABLE - 12 partitions join a transaction by themselves - 13 topics by id in place of the name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from aioproducer.protocol.fields import Int16, Int32, Int64, Records, String, Uuid, since, tagged, until
from aioproducer.protocol.primitives import ZERO_UUID
from aioproducer.protocol.schema import Api, Request, Response
from aioproducer.protocol.structs import Struct


class Produce(Api):
    api_key: ClassVar[int] = 0
    min_version: ClassVar[int] = 3
    max_version: ClassVar[int] = 13
    flexible_from: ClassVar[int | None] = 9


class PartitionProduceData(Struct):
    index: Int32 = 0
    records: Records | None = None


class TopicProduceData(Struct):
    name: Annotated[String, until(12, ignorable=True)] = ""
    topic_id: Annotated[Uuid, since(13, ignorable=True)] = ZERO_UUID
    partition_data: Sequence[PartitionProduceData] = ()


class BatchIndexAndErrorMessage(Struct):
    batch_index: Int32 = 0
    batch_index_error_message: String | None = None


class LeaderIdAndEpoch(Struct):
    leader_id: Int32 = -1
    leader_epoch: Int32 = -1


class PartitionProduceResponse(Struct):
    index: Int32 = 0
    error_code: Int16 = 0
    base_offset: Int64 = 0
    log_append_time_ms: Int64 = -1
    log_start_offset: Annotated[Int64, since(5, ignorable=True)] = -1
    record_errors: Annotated[Sequence[BatchIndexAndErrorMessage], since(8, ignorable=True)] = ()
    error_message: Annotated[String | None, since(8, ignorable=True)] = None
    current_leader: Annotated[LeaderIdAndEpoch, since(10), tagged(0)] = LeaderIdAndEpoch()


class TopicProduceResponse(Struct):
    name: Annotated[String, until(12, ignorable=True)] = ""
    topic_id: Annotated[Uuid, since(13, ignorable=True)] = ZERO_UUID
    partition_responses: Sequence[PartitionProduceResponse] = ()


class NodeEndpoint(Struct):
    node_id: Int32 = 0
    host: String = ""
    port: Int32 = 0
    rack: String | None = None


class ProduceResponse(Produce, Response):
    responses: Sequence[TopicProduceResponse] = ()
    throttle_time_ms: Int32 = 0
    node_endpoints: Annotated[Sequence[NodeEndpoint], since(10), tagged(0)] = ()


class ProduceRequest(Produce, Request):
    response: ClassVar[type[Response]] = ProduceResponse

    transactional_id: String | None = None
    acks: Int16 = 0
    timeout_ms: Int32 = 0
    topic_data: Sequence[TopicProduceData] = ()
