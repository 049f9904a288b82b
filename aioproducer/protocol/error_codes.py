"""Kafka's error codes as one table: what each means, what to do, and which class of `aioproducer.errors` says it.

Rows hold facts about a code; whether a batch is retried with them is decided where the state is known, in `sending`.
The facts are those of Kafka's own table of errors (`Errors.java`), for the codes a producer and its tests can meet.

1. A code that is not in the table gets a row of its own. It ends what it was the answer to, and nothing else.
2. `persisted` errs on the side of MAYBE: a record said to be lost that is there after all is stored twice when it is
   sent again. Where nothing was sent that could be persisted (metadata, a producer id) it says nothing.
3. `fatal` rows end the producer when a produce request gets them. The same code on another request may be recoverable.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from aioproducer import errors
from aioproducer.errors import BrokerError, Persisted


class ErrorCode(NamedTuple):
    """One row. `meaning` says what happened and what to do about it.

    retriable: the same request may succeed later. refresh_metadata: what is known of the cluster is out of date.
    persisted: whether the records of a produce request that got this answer are in the log.
    """

    code: int
    name: str
    meaning: str
    retriable: bool = False
    refresh_metadata: bool = False
    persisted: Persisted = Persisted.NO
    fatal: bool = False
    error_class: type[BrokerError] = BrokerError

    @property
    def possibly_persisted(self) -> bool:
        """The records may be in the log, and may not."""
        return self.persisted is Persisted.MAYBE


_ROWS = (
    ErrorCode(
        -1,
        "UNKNOWN_SERVER_ERROR",
        "the broker failed in a way it has no code for; its own log says how",
        persisted=Persisted.MAYBE,
    ),
    ErrorCode(0, "NONE", "no error", persisted=Persisted.YES),
    ErrorCode(
        1, "OFFSET_OUT_OF_RANGE", "the log has no such offset; read from an offset between its start and its end"
    ),
    ErrorCode(
        2,
        "CORRUPT_MESSAGE",
        "the batch arrived damaged; if retries do not help, look for what changes bytes on the way",
        retriable=True,
        error_class=errors.CorruptRecordError,
    ),
    ErrorCode(
        3,
        "UNKNOWN_TOPIC_OR_PARTITION",
        "the topic or partition does not exist there; create it, or wait until all brokers know it",
        retriable=True,
        refresh_metadata=True,
        error_class=errors.UnknownTopicOrPartitionError,
    ),
    ErrorCode(
        5,
        "LEADER_NOT_AVAILABLE",
        "the partition has no leader at the moment; wait for the election, or bring its replicas back",
        retriable=True,
        refresh_metadata=True,
        error_class=errors.LeaderNotAvailableError,
    ),
    # With acks=all also the answer to a batch that was appended before the leadership moved away (DelayedProduce).
    ErrorCode(
        6,
        "NOT_LEADER_OR_FOLLOWER",
        "the broker does not lead the partition any more; ask the new leader",
        retriable=True,
        refresh_metadata=True,
        persisted=Persisted.MAYBE,
        error_class=errors.NotLeaderOrFollowerError,
    ),
    ErrorCode(
        7,
        "REQUEST_TIMED_OUT",
        "the replicas did not confirm within request_timeout_ms; look for slow or lost replicas",
        retriable=True,
        persisted=Persisted.MAYBE,
        error_class=errors.RequestTimedOutError,
    ),
    ErrorCode(8, "BROKER_NOT_AVAILABLE", "the broker is not available; look whether it is up"),
    ErrorCode(
        9,
        "REPLICA_NOT_AVAILABLE",
        "the broker has no replica of the partition; wait until it is assigned",
        retriable=True,
        refresh_metadata=True,
    ),
    ErrorCode(
        10,
        "MESSAGE_TOO_LARGE",
        "larger than the topic's max.message.bytes; send smaller records, lower batch_size or batch_max_size, or raise "
        "that limit",
        error_class=errors.RecordTooLargeError,
    ),
    ErrorCode(12, "OFFSET_METADATA_TOO_LARGE", "the text committed with an offset is too long; shorten it"),
    ErrorCode(
        13,
        "NETWORK_EXCEPTION",
        "the connection was lost before the answer came; look at the network and the broker",
        retriable=True,
        refresh_metadata=True,
        persisted=Persisted.MAYBE,
    ),
    ErrorCode(14, "COORDINATOR_LOAD_IN_PROGRESS", "the coordinator is still loading its state; wait", retriable=True),
    ErrorCode(
        15,
        "COORDINATOR_NOT_AVAILABLE",
        "there is no coordinator at the moment; wait, or look at the internal topics' replicas",
        retriable=True,
    ),
    ErrorCode(16, "NOT_COORDINATOR", "another broker coordinates now; find it again", retriable=True),
    ErrorCode(
        17,
        "INVALID_TOPIC_EXCEPTION",
        "Kafka does not allow this name, or clients to write to this topic; use another topic",
        error_class=errors.InvalidTopicError,
    ),
    ErrorCode(
        18,
        "RECORD_LIST_TOO_LARGE",
        "the batch is larger than a segment of the log; lower batch_size or batch_max_size, or raise segment.bytes",
    ),
    ErrorCode(
        19,
        "NOT_ENOUGH_REPLICAS",
        "fewer replicas in sync than min.insync.replicas, nothing was appended; bring replicas back",
        retriable=True,
        error_class=errors.NotEnoughReplicasError,
    ),
    ErrorCode(
        20,
        "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
        "appended, but on fewer replicas than min.insync.replicas; bring replicas back",
        retriable=True,
        persisted=Persisted.MAYBE,
        error_class=errors.NotEnoughReplicasAfterAppendError,
    ),
    ErrorCode(21, "INVALID_REQUIRED_ACKS", "the broker takes no such acks; give all, 1 or 0"),
    ErrorCode(22, "ILLEGAL_GENERATION", "the consumer group has moved on; take the group's current generation"),
    ErrorCode(25, "UNKNOWN_MEMBER_ID", "the consumer is no member of the group any more; let it join again"),
    ErrorCode(
        29,
        "TOPIC_AUTHORIZATION_FAILED",
        "not allowed on this topic; grant this client WRITE and DESCRIBE",
        error_class=errors.TopicAuthorizationError,
    ),
    ErrorCode(30, "GROUP_AUTHORIZATION_FAILED", "not allowed for this group; grant this client READ on it"),
    ErrorCode(
        31,
        "CLUSTER_AUTHORIZATION_FAILED",
        "not allowed on the cluster; grant this client IDEMPOTENT_WRITE, or set enable_idempotence=False",
        fatal=True,
        error_class=errors.ClusterAuthorizationError,
    ),
    ErrorCode(
        32,
        "INVALID_TIMESTAMP",
        "a timestamp is further from now than the topic accepts; correct it, or the topic's limits",
        error_class=errors.InvalidTimestampError,
    ),
    ErrorCode(
        33, "UNSUPPORTED_SASL_MECHANISM", "the broker does not offer this SASL mechanism; use one that it offers"
    ),
    ErrorCode(34, "ILLEGAL_SASL_STATE", "SASL out of turn, or on a listener without it; check the listener's protocol"),
    ErrorCode(
        35,
        "UNSUPPORTED_VERSION",
        "the broker does not speak this version of the request; upgrade the older side",
        fatal=True,
    ),
    ErrorCode(36, "TOPIC_ALREADY_EXISTS", "a topic of this name exists already; use it, or another name"),
    ErrorCode(37, "INVALID_PARTITIONS", "a topic can not have this number of partitions; give 1 or more"),
    ErrorCode(
        38, "INVALID_REPLICATION_FACTOR", "more replicas asked for than there are brokers; ask for fewer, or start more"
    ),
    ErrorCode(
        39,
        "INVALID_REPLICA_ASSIGNMENT",
        "the assignment names brokers that do not exist or the wrong number; correct it",
    ),
    ErrorCode(40, "INVALID_CONFIG", "a topic setting has a value it may not have; correct it"),
    ErrorCode(
        41,
        "NOT_CONTROLLER",
        "the broker is not the controller; ask the one that the metadata names",
        retriable=True,
    ),
    ErrorCode(42, "INVALID_REQUEST", "the broker takes the request for malformed; its own log says why"),
    ErrorCode(
        43,
        "UNSUPPORTED_FOR_MESSAGE_FORMAT",
        "the topic keeps an old message format; upgrade it, or turn idempotence off",
    ),
    ErrorCode(
        44,
        "POLICY_VIOLATION",
        "a policy of the cluster forbids this; ask those who run it which one",
        error_class=errors.PolicyViolationError,
    ),
    ErrorCode(
        45,
        "OUT_OF_ORDER_SEQUENCE_NUMBER",
        "it does not follow the last sequence the broker knows; unless an earlier attempt was stored, send it again",
        error_class=errors.OutOfOrderSequenceError,
    ),
    ErrorCode(
        46,
        "DUPLICATE_SEQUENCE_NUMBER",
        "the broker has this batch already; it is stored, its offset is not known",
        persisted=Persisted.YES,
    ),
    ErrorCode(
        47,
        "INVALID_PRODUCER_EPOCH",
        "a newer epoch of this producer id has written; unless an earlier attempt was stored, send it again",
        error_class=errors.InvalidProducerEpochError,
    ),
    ErrorCode(48, "INVALID_TXN_STATE", "the transaction is not in a state that allows this; abort it"),
    ErrorCode(
        49, "INVALID_PRODUCER_ID_MAPPING", "the coordinator knows another producer id; make a new producer", fatal=True
    ),
    ErrorCode(
        50, "INVALID_TRANSACTION_TIMEOUT", "longer than the broker's transaction.max.timeout.ms; give a shorter timeout"
    ),
    ErrorCode(51, "CONCURRENT_TRANSACTIONS", "the transaction before is still being completed; wait", retriable=True),
    ErrorCode(52, "TRANSACTION_COORDINATOR_FENCED", "a newer coordinator has taken over; make a new producer"),
    ErrorCode(
        53,
        "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
        "not allowed with this transactional id; grant WRITE on it, then make a new producer",
        fatal=True,
    ),
    ErrorCode(
        55, "OPERATION_NOT_ATTEMPTED", "not tried because another part of the request failed; look for that error"
    ),
    # The disk may fail after the append as well as before it.
    ErrorCode(
        56,
        "KAFKA_STORAGE_ERROR",
        "the leader's disk failed; wait for another leader, and look at that broker",
        retriable=True,
        refresh_metadata=True,
        persisted=Persisted.MAYBE,
        error_class=errors.KafkaStorageError,
    ),
    ErrorCode(58, "SASL_AUTHENTICATION_FAILED", "the broker did not accept the credentials; check them"),
    ErrorCode(
        59,
        "UNKNOWN_PRODUCER_ID",
        "the broker has forgotten this producer id; unless an earlier attempt was stored, send it again",
        error_class=errors.UnknownProducerIdError,
    ),
    ErrorCode(
        72,
        "LISTENER_NOT_FOUND",
        "the leader does not have the listener used here; configure it on every broker",
        retriable=True,
        refresh_metadata=True,
    ),
    ErrorCode(
        74,
        "FENCED_LEADER_EPOCH",
        "a newer leader has been elected; ask that one",
        retriable=True,
        refresh_metadata=True,
    ),
    ErrorCode(75, "UNKNOWN_LEADER_EPOCH", "the broker has not heard of this leader epoch yet; wait", retriable=True),
    ErrorCode(76, "UNSUPPORTED_COMPRESSION_TYPE", "the broker can not read this codec; use another compression_type"),
    ErrorCode(82, "FENCED_INSTANCE_ID", "another consumer has the same group.instance.id; give each its own"),
    ErrorCode(
        87,
        "INVALID_RECORD",
        "the broker refused the record itself, as one without key on a compacted topic; correct it",
        error_class=errors.InvalidRecordError,
    ),
    ErrorCode(
        89,
        "THROTTLING_QUOTA_EXCEEDED",
        "a quota is used up; send less, or have it raised",
        retriable=True,
        error_class=errors.ThrottlingQuotaExceededError,
    ),
    ErrorCode(
        90,
        "PRODUCER_FENCED",
        "a newer producer with the same transactional id has taken over; close this one",
        fatal=True,
        error_class=errors.ProducerFencedError,
    ),
    ErrorCode(
        100,
        "UNKNOWN_TOPIC_ID",
        "no topic has this id, it may have been created again; look it up by name",
        retriable=True,
        refresh_metadata=True,
    ),
    ErrorCode(
        103,
        "INCONSISTENT_TOPIC_ID",
        "the log belongs to another id of this topic, it may have been created again; look it up",
        retriable=True,
        refresh_metadata=True,
    ),
    ErrorCode(117, "UNKNOWN_SUBSCRIPTION_ID", "the broker wants other metrics now; ask which"),
    ErrorCode(118, "TELEMETRY_TOO_LARGE", "the metrics are larger than the broker takes; send fewer"),
    ErrorCode(
        120, "TRANSACTION_ABORTABLE", "the transaction can not be committed any more; abort it and begin another"
    ),
    ErrorCode(
        129, "REBOOTSTRAP_REQUIRED", "the broker sends its clients elsewhere; start again from bootstrap_servers"
    ),
)

ERROR_CODES: Mapping[int, ErrorCode] = MappingProxyType({row.code: row for row in _ROWS})
"""The rows by code."""


def error_code(code: int) -> ErrorCode:
    """The row of `code`; one made up, not retriable, for a code that is not in the table."""
    row = ERROR_CODES.get(code)
    if row is not None:
        return row
    return ErrorCode(
        code,
        f"UNKNOWN_CODE_{code}",
        "the broker is newer than this client and answers with a code it does not know; upgrade the client",
        persisted=Persisted.MAYBE,
    )


def broker_error(code: int, detail: str = "", broker_message: str | None = None) -> BrokerError:
    """The error for an answer with `code`, never 0.

    detail: what was asked of whom, as "produce to orders[3] on broker 2". broker_message: what the broker wrote itself.
    """
    if code == 0:
        raise ValueError("code 0 is success: there is no error to make; look at the code first")
    row = error_code(code)
    message = f"{row.name} ({code}): {row.meaning}"
    if detail:
        message = f"{detail}: {message}"
    if broker_message:
        # As repr: it comes from outside, and a line break in it would forge lines in logs.
        message = f"{message}; the broker says {broker_message[:500]!r}"
    error = row.error_class(message, code=code, name=row.name, retriable=row.retriable, persisted=row.persisted)
    error.fatal = row.fatal
    return error
