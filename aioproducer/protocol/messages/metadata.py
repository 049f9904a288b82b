"""Metadata (3): the brokers of the cluster, and who leads which partition. The declaration only.

`topics` null asks for every topic, an empty array for none.

3 throttle - 4 whether asking creates the topic - 5 replicas that are down - 7 leader epochs - 8 authorized operations -
9 flexible - 10 topic ids - 12 lookup by topic id - 13 an error for the whole answer (KIP-1102).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from aioproducer.protocol.fields import Boolean, Int16, Int32, String, Uuid, between, nullable_since, since
from aioproducer.protocol.primitives import ZERO_UUID
from aioproducer.protocol.schema import Api, Request, Response
from aioproducer.protocol.structs import Struct

NO_AUTHORIZED_OPERATIONS = -(2**31)
"""What stands for authorized operations that were not asked for."""


class Metadata(Api):
    api_key: ClassVar[int] = 3
    min_version: ClassVar[int] = 1
    max_version: ClassVar[int] = 13
    flexible_from: ClassVar[int | None] = 9


class MetadataRequestTopic(Struct):
    topic_id: Annotated[Uuid, since(10, ignorable=True)] = ZERO_UUID
    name: Annotated[String | None, nullable_since(10)] = ""


class MetadataResponseBroker(Struct):
    node_id: Int32 = 0
    host: String = ""
    port: Int32 = 0
    rack: String | None = None


class MetadataResponsePartition(Struct):
    error_code: Int16 = 0
    partition_index: Int32 = 0
    leader_id: Int32 = 0
    leader_epoch: Annotated[Int32, since(7, ignorable=True)] = -1
    replica_nodes: Sequence[Int32] = ()
    isr_nodes: Sequence[Int32] = ()
    offline_replicas: Annotated[Sequence[Int32], since(5, ignorable=True)] = ()


class MetadataResponseTopic(Struct):
    error_code: Int16 = 0
    name: Annotated[String | None, nullable_since(12)] = ""
    topic_id: Annotated[Uuid, since(10, ignorable=True)] = ZERO_UUID
    is_internal: Boolean = False
    partitions: Sequence[MetadataResponsePartition] = ()
    topic_authorized_operations: Annotated[Int32, since(8)] = NO_AUTHORIZED_OPERATIONS


class MetadataResponse(Metadata, Response):
    throttle_time_ms: Annotated[Int32, since(3, ignorable=True)] = 0
    brokers: Sequence[MetadataResponseBroker] = ()
    cluster_id: Annotated[String | None, since(2, ignorable=True)] = None
    controller_id: Int32 = -1
    topics: Sequence[MetadataResponseTopic] = ()
    cluster_authorized_operations: Annotated[Int32, between(8, 10)] = NO_AUTHORIZED_OPERATIONS
    error_code: Annotated[Int16, since(13, ignorable=True)] = 0


class MetadataRequest(Metadata, Request):
    response: ClassVar[type[Response]] = MetadataResponse

    topics: Sequence[MetadataRequestTopic] | None = ()
    allow_auto_topic_creation: Annotated[Boolean, since(4)] = True
    include_cluster_authorized_operations: Annotated[Boolean, between(8, 10)] = False
    include_topic_authorized_operations: Annotated[Boolean, since(8)] = False
