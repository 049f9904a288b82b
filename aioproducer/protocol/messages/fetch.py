"""Fetch (1): records from partitions. The declaration only; the producer does not fetch, the embedded cluster answers.

5 start of the log - 7 sessions (KIP-227) - 9 leader epochs - 11 racks and read replicas (KIP-392) - 12 flexible,
truncation and the current leader - 13 topics by id in place of the name - 15 the follower's state - 16 endpoints of new
leaders - 17 directory ids - 18 high watermarks of followers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from aioproducer.protocol.fields import Int8, Int16, Int32, Int64, Records, String, Uuid, since, tagged, until
from aioproducer.protocol.primitives import ZERO_UUID
from aioproducer.protocol.schema import Api, Request, Response
from aioproducer.protocol.structs import Struct


class Fetch(Api):
    api_key: ClassVar[int] = 1
    min_version: ClassVar[int] = 4
    max_version: ClassVar[int] = 18
    flexible_from: ClassVar[int | None] = 12


class ReplicaState(Struct):
    replica_id: Int32 = -1
    replica_epoch: Int64 = -1


class FetchPartition(Struct):
    partition: Int32 = 0
    current_leader_epoch: Annotated[Int32, since(9, ignorable=True)] = -1
    fetch_offset: Int64 = 0
    last_fetched_epoch: Annotated[Int32, since(12)] = -1
    log_start_offset: Annotated[Int64, since(5, ignorable=True)] = -1
    partition_max_bytes: Int32 = 0
    replica_directory_id: Annotated[Uuid, since(17, ignorable=True), tagged(0)] = ZERO_UUID
    high_watermark: Annotated[Int64, since(18, ignorable=True), tagged(1)] = 2**63 - 1


class FetchTopic(Struct):
    topic: Annotated[String, until(12, ignorable=True)] = ""
    topic_id: Annotated[Uuid, since(13, ignorable=True)] = ZERO_UUID
    partitions: Sequence[FetchPartition] = ()


class ForgottenTopic(Struct):
    topic: Annotated[String, until(12, ignorable=True)] = ""
    topic_id: Annotated[Uuid, since(13, ignorable=True)] = ZERO_UUID
    partitions: Sequence[Int32] = ()


class EpochEndOffset(Struct):
    epoch: Int32 = -1
    end_offset: Int64 = -1


class LeaderIdAndEpoch(Struct):
    leader_id: Int32 = -1
    leader_epoch: Int32 = -1


class SnapshotId(Struct):
    end_offset: Int64 = -1
    epoch: Int32 = -1


class AbortedTransaction(Struct):
    producer_id: Int64 = 0
    first_offset: Int64 = 0


class PartitionData(Struct):
    partition_index: Int32 = 0
    error_code: Int16 = 0
    high_watermark: Int64 = 0
    last_stable_offset: Int64 = -1
    log_start_offset: Annotated[Int64, since(5, ignorable=True)] = -1
    diverging_epoch: Annotated[EpochEndOffset, since(12), tagged(0)] = EpochEndOffset()
    current_leader: Annotated[LeaderIdAndEpoch, since(12), tagged(1)] = LeaderIdAndEpoch()
    snapshot_id: Annotated[SnapshotId, since(12), tagged(2)] = SnapshotId()
    aborted_transactions: Sequence[AbortedTransaction] | None = ()
    preferred_read_replica: Annotated[Int32, since(11)] = -1
    records: Records | None = None


class FetchableTopicResponse(Struct):
    topic: Annotated[String, until(12, ignorable=True)] = ""
    topic_id: Annotated[Uuid, since(13, ignorable=True)] = ZERO_UUID
    partitions: Sequence[PartitionData] = ()


class NodeEndpoint(Struct):
    node_id: Int32 = 0
    host: String = ""
    port: Int32 = 0
    rack: String | None = None


class FetchResponse(Fetch, Response):
    throttle_time_ms: Int32 = 0
    error_code: Annotated[Int16, since(7, ignorable=True)] = 0
    session_id: Annotated[Int32, since(7)] = 0
    responses: Sequence[FetchableTopicResponse] = ()
    node_endpoints: Annotated[Sequence[NodeEndpoint], since(16), tagged(0)] = ()


class FetchRequest(Fetch, Request):
    response: ClassVar[type[Response]] = FetchResponse

    cluster_id: Annotated[String | None, since(12, ignorable=True), tagged(0)] = None
    replica_id: Annotated[Int32, until(14)] = -1
    replica_state: Annotated[ReplicaState, since(15), tagged(1)] = ReplicaState()
    max_wait_ms: Int32 = 0
    min_bytes: Int32 = 0
    max_bytes: Int32 = 2**31 - 1
    isolation_level: Int8 = 0
    session_id: Annotated[Int32, since(7, ignorable=True)] = 0
    session_epoch: Annotated[Int32, since(7, ignorable=True)] = -1
    topics: Sequence[FetchTopic] = ()
    forgotten_topics_data: Annotated[Sequence[ForgottenTopic], since(7)] = ()
    rack_id: Annotated[String, since(11, ignorable=True)] = ""
