"""The real clusters of one test run: each kind is started when a test first asks for it, and at most one kind runs.

A cluster that no test holds is ended before another kind is started, so the order of the tests decides how often that
happens; `tests/conftest.py` puts them in order. Whether a missing Kafka fails a test or leaves it out is said in
here, too.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

import pytest

from tests.support.jars import NEWEST, OLD, KafkaUnavailableError
from tests.support.real_kafka import RealKafka


class Kind(Enum):
    """What kinds of real clusters there are, in the order in which tests use them: release and number of brokers."""

    ONE = (NEWEST, 1)
    THREE = (NEWEST, 3)
    OLD = (OLD, 1)

    @property
    def version(self) -> str:
        return self.value[0]

    @property
    def brokers(self) -> int:
        return self.value[1]

    @property
    def label(self) -> str:
        return f"kafka-{self.version}-x{self.brokers}"


def is_ci() -> bool:
    """Whether this run has to prove everything: the environment variable CI is set to something that is not a no."""
    return os.environ.get("CI", "").strip().lower() not in ("", "0", "false", "no", "off")


class ClusterPool:
    """Hands out clusters, one test at a time, each mended after what the test before has done to it."""

    def __init__(self) -> None:
        self._running: dict[Kind, RealKafka] = {}
        self._held: Counter[Kind] = Counter()
        self._unavailable: dict[Kind, str] = {}

    @contextmanager
    def lease(self, kind: Kind) -> Iterator[RealKafka]:
        """The cluster of that kind, up and whole. Blocks for the seconds it takes to start.

        Where this machine can not run it, the test is skipped with the reason, or fails if `is_ci()`. A Kafka that
        can be run but does not start is always a failure.
        """
        cluster = self._get(kind)
        self._held[kind] += 1
        try:
            yield cluster
        finally:
            self._held[kind] -= 1

    def held_logs(self) -> dict[str, str]:
        """What the brokers of the clusters in use have logged since they were last leased."""
        return {
            f"{kind.label} broker {node_id}": text
            for kind, cluster in self._running.items()
            if self._held[kind]
            for node_id, text in cluster.recent_logs().items()
        }

    def close(self) -> None:
        for kind in tuple(self._running):
            self._running.pop(kind).stop()

    def _get(self, kind: Kind) -> RealKafka:
        if kind in self._unavailable:
            leave_out(self._unavailable[kind])
        cluster = self._running.get(kind)
        if cluster is not None:
            try:
                cluster.mend()
            except Exception:
                # It can not be mended: the next test gets a new one rather than the same failure.
                self._running.pop(kind).stop()
                raise
            cluster.mark_logs()
            return cluster
        for other in [other for other in self._running if not self._held[other]]:
            self._running.pop(other).stop()
        cluster = RealKafka(kind.version, kind.brokers)
        try:
            cluster.start()
        except KafkaUnavailableError as error:
            self._unavailable[kind] = str(error)
            leave_out(str(error))
        self._running[kind] = cluster
        return cluster


def leave_out(reason: str) -> None:
    """Skips the test, with the reason; in CI it fails."""
    if is_ci():
        pytest.fail(f"needs a real Kafka: {reason} (skipped where CI is not set)", pytrace=False)
    pytest.skip(f"needs a real Kafka: {reason}")
