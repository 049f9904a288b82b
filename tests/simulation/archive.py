"""All that ever was in the logs: also what retention, a new leader, or the end of a topic has taken out of them since.

Whoever is about to take something out calls it before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aioproducer.testing import EmbeddedCluster, StoredRecord


@dataclass(slots=True)
class LogArchive:
    """One partition of one incarnation of a topic.

    records: by offset; those that were deleted from the front too. lost: the numbers of records that a change of leader
    took out of the log. forgotten: at which time, and at which end of the log, the broker forgot what it knew of
    producers. deleted_at: when the topic was deleted.
    """

    topic: str
    partition: int
    incarnation: int
    records: dict[int, StoredRecord] = field(default_factory=dict)
    batch_times: dict[int, int] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)
    forgotten: list[tuple[float, int]] = field(default_factory=list)
    deleted_at: float | None = None

    @property
    def name(self) -> str:
        return f"{self.topic}[{self.partition}] incarnation {self.incarnation}"

    def in_order(self) -> list[tuple[int, StoredRecord]]:
        return sorted(self.records.items())


class Archive:
    def __init__(self, cluster: EmbeddedCluster, clock: Callable[[], float]) -> None:
        self.logs: list[LogArchive] = []
        self._cluster = cluster
        self._clock = clock
        self._current: dict[tuple[str, int], LogArchive] = {}
        self._incarnations: dict[str, int] = {}

    def take(self) -> None:
        """Takes over everything that is in the logs."""
        for topic, partitions in self._cluster.topics().items():
            for partition in range(partitions):
                self.log(topic, partition)

    def log(self, topic: str, partition: int) -> LogArchive:
        """The partition's archive, up to date."""
        log = self._current.get((topic, partition))
        if log is None:
            log = LogArchive(topic, partition, self._incarnations.get(topic, 0))
            self._current[topic, partition] = log
            self.logs.append(log)
        for record in self._cluster.records(topic, partition):
            log.records[record.offset] = record
        for batch in self._cluster.batches(topic, partition):
            for offset in range(batch.base_offset, batch.base_offset + batch.record_count):
                log.batch_times[offset] = batch.max_timestamp_ms
        return log

    @contextmanager
    def losing(self) -> Iterator[None]:
        """Around what may make followers leaders: what only the old leader had is lost."""
        self.take()
        yield
        for (topic, partition), log in self._current.items():
            end = self._cluster.end_offset(topic, partition)
            gone = [offset for offset in log.records if offset >= end]
            for offset in gone:
                log.lost.add(number_of(log.records.pop(offset)))
                del log.batch_times[offset]

    def deleted(self, topic: str) -> None:
        """The topic is about to be deleted."""
        self.take()
        self._incarnations[topic] = self._incarnations.get(topic, 0) + 1
        for key in [key for key in self._current if key[0] == topic]:
            self._current.pop(key).deleted_at = self._clock()

    def forgotten(self, topic: str, partition: int) -> None:
        """The broker has forgotten the partition's producers."""
        end = self._cluster.end_offset(topic, partition)
        self.log(topic, partition).forgotten.append((self._clock(), end))


def number_of(record: StoredRecord) -> int:
    """Which of the run's records this is; -1 for one that nobody sent."""
    head = (record.value or b"").partition(b".")[0]
    return int(head) if head.isdigit() else -1
