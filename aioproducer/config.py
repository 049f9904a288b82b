"""Every option in one table: Kafka's name, type, default, bounds, meaning. Validation, documentation and CLI read it.

Rules between options are in `configuration.rules`. Names and units are Kafka's, in snake case; a length of time is a
number of milliseconds, as its name says. Defaults are those of Kafka 4.3. Nothing here logs or opens anything.
"""

# ruff: noqa: RUF009 - `option` makes a dataclass field, as `dataclasses.field` does.

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Unpack

from aioproducer.configuration import options
from aioproducer.configuration.addresses import Address
from aioproducer.configuration.arguments import (
    CompressionType,
    DnsLookup,
    Options,
    PartitionerOption,
    RecoveryStrategy,
)
from aioproducer.configuration.functions import Function
from aioproducer.configuration.kinds import LONG_MAX, AcksKind, Boolean, Choice, Integer, Milliseconds, Servers, Text
from aioproducer.configuration.options import OptionDescription, Required, option
from aioproducer.configuration.properties import read_properties
from aioproducer.configuration.resolve import Resolved, resolve
from aioproducer.models import Acks
from aioproducer.serializers import Serializer
from aioproducer.telemetry.events import OnEvent

# Java counts an empty record that is alone in its batch with this many bytes: less could never take one.
_ONE_RECORD = 85


@dataclass(frozen=True, slots=True, kw_only=True, init=False)
class Config:
    """The options of one producer, valid together. Made by `from_options` or `from_properties`; both check everything.

    explicit: the names of the options that were given. adjustments: what was changed because of other options, one
    sentence each, for the producer to log.
    """

    bootstrap_servers: tuple[Address, ...] = option(
        "bootstrap.servers",
        Servers(),
        default=Required,
        meaning="Some brokers to learn the cluster from, as host:port separated by commas.",
    )
    client_dns_lookup: DnsLookup = option(
        "client.dns.lookup",
        Choice(words=("use_all_dns_ips", "resolve_canonical_bootstrap_servers_only")),
        default="use_all_dns_ips",
        meaning="Try every address of a name in turn, or first expand bootstrap names to their canonical names.",
    )
    client_id: str = option(
        "client.id",
        Text(),
        default=None,
        generated="producer-<n>",
        meaning="The name of this producer in the logs, quotas and metrics of brokers; counted up if not given.",
    )
    key_serializer: Serializer[Any] | None = option(
        "key.serializer",
        Function(
            parameters=("topic", "value"), returns="bytes | None", example="aioproducer.serializers:StringSerializer"
        ),
        default=None,
        meaning="Makes the bytes of a key; without one, keys are bytes. A key of None stays none.",
    )
    value_serializer: Serializer[Any] | None = option(
        "value.serializer",
        Function(
            parameters=("topic", "value"), returns="bytes | None", example="aioproducer.serializers:JsonSerializer"
        ),
        default=None,
        meaning="Makes the bytes of a value; without one, values are bytes. A value of None stays null.",
    )
    acks: Acks = option(
        "acks",
        AcksKind(),
        default=Acks.ALL,
        meaning="Who has to have a record before it counts as sent: all in-sync replicas, the leader (1), nobody (0).",
    )
    retries: int = option(
        "retries",
        Integer(unit="attempts", at_least=0),
        default=2147483647,
        meaning="Attempts beyond the first for each batch; delivery_timeout_ms bounds them all in time.",
    )
    max_in_flight_requests_per_connection: int = option(
        "max.in.flight.requests.per.connection",
        Integer(unit="requests", at_least=1),
        default=5,
        meaning="Requests on their way to one broker without an answer; more than 5 exclude idempotence.",
    )
    enable_idempotence: bool = option(
        "enable.idempotence",
        Boolean(),
        default=True,
        meaning="Retries are neither stored twice nor out of order; needs acks=all and retries.",
    )
    batch_size: int = option(
        "batch.size",
        Integer(unit="bytes", at_least=0),
        default=16384,
        meaning="A batch of one partition is full with this many bytes, as compressed as expected; 0: one record each.",
    )
    batch_max_size: int = option(
        "batch.max.size",
        Integer(unit="bytes", at_least=0),
        default=262144,
        meaning="A full batch that can not be sent yet grows to this; batch_size, if given or without idempotence.",
    )
    linger_ms: float = option(
        "linger.ms",
        Milliseconds(at_least=0),
        default=5.0,
        meaning="How long a batch that is not full waits for more records.",
    )
    strict_linger: bool = option(
        "strict.linger",
        Boolean(),
        default=False,
        meaning="A send that is awaited sits out linger_ms too, instead of going at the end of the loop's turn.",
    )
    buffer_memory: int = option(
        "buffer.memory",
        Integer(unit="bytes", at_least=_ONE_RECORD, at_most=LONG_MAX),
        default=33554432,
        meaning="Records that are not acknowledged yet, all together; beyond it sends wait for room.",
    )
    max_block_ms: float = option(
        "max.block.ms",
        Milliseconds(at_least=0),
        default=60000.0,
        meaning="How long a send waits for metadata and for room, and start() for a first broker.",
    )
    max_request_size: int = option(
        "max.request.size",
        Integer(unit="bytes", at_least=_ONE_RECORD),
        default=1048576,
        meaning="The batches of one produce request together, and the largest record, before compression.",
    )
    delivery_timeout_ms: float = option(
        "delivery.timeout.ms",
        Milliseconds(at_least=0, at_most=2147483647),
        default=120000.0,
        meaning="A record is settled this long after it came into a batch, retries included.",
    )
    request_timeout_ms: float = option(
        "request.timeout.ms",
        Milliseconds(at_least=1, at_most=2147483647),
        default=30000.0,
        meaning="How long a broker may take to answer a request; also how long it waits for its replicas.",
    )
    retry_backoff_ms: float = option(
        "retry.backoff.ms",
        Milliseconds(at_least=0),
        default=100.0,
        meaning="The pause before the first retry of a batch or of metadata; doubles with each further one.",
    )
    retry_backoff_max_ms: float = option(
        "retry.backoff.max.ms",
        Milliseconds(at_least=0),
        default=1000.0,
        meaning="The longest pause between retries.",
    )
    reconnect_backoff_ms: float = option(
        "reconnect.backoff.ms",
        Milliseconds(at_least=0),
        default=50.0,
        meaning="The pause before connecting again to a broker that refused or was lost; doubles each time.",
    )
    reconnect_backoff_max_ms: float = option(
        "reconnect.backoff.max.ms",
        Milliseconds(at_least=0),
        default=1000.0,
        meaning="The longest pause between attempts to connect to a broker.",
    )
    socket_connection_setup_timeout_ms: float = option(
        "socket.connection.setup.timeout.ms",
        Milliseconds(at_least=1),
        default=10000.0,
        meaning="How long setting up a connection may take, handshake included; doubles after each failure.",
    )
    socket_connection_setup_timeout_max_ms: float = option(
        "socket.connection.setup.timeout.max.ms",
        Milliseconds(at_least=1),
        default=30000.0,
        meaning="The longest time that setting up a connection may take.",
    )
    connections_max_idle_ms: float = option(
        "connections.max.idle.ms",
        Milliseconds(at_least=-1),
        default=540000.0,
        meaning="A connection that was not used for this long is closed; -1 keeps all.",
    )
    send_buffer_bytes: int = option(
        "send.buffer.bytes",
        Integer(unit="bytes", at_least=-1),
        default=131072,
        meaning="The socket's send buffer; -1 leaves it to the operating system.",
    )
    receive_buffer_bytes: int = option(
        "receive.buffer.bytes",
        Integer(unit="bytes", at_least=-1),
        default=32768,
        meaning="The socket's receive buffer; -1 leaves it to the operating system.",
    )
    metadata_max_age_ms: float = option(
        "metadata.max.age.ms",
        Milliseconds(at_least=0),
        default=300000.0,
        meaning="Metadata is asked for again after this long, even if nothing seems to have changed.",
    )
    metadata_max_idle_ms: float = option(
        "metadata.max.idle.ms",
        Milliseconds(at_least=5000),
        default=300000.0,
        meaning="A topic that nothing was sent to for this long is forgotten.",
    )
    metadata_recovery_strategy: RecoveryStrategy = option(
        "metadata.recovery.strategy",
        Choice(words=("none", "rebootstrap"), any_case=True),
        default="rebootstrap",
        meaning="When no known broker can be reached: go on trying these, or start from the bootstrap list again.",
    )
    metadata_recovery_rebootstrap_trigger_ms: float = option(
        "metadata.recovery.rebootstrap.trigger.ms",
        Milliseconds(at_least=0),
        default=300000.0,
        meaning="Start from the bootstrap list again after being without metadata for this long.",
    )
    compression_type: CompressionType = option(
        "compression.type",
        Choice(words=("none", "gzip", "snappy", "lz4", "zstd")),
        default="none",
        meaning="The codec of batches; snappy needs the extra aioproducer[snappy].",
    )
    compression_gzip_level: int = option(
        "compression.gzip.level",
        Integer(unit="level", at_least=1, at_most=9, also=-1),
        default=-1,
        meaning="How hard gzip tries, where it is the codec; -1 is zlib's own default, 6.",
    )
    compression_lz4_level: int = option(
        "compression.lz4.level",
        Integer(unit="level", at_least=1, at_most=17),
        default=9,
        meaning="How hard lz4 tries, where it is the codec; 9 is the fast compressor, all others the thorough one.",
    )
    compression_zstd_level: int = option(
        "compression.zstd.level",
        Integer(unit="level", at_least=-131072, at_most=22),
        default=3,
        meaning="How hard zstd tries, where it is the codec; negative levels are faster still.",
    )
    partitioner: PartitionerOption | None = option(
        "partitioner.class",
        Function(
            parameters=("topic", "key", "value", "partitions"),
            returns="int",
            example="package.module:MyPartitioner",
            hook=("on_new_batch", ("topic", "partitions", "previous")),
        ),
        default=None,
        meaning="Chooses the partition of a record that names none; without one, by the key's hash, else sticky.",
    )
    partitioner_ignore_keys: bool = option(
        "partitioner.ignore.keys",
        Boolean(),
        default=False,
        meaning="Place records as if they had no key. For the built-in partitioner.",
    )
    partitioner_adaptive_partitioning_enable: bool = option(
        "partitioner.adaptive.partitioning.enable",
        Boolean(),
        default=True,
        meaning="Give fewer records without key to partitions that are slow. For the built-in partitioner.",
    )
    partitioner_availability_timeout_ms: float = option(
        "partitioner.availability.timeout.ms",
        Milliseconds(at_least=0),
        default=0.0,
        meaning="Leave out partitions whose broker took no batch for this long; 0: never. Adaptive partitioning only.",
    )
    partitioner_rack_aware: bool = option(
        "partitioner.rack.aware",
        Boolean(),
        default=False,
        meaning="Put records without key on partitions led from client_rack, if any. For the built-in partitioner.",
    )
    client_rack: str = option(
        "client.rack",
        Text(),
        default="",
        meaning="Where this producer runs, as the brokers call it in broker.rack.",
    )
    allow_auto_create_topics: bool = option(
        "allow.auto.create.topics",
        Boolean(),
        default=True,
        meaning="Let the brokers create a topic that is asked for and does not exist, if they are set to do that.",
    )
    on_event: OnEvent | None = option(
        "on.event",
        Function(parameters=("event",), returns="anything", example="package.module:on_event"),
        default=None,
        meaning="Told of every retry, re-route, split, epoch bump, expiry, throttling and growth, as a ProducerEvent.",
    )
    explicit: frozenset[str] = field(compare=False)
    adjustments: tuple[str, ...] = field(compare=False)

    def __init__(self, bootstrap_servers: str | Sequence[str], **given: Unpack[Options]) -> None:
        """As `from_options`."""
        _fill(self, resolve(TABLE, {"bootstrap_servers": bootstrap_servers, **given}, dotted=False))

    @classmethod
    def from_options(cls, bootstrap_servers: str | Sequence[str], **given: Unpack[Options]) -> Config:
        """Options in snake case, as Python values.

        bootstrap_servers: "host:9092,other:9092" or a sequence of "host:9092"; an IPv6 address stands in brackets.

        Raises ConfigurationError with every fault there is, unknown names among them.
        """
        return cls(bootstrap_servers, **given)

    @classmethod
    def from_properties(cls, properties: Mapping[str, object] | str | PathLike[str]) -> Config:
        """Kafka's dotted names, from a mapping or from a file in Java's `.properties` format.

        A value that is a str is parsed; others are taken as Python values. Serializers and the partitioner may be
        given by import path, `package.module:name`.

        Raises ConfigurationError with every fault there is, unknown names among them; also if the file can not be read.
        """
        given = properties if isinstance(properties, Mapping) else read_properties(properties)
        config = cls.__new__(cls)
        _fill(config, resolve(TABLE, given, dotted=True))
        return config

    @staticmethod
    def describe() -> tuple[OptionDescription, ...]:
        """The table in words, one row for each option, in the order of the class."""
        return options.describe(TABLE)


def _fill(config: Config, resolved: Resolved) -> None:
    # As the generated __init__ of a frozen dataclass does it.
    for name, value in resolved.values.items():
        object.__setattr__(config, name, value)
    object.__setattr__(config, "explicit", resolved.explicit)
    object.__setattr__(config, "adjustments", resolved.adjustments)


TABLE = options.table_of(Config)
"""The rows by option name."""

__all__ = ["Address", "Config", "OptionDescription", "Options"]
