"""What was written is read back, by a consumer that is not ours, and held against what was sent: every value, counted.

confluent-kafka's Consumer reads each partition from where its log ended before the run to where it ends now, offset by
offset. A value is one of a thousand different ones, sent in turn, so what is missing or there twice has a wrong count.
librdkafka's mock keeps only the last 5 MiB of a partition: of a larger run what is still there is read, and no value
may be there more often than it was sent. Keys, headers and order are the tests' matter.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from functools import cached_property
from typing import Self, TypeAlias

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ListOffsetsResultInfo, OffsetSpec

Ends: TypeAlias = dict[tuple[str, int], int]

ASK_SECONDS = 30.0
READ_SECONDS = 60.0
AT_ONCE = 10_000
ATTEMPTS = 3
PARTITIONS_AT_ONCE = 500
# Offsets of topics just created may have to be asked for again.
PAUSE_SECONDS = 0.1
# librdkafka would tell on standard error of brokers that end, which is what they do here.
QUIET = 0


class ReadBackError(Exception):
    """What is in the log is not what was sent; the text says what is wrong."""


class _LogMovedError(ReadBackError):
    """An offset that was there when it was asked for is not there any more."""


class Reader:
    """Reads from one broker, again and again; as a context manager. It connects when it is first asked."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    @cached_property
    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self._bootstrap, "log_level": QUIET})

    @cached_property
    def _consumer(self) -> Consumer:
        consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": "no group is joined",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "check.crcs": True,
                "log_level": QUIET,
                "fetch.error.backoff.ms": 20,
            }
        )
        self._closing.callback(consumer.close)
        return consumer

    def ends(self, partitions: Iterable[tuple[str, int]]) -> Ends:
        """Where the logs end now."""
        return self._offsets(partitions, OffsetSpec.latest())

    def counts(self, before: Ends, after: Ends) -> tuple[int, Counter[bytes]]:
        """How many records there are between, and the values of those that are still kept."""
        appended = sum(after[place] - begin for place, begin in before.items())
        grown = [place for place, begin in before.items() if after[place] > begin]
        for attempt in range(ATTEMPTS):
            kept = self._offsets(grown, OffsetSpec.earliest())
            begins = {place: max(kept[place], before[place]) for place in grown}
            try:
                return appended, self._read(begins, {place: after[place] for place in grown})
            except _LogMovedError:
                # A log that keeps little has let go of its beginning meanwhile: all of it is read once more.
                if attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError("the loop returns or raises")

    def _read(self, begins: Ends, ends: Ends) -> Counter[bytes]:
        expected = sum(ends[place] - begin for place, begin in begins.items())
        values: Counter[bytes] = Counter()
        following = dict(begins)
        self._consumer.assign([TopicPartition(topic, number, begin) for (topic, number), begin in begins.items()])
        deadline = time.monotonic() + READ_SECONDS
        try:
            while expected > 0:
                for message in self._consumer.consume(min(expected, AT_ONCE), timeout=1.0):
                    error = message.error()
                    if error is not None and error.name() == "_AUTO_OFFSET_RESET":
                        raise _LogMovedError(f"the consumer says: {error}")
                    if error is not None:
                        raise ReadBackError(f"the consumer says: {error}")
                    place = message.topic(), message.partition()
                    if message.offset() != following[place]:
                        raise ReadBackError(f"offset {message.offset()} of {place} instead of {following[place]}")
                    following[place] += 1
                    values[message.value()] += 1
                    expected -= 1
                if time.monotonic() > deadline:
                    raise ReadBackError(f"{expected} records were not read back in {READ_SECONDS:.0f} s")
        finally:
            self._consumer.unassign()
        return values

    def _offsets(self, partitions: Iterable[tuple[str, int]], which: OffsetSpec) -> Ends:
        found: Ends = {}
        for group in _groups([TopicPartition(*place) for place in partitions]):
            deadline = time.monotonic() + ASK_SECONDS
            while True:
                answers: dict[TopicPartition, Future[ListOffsetsResultInfo]] = self._admin.list_offsets(
                    dict.fromkeys(group, which), request_timeout=ASK_SECONDS
                )
                try:
                    found |= {
                        (asked.topic, asked.partition): answer.result(ASK_SECONDS).offset
                        for asked, answer in answers.items()
                    }
                    break
                except KafkaException:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(PAUSE_SECONDS)
        return found


def _groups(partitions: list[TopicPartition]) -> Iterable[list[TopicPartition]]:
    return (partitions[begin : begin + PARTITIONS_AT_ONCE] for begin in range(0, len(partitions), PARTITIONS_AT_ONCE))


def check(appended: int, found: Mapping[bytes, int], sent: Mapping[bytes, int]) -> None:
    """ReadBackError unless the log holds what was sent, once; of a log that keeps less, nothing more often."""
    total, read = sum(sent.values()), sum(found.values())
    if appended != total:
        raise ReadBackError(f"{total} records acknowledged, {appended} in the log")
    for value, count in found.items():
        expected = sent.get(value, 0)
        if count > expected or (read == appended and count != expected):
            raise ReadBackError(f"a value ({value[:16]!r}...) is in the log {count} times instead of {expected}")
    if read == appended and len(found) != len(sent):
        raise ReadBackError(f"{len(sent) - len(found)} values are not in the log")
