"""Every error this package raises, under one root. What to do is in the type and in four attributes.

    KafkaError
    ├── ConfigurationError (ValueError)         options: every fault at once, in `.faults`
    ├── InvalidArgumentError (ValueError)       an argument of a call has a value it may not have
    ├── ArgumentTypeError (TypeError)           an argument of a call has a type it may not have
    ├── SerializationError (ValueError)         a serializer raised, or returned something that is not bytes
    ├── PartitionerError (ValueError)           a partitioner raised, or returned something that is no partition
    ├── MisuseError (RuntimeError)              called at the wrong time, on the wrong loop, from the wrong thread
    │   ├── ProducerNotStartedError
    │   └── ProducerClosedError
    ├── KafkaTimeoutError (TimeoutError)        a time of the configuration or of a call was over
    │   ├── DeliveryTimeoutError                `delivery_timeout_ms`: the last broker error is `__cause__`
    │   ├── MaxBlockTimeoutError                `max_block_ms`: neither room nor metadata came in time
    │   │   ├── BufferFullError                 … no room in `buffer_memory`
    │   │   └── MetadataTimeoutError            … the topic or the partition stayed unknown
    │   ├── RequestTimeoutError                 `request_timeout_ms`: a broker left a request unanswered
    │   ├── ConnectTimeoutError                 `socket_connection_setup_timeout_ms`
    │   ├── FlushTimeoutError                   `flush(timeout)`: the records are still alive
    │   └── StartTimeoutError                   no broker of the bootstrap list answered in time
    ├── ConnectionFailedError (ConnectionError) a connection was refused, reset or closed
    ├── ProtocolError                           a peer sent bytes that are not Kafka's protocol
    ├── UnsupportedVersionError                 client and broker have no version of an API, or a feature, in common
    ├── BulkSendError                           `send_all()`: how many failed, and the first of them
    ├── ProducerFailedError                     a background task died; its error is `__cause__`
    └── BrokerError                             a broker's own answer: `.code`, `.name`
        ├── UnknownTopicOrPartitionError, InvalidTopicError (ValueError), TopicAuthorizationError,
        ├── RecordTooLargeError (ValueError), InvalidRecordError, InvalidTimestampError, CorruptRecordError,
        ├── NotEnoughReplicasError, NotEnoughReplicasAfterAppendError, NotLeaderOrFollowerError,
        ├── LeaderNotAvailableError, KafkaStorageError, RequestTimedOutError (TimeoutError),
        ├── OutOfOrderSequenceError, UnknownProducerIdError, InvalidProducerEpochError, ProducerFencedError,
        └── ClusterAuthorizationError, PolicyViolationError, ThrottlingQuotaExceededError

The names of broker errors are Java's with Error for Exception; the codes and how each is handled are the table in
`aioproducer.protocol.error_codes`. An error may be raised from several awaiting tasks, so nothing is added to it
then.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum


class Persisted(Enum):
    """Whether the record that an error speaks of is in the log."""

    NO = "no"
    MAYBE = "maybe"
    YES = "yes"


class KafkaError(Exception):
    """The root.

    retriable: the same call may succeed later, unchanged; the producer has already retried as configured.
    fatal: this producer can not be used any more; close it and make a new one.
    abortable: the current transaction has to be aborted, after which the producer goes on.
    persisted: whether the record this is about is not, possibly or certainly in the log.
    """

    retriable: bool = False
    fatal: bool = False
    abortable: bool = False
    persisted: Persisted = Persisted.NO

    def __init__(self, message: str, *, persisted: Persisted | None = None) -> None:
        super().__init__(message)
        if persisted is not None:
            self.persisted = persisted


class ConfigurationError(KafkaError, ValueError):
    """Options that can not be used. `faults` holds one sentence each: the key, the value, the remedy."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(self.faults))

    def __reduce__(self) -> tuple[type[ConfigurationError], tuple[tuple[str, ...]]]:
        return type(self), (self.faults,)


class InvalidArgumentError(KafkaError, ValueError):
    """An argument of a call has a value it may not have; nothing was buffered."""


class ArgumentTypeError(KafkaError, TypeError):
    """An argument of a call has a type it may not have; nothing was buffered."""


class SerializationError(KafkaError, ValueError):
    """A serializer raised, or returned something that is not bytes; nothing was buffered."""


class PartitionerError(KafkaError, ValueError):
    """A partitioner raised, or returned something that is no partition of the topic; nothing was buffered."""


class MisuseError(KafkaError, RuntimeError):
    """A call at the wrong time, on another loop or from another thread; the message says what to do."""


class ProducerNotStartedError(MisuseError):
    """The producer was used before `start()`."""


class ProducerClosedError(MisuseError):
    """The producer was used after `close()`, or was closed before this record was settled."""


class KafkaTimeoutError(KafkaError, TimeoutError):
    """A time of the configuration or of a call was over."""

    retriable = True


class DeliveryTimeoutError(KafkaTimeoutError):
    """`delivery_timeout_ms` was over before the record was acknowledged; the last broker error is the cause.

    With `persisted` MAYBE, sending the record again may store it twice.
    """


class MaxBlockTimeoutError(KafkaTimeoutError):
    """`max_block_ms` was over before the record could be accepted."""


class BufferFullError(MaxBlockTimeoutError):
    """No room in `buffer_memory` came free within `max_block_ms`."""


class MetadataTimeoutError(MaxBlockTimeoutError):
    """The topic, or the partition asked for, stayed unknown for `max_block_ms`; the last topic error is the cause."""


class RequestTimeoutError(KafkaTimeoutError):
    """A broker left a request unanswered for `request_timeout_ms`; its connection was closed."""

    persisted = Persisted.MAYBE


class ConnectTimeoutError(KafkaTimeoutError):
    """A connection was not up, handshake included, within `socket_connection_setup_timeout_ms`."""


class FlushTimeoutError(KafkaTimeoutError):
    """`flush(timeout)` ended before everything was settled. The records are alive and go on."""

    persisted = Persisted.MAYBE


class StartTimeoutError(KafkaTimeoutError):
    """No server of `bootstrap_servers` answered within `max_block_ms`; the cause says what the last one did."""


class ConnectionFailedError(KafkaError, ConnectionError):
    """A connection could not be made, or was lost."""

    retriable = True


class ProtocolError(KafkaError):
    """A peer sent bytes that are not Kafka's protocol, or not the answer to what was asked."""

    retriable = True


class UnsupportedVersionError(KafkaError):
    """Client and broker have no version of an API in common, or the version in common lacks a feature."""


class ProducerFailedError(KafkaError):
    """A background task of the producer died, which is a bug; the cause is attached."""

    fatal = True
    persisted = Persisted.MAYBE


class BulkSendError(KafkaError):
    """Some records of a `send_all()` failed; everything is settled. The error of the first is the cause.

    sent: records sent. failed: how many of them failed. first_index: which was the first that did, from 0.
    """

    persisted = Persisted.MAYBE

    def __init__(
        self,
        message: str,
        *,
        sent: int = 0,
        failed: int = 0,
        first_index: int = -1,
        persisted: Persisted | None = None,
    ) -> None:
        super().__init__(message, persisted=persisted)
        self.sent = sent
        self.failed = failed
        self.first_index = first_index


class BrokerError(KafkaError):
    """An answer of a broker. `code` and `name` are Kafka's (`NOT_ENOUGH_REPLICAS`, 19)."""

    code: int = -1
    name: str = "UNKNOWN_SERVER_ERROR"

    def __init__(
        self,
        message: str,
        *,
        code: int | None = None,
        name: str | None = None,
        retriable: bool | None = None,
        persisted: Persisted | None = None,
    ) -> None:
        super().__init__(message, persisted=persisted)
        if code is not None:
            self.code = code
        if name is not None:
            self.name = name
        if retriable is not None:
            self.retriable = retriable


class CorruptRecordError(BrokerError):
    """The broker found a batch damaged on its way."""

    code, name, retriable = 2, "CORRUPT_MESSAGE", True


class UnknownTopicOrPartitionError(BrokerError):
    """The topic or the partition does not exist, or not on the broker that was asked."""

    code, name, retriable = 3, "UNKNOWN_TOPIC_OR_PARTITION", True


class LeaderNotAvailableError(BrokerError):
    """The partition has no leader at the moment."""

    code, name, retriable = 5, "LEADER_NOT_AVAILABLE", True


class NotLeaderOrFollowerError(BrokerError):
    """The broker that was asked does not lead the partition any more."""

    code, name, retriable = 6, "NOT_LEADER_OR_FOLLOWER", True
    persisted = Persisted.MAYBE


class RequestTimedOutError(BrokerError, TimeoutError):
    """The replicas did not have the record within the request's time-out; the leader may have it."""

    code, name, retriable = 7, "REQUEST_TIMED_OUT", True
    persisted = Persisted.MAYBE


class RecordTooLargeError(BrokerError, ValueError):
    """A record is larger than `max_request_size`, or than the topic's `max.message.bytes`."""

    code, name = 10, "MESSAGE_TOO_LARGE"


class InvalidTopicError(BrokerError, ValueError):
    """A name that Kafka does not allow for a topic."""

    code, name = 17, "INVALID_TOPIC_EXCEPTION"


class NotEnoughReplicasError(BrokerError):
    """Fewer replicas are in sync than the topic's `min.insync.replicas`; nothing was appended."""

    code, name, retriable = 19, "NOT_ENOUGH_REPLICAS", True


class NotEnoughReplicasAfterAppendError(BrokerError):
    """The leader appended the record, but fewer replicas than `min.insync.replicas` have it."""

    code, name, retriable = 20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND", True
    persisted = Persisted.MAYBE


class TopicAuthorizationError(BrokerError):
    """This client may not write to, or describe, the topic."""

    code, name = 29, "TOPIC_AUTHORIZATION_FAILED"


class ClusterAuthorizationError(BrokerError):
    """This client may not write idempotently to the cluster."""

    code, name = 31, "CLUSTER_AUTHORIZATION_FAILED"


class InvalidTimestampError(BrokerError):
    """A record's timestamp is outside of what the topic accepts."""

    code, name = 32, "INVALID_TIMESTAMP"


class PolicyViolationError(BrokerError):
    """A policy of the cluster refuses the request."""

    code, name = 44, "POLICY_VIOLATION"


class OutOfOrderSequenceError(BrokerError):
    """The broker expected another sequence number: something before this record is missing in its log, or the record is
    there since an attempt that the broker does not remember.
    """

    code, name = 45, "OUT_OF_ORDER_SEQUENCE_NUMBER"


class InvalidProducerEpochError(BrokerError):
    """A newer epoch of this producer id has written to the partition."""

    code, name = 47, "INVALID_PRODUCER_EPOCH"


class KafkaStorageError(BrokerError):
    """The leader's disk failed."""

    code, name, retriable = 56, "KAFKA_STORAGE_ERROR", True
    persisted = Persisted.MAYBE


class UnknownProducerIdError(BrokerError):
    """The broker has forgotten this producer id for the partition, records of it may be deleted."""

    code, name = 59, "UNKNOWN_PRODUCER_ID"


class InvalidRecordError(BrokerError):
    """The broker refused this very record, for example one without key on a compacted topic."""

    code, name = 87, "INVALID_RECORD"


class ThrottlingQuotaExceededError(BrokerError):
    """A quota of the cluster is used up."""

    code, name, retriable = 89, "THROTTLING_QUOTA_EXCEEDED", True


class ProducerFencedError(BrokerError):
    """A newer producer with the same transactional id has taken over."""

    code, name = 90, "PRODUCER_FENCED"
    fatal: bool = True


__all__ = [name for name, value in list(globals().items()) if isinstance(value, type) and value.__module__ == __name__]
