"""The options as keyword arguments, for type checkers. What they mean, and what is valid, is in `config`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, TypedDict

from aioproducer.models import Acks
from aioproducer.serializers import Serializer
from aioproducer.telemetry.events import OnEvent

AcksOption: TypeAlias = Acks | Literal[-1, 0, 1, "all", "-1", "0", "1"]
CompressionType: TypeAlias = Literal["none", "gzip", "snappy", "lz4", "zstd"]
DnsLookup: TypeAlias = Literal["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"]
RecoveryStrategy: TypeAlias = Literal["none", "rebootstrap"]
PartitionerOption: TypeAlias = Callable[..., int]
"""Called as (topic, key, value, partitions): see `aioproducer.partitioning`, which knows the type of the last one."""


class Options(TypedDict, total=False):
    """The keyword arguments of `Producer` and `Config.from_options`, for type checkers; meanings are in `Config`."""

    client_dns_lookup: DnsLookup
    client_id: str | None
    key_serializer: Serializer[Any] | None
    value_serializer: Serializer[Any] | None
    acks: AcksOption
    retries: int
    max_in_flight_requests_per_connection: int
    enable_idempotence: bool
    batch_size: int
    batch_max_size: int
    linger_ms: float
    strict_linger: bool
    buffer_memory: int
    max_block_ms: float
    max_request_size: int
    delivery_timeout_ms: float
    request_timeout_ms: float
    retry_backoff_ms: float
    retry_backoff_max_ms: float
    reconnect_backoff_ms: float
    reconnect_backoff_max_ms: float
    socket_connection_setup_timeout_ms: float
    socket_connection_setup_timeout_max_ms: float
    connections_max_idle_ms: float
    send_buffer_bytes: int
    receive_buffer_bytes: int
    metadata_max_age_ms: float
    metadata_max_idle_ms: float
    metadata_recovery_strategy: RecoveryStrategy
    metadata_recovery_rebootstrap_trigger_ms: float
    compression_type: CompressionType
    compression_gzip_level: int
    compression_lz4_level: int
    compression_zstd_level: int
    partitioner: PartitionerOption | None
    partitioner_ignore_keys: bool
    partitioner_adaptive_partitioning_enable: bool
    partitioner_availability_timeout_ms: float
    partitioner_rack_aware: bool
    client_rack: str
    allow_auto_create_topics: bool
    on_event: OnEvent | None
