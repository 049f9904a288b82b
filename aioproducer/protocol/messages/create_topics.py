"""CreateTopics (19): makes topics. The declaration only.

`num_partitions` and `replication_factor` are -1 for the broker's defaults (from version 4), and where `assignments` are
given.

4 broker defaults - 5 flexible, the settings of what was made - 7 topic ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from aioproducer.protocol.fields import Boolean, Int8, Int16, Int32, String, Uuid, since, tagged
from aioproducer.protocol.primitives import ZERO_UUID
from aioproducer.protocol.schema import Api, Request, Response
from aioproducer.protocol.structs import Struct


class CreateTopics(Api):
    api_key: ClassVar[int] = 19
    min_version: ClassVar[int] = 2
    max_version: ClassVar[int] = 7
    flexible_from: ClassVar[int | None] = 5


class CreatableReplicaAssignment(Struct):
    partition_index: Int32 = 0
    broker_ids: Sequence[Int32] = ()


class CreatableTopicConfig(Struct):
    name: String = ""
    value: String | None = ""


class CreatableTopic(Struct):
    name: String = ""
    num_partitions: Int32 = 0
    replication_factor: Int16 = 0
    assignments: Sequence[CreatableReplicaAssignment] = ()
    configs: Sequence[CreatableTopicConfig] = ()


class CreatableTopicConfigs(Struct):
    name: String = ""
    value: String | None = ""
    read_only: Boolean = False
    config_source: Int8 = -1
    is_sensitive: Boolean = False


class CreatableTopicResult(Struct):
    name: String = ""
    topic_id: Annotated[Uuid, since(7, ignorable=True)] = ZERO_UUID
    error_code: Int16 = 0
    error_message: String | None = ""
    topic_config_error_code: Annotated[Int16, since(5, ignorable=True), tagged(0)] = 0
    num_partitions: Annotated[Int32, since(5, ignorable=True)] = -1
    replication_factor: Annotated[Int16, since(5, ignorable=True)] = -1
    configs: Annotated[Sequence[CreatableTopicConfigs] | None, since(5, ignorable=True)] = ()


class CreateTopicsResponse(CreateTopics, Response):
    throttle_time_ms: Int32 = 0
    topics: Sequence[CreatableTopicResult] = ()


class CreateTopicsRequest(CreateTopics, Request):
    response: ClassVar[type[Response]] = CreateTopicsResponse

    topics: Sequence[CreatableTopic] = ()
    timeout_ms: Int32 = 60000
    validate_only: Boolean = False
