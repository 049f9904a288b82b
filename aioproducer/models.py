"""The values that cross the public boundary: where a record went, and what a cluster looks like.

Plain immutable values without behaviour. What decides lives in the folders; what fails lives in `errors`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple, TypeAlias

BytesLike: TypeAlias = bytes | bytearray | memoryview
"""What a key, a value or a header's value may be when no serializer is set."""

Header: TypeAlias = tuple[str, bytes | None]
"""One header: a key, never null, and a value that may be. Order and duplicates are kept."""

Headers: TypeAlias = Sequence[Header]

NO_OFFSET = -1
"""The offset of a record whose place the broker did not tell: acks=0, or a de-duplicated retry."""

NO_TIMESTAMP = -1


class Acks(Enum):
    """How many replicas have to have a record before the leader answers. The value is the one on the wire."""

    NONE = 0
    LEADER = 1
    ALL = -1


class TimestampType(Enum):
    """Who stamped a record: the producer, or the leader as it appended (topic setting `message.timestamp.type`)."""

    CREATE_TIME = 0
    LOG_APPEND_TIME = 1


class TopicPartition(NamedTuple):
    topic: str
    partition: int


class Node(NamedTuple):
    """One broker as the metadata names it."""

    id: int
    host: str
    port: int
    rack: str | None = None


class PartitionInfo(NamedTuple):
    """One partition as the metadata last described it; `leader` is None while there is none."""

    topic: str
    partition: int
    leader: Node | None
    replicas: tuple[int, ...] = ()
    in_sync_replicas: tuple[int, ...] = ()
    offline_replicas: tuple[int, ...] = ()


class RecordMetadata(NamedTuple):
    """Where a record is.

    `offset` is -1 where the broker does not tell it (acks=0, or a retry that the broker recognised as a duplicate
    without remembering the offset). `timestamp_ms` is in milliseconds since the epoch: the leader's own when
    `timestamp_type` is LOG_APPEND_TIME, else the record's.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    timestamp_type: TimestampType = TimestampType.CREATE_TIME
