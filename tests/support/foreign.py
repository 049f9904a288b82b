"""Consumers that we did not write, reading whole topics back: what a producer has really left in the log.

Both read every partition from its beginning up to its high watermark, as asked for *after* the records expected had
come, so records stored twice are returned twice. Neither joins a group or commits. Two consumers, since each has
faults of its own.
"""

from __future__ import annotations

import asyncio
import time
import warnings
from collections import deque
from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple, TypeAlias

from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_CREATE_TIME,
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

with warnings.catch_warnings():
    # kafka-python reads its schemas, on import, by a call that newer Pythons deprecate.
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka import KafkaConsumer
    from kafka import TopicPartition as PythonTopicPartition
    from kafka.errors import KafkaError as PythonKafkaError

TimestampName: TypeAlias = Literal["CreateTime", "LogAppendTime", "NoTimestampType"]
"""As the topic setting `message.timestamp.type` calls them."""

_POLL = 0.1
_CALL = 5.0
_ERRORS_TOLD = 5


class ForeignRecord(NamedTuple):
    partition: int
    offset: int
    timestamp_ms: int
    timestamp_type: TimestampName
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class IncompleteReadError(AssertionError):
    """Fewer records were there than expected when the time was over; `records` are those.

    The message says from where to where the log goes, since records may have gone out of it.
    """

    def __init__(self, message: str, records: list[ForeignRecord]) -> None:
        super().__init__(message)
        self.records = records


def read_all(
    bootstrap: str,
    topic: str,
    expected: int,
    timeout: float = 30.0,
    *,
    isolation: Literal["read_uncommitted", "read_committed"] = "read_uncommitted",
) -> list[ForeignRecord]:
    """All records of the topic by confluent-kafka (librdkafka), in order of partition and offset; blocks.

    Waits up to `timeout` seconds for `expected` records, and returns all there are, also if they are more. Raises
    IncompleteReadError if they are fewer.
    """
    deadline = time.monotonic() + timeout
    errors: deque[str] = deque(maxlen=_ERRORS_TOLD)
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "no group is joined",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "isolation.level": isolation,
            "allow.auto.create.topics": False,
            "enable.partition.eof": True,
            "check.crcs": True,
            "fetch.wait.max.ms": 50,
            "fetch.error.backoff.ms": 50,
            "log_level": 0,
            "error_cb": lambda error: errors.append(str(error)),
        }
    )
    try:
        return _read_all(consumer, topic, expected, deadline, errors)
    finally:
        consumer.close()


def _read_all(
    consumer: Consumer, topic: str, expected: int, deadline: float, errors: deque[str]
) -> list[ForeignRecord]:
    records: list[ForeignRecord] = []
    partitions = _partitions(consumer, topic, deadline)
    next_offsets = dict.fromkeys(partitions, -1)
    at_end: set[int] = set()
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
    while True:
        message = consumer.poll(_POLL)
        if message is not None:
            partition = message.partition()
            error = message.error()
            if error is None:
                records.append(_record(message))
                next_offsets[partition] = message.offset() + 1
                at_end.discard(partition)
                continue
            if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                # The end may be past the last record: markers of transactions take offsets, too.
                next_offsets[partition] = message.offset()
                at_end.add(partition)
            elif error.fatal() or not (error.retriable() or error.code() < 0):
                raise KafkaException(error)
            else:
                errors.append(f"partition {partition}: {error}")
        if len(at_end) == len(partitions) and len(records) >= expected:
            ends = {partition: _bounds(consumer, topic, partition)[1] for partition in partitions}
            if all(next_offsets[partition] >= end for partition, end in ends.items()):
                return sorted(records, key=lambda record: record[:2])
            at_end = {partition for partition in at_end if next_offsets[partition] >= ends[partition]}
        if time.monotonic() > deadline:
            raise _incomplete(topic, expected, records, _log(consumer, topic, partitions), errors)


def _partitions(consumer: Consumer, topic: str, deadline: float) -> list[int]:
    """Waits for the topic: a client asked about one that was made a moment ago may reach a broker that lags."""
    while True:
        try:
            found = consumer.list_topics(topic, timeout=_CALL).topics[topic]
            if found.error is None and found.partitions:
                return sorted(found.partitions)
            reason = str(found.error)
        except KafkaException as error:
            reason = str(error)
        if time.monotonic() > deadline:
            raise IncompleteReadError(f"{topic} could not be read: {reason}", [])
        time.sleep(_POLL)


def _bounds(consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
    """The first offset that is in the log, and the one past its last."""
    first, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_CALL, cached=False)
    return int(first), int(end)


def _log(consumer: Consumer, topic: str, partitions: list[int]) -> str:
    try:
        return _told({partition: _bounds(consumer, topic, partition) for partition in partitions})
    except KafkaException as error:
        return f"where its log begins and ends could not be asked: {error}"


def _record(message: Message) -> ForeignRecord:
    kind, timestamp_ms = message.timestamp()
    names: dict[int, TimestampName] = {TIMESTAMP_CREATE_TIME: "CreateTime", TIMESTAMP_LOG_APPEND_TIME: "LogAppendTime"}
    return ForeignRecord(
        partition=message.partition(),
        offset=message.offset(),
        timestamp_ms=timestamp_ms,
        timestamp_type=names.get(kind, "NoTimestampType"),
        key=message.key(),
        value=message.value(),
        headers=tuple(message.headers() or ()),
    )


def read_all_with_kafka_python(bootstrap: str, topic: str, expected: int, timeout: float = 30.0) -> list[ForeignRecord]:
    """The same by kafka-python, written from nothing in Python; it does not get on with librdkafka's mock cluster."""
    deadline = time.monotonic() + timeout
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap.split(","),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        check_crcs=True,
        fetch_max_wait_ms=50,
        request_timeout_ms=10_000,
        allow_auto_create_topics=False,
    )
    records: list[ForeignRecord] = []
    try:
        while not (found := consumer.partitions_for_topic(topic)):
            if time.monotonic() > deadline:
                raise IncompleteReadError(f"{topic} could not be read: it has no partitions", [])
            time.sleep(_POLL)
        partitions = [PythonTopicPartition(topic, partition) for partition in sorted(found)]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        while True:
            for batch in consumer.poll(timeout_ms=int(_POLL * 1000)).values():
                for message in batch:
                    records.append(
                        ForeignRecord(
                            partition=message.partition,
                            offset=message.offset,
                            timestamp_ms=message.timestamp,
                            timestamp_type="LogAppendTime" if message.timestamp_type == 1 else "CreateTime",
                            key=message.key,
                            value=message.value,
                            headers=tuple((name, value) for name, value in message.headers),
                        )
                    )
            if len(records) >= expected:
                ends = consumer.end_offsets(partitions)
                if all(consumer.position(partition) >= end for partition, end in ends.items()):
                    return sorted(records, key=lambda record: record[:2])
            if time.monotonic() > deadline:
                raise _incomplete(topic, expected, records, _python_log(consumer, partitions))
    finally:
        consumer.close()


def _python_log(consumer: KafkaConsumer, partitions: list[PythonTopicPartition]) -> str:
    try:
        firsts, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
    except PythonKafkaError as error:
        return f"where its log begins and ends could not be asked: {error}"
    return _told({where.partition: (firsts[where], ends[where]) for where in partitions})


async def read_all_async(
    bootstrap: str,
    topic: str,
    expected: int,
    timeout: float = 30.0,
    *,
    isolation: Literal["read_uncommitted", "read_committed"] = "read_uncommitted",
) -> list[ForeignRecord]:
    """`read_all` in a worker thread, so that a broker on this loop can answer it."""
    return await asyncio.to_thread(read_all, bootstrap, topic, expected, timeout, isolation=isolation)


async def read_all_with_kafka_python_async(
    bootstrap: str, topic: str, expected: int, timeout: float = 30.0
) -> list[ForeignRecord]:
    """`read_all_with_kafka_python` in a worker thread."""
    return await asyncio.to_thread(read_all_with_kafka_python, bootstrap, topic, expected, timeout)


def _told(bounds: Mapping[int, tuple[int, int]]) -> str:
    return ", ".join(f"partition {partition} goes from {first} to {end}" for partition, (first, end) in bounds.items())


def _incomplete(
    topic: str, expected: int, records: list[ForeignRecord], log: str, errors: Collection[str] = ()
) -> IncompleteReadError:
    said = f"; the consumer said: {', '.join(errors)}" if errors else ""
    return IncompleteReadError(
        f"{topic} holds {len(records)} records, not {expected}, when the time was over; {log}{said}", records
    )
