"""Where the records of these loads go: a mock for each run, or a broker that is there already; and how many it has.

The mock keeps what it gets in memory, so that one for all runs would grow with them.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from benchmarks.brokers import NoBrokerError
from benchmarks.growth.loads import Load, TopicSpec

ASK_SECONDS = 60.0
TOPICS_PER_REQUEST = 500
MOCK = "librdkafka mock, 1 broker, a new one for each run"


@contextmanager
def mock_broker(load: Load) -> Iterator[str]:
    """The bootstrap of a mock with the load's topics, ended with this context."""
    command = [sys.executable, "-m", "benchmarks.growth.mock_broker", load.name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the mock broker has no pipes")
        try:
            bootstrap = process.stdout.readline().strip()
            if not bootstrap:
                raise NoBrokerError(f"the mock broker did not start: {' '.join(command)}")
            yield bootstrap
        finally:
            process.stdin.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def running_broker(bootstrap: str, load: Load) -> Iterator[str]:
    """A broker that is there already; topics that it lacks are created, with one replica."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    try:
        there = admin.list_topics(timeout=ASK_SECONDS).topics
    except KafkaException as error:
        raise NoBrokerError(f"no broker answers at {bootstrap}: {error}") from error
    missing = [spec for spec in load.specs if spec.topic not in there]
    for first in range(0, len(missing), TOPICS_PER_REQUEST):
        _create(admin, bootstrap, missing[first : first + TOPICS_PER_REQUEST])
    yield bootstrap


def _create(admin: AdminClient, bootstrap: str, specs: list[TopicSpec]) -> None:
    new = [NewTopic(spec.topic, spec.partitions, 1) for spec in specs]
    for topic, created in admin.create_topics(new, operation_timeout=ASK_SECONDS).items():
        try:
            created.result(ASK_SECONDS)
        except (KafkaException, TimeoutError) as error:
            raise NoBrokerError(f"{bootstrap} did not create topic {topic}; create it yourself: {error!r}") from error


def log_end(bootstrap: str, load: Load) -> int:
    """The number of records ever appended to the load's topics: the sum of their partitions' ends."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    deadline = time.monotonic() + ASK_SECONDS
    while True:
        try:
            # A client that knows no broker yet finds no leaders for so many partitions.
            admin.list_topics(load.names[0], timeout=ASK_SECONDS)
            asked = {TopicPartition(name, partition): OffsetSpec.latest() for name, partition in load.everywhere()}
            answers = admin.list_offsets(asked, request_timeout=ASK_SECONDS)
            return sum(answer.result(ASK_SECONDS).offset for answer in answers.values())
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
