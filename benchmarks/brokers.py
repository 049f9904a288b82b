"""Where the records go: librdkafka's mock in a process of its own, or a broker that is there already.

Each is a context manager that gives a `Broker` on which the topics of all shapes exist; one that starts a real Kafka is
in `real_broker`. Also counts what is in a topic's log: acknowledged has to be what was appended.
"""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks.shapes import Shape

ASK_SECONDS = 30.0


class NoBrokerError(Exception):
    """There is no broker to measure with; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Broker:
    """A running broker. `description` goes into the report."""

    bootstrap: str
    description: str

    def log_end(self, topic: str, partitions: int) -> int:
        """The number of records ever appended to the topic: the sum of its partitions' high watermarks."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": f"count-{uuid.uuid4()}"})
        try:
            return sum(_high_watermark(consumer, TopicPartition(topic, partition)) for partition in range(partitions))
        finally:
            consumer.close()


def _high_watermark(consumer: Consumer, partition: TopicPartition) -> int:
    """Asks again for a while: a topic just created may have no leader yet."""
    deadline = time.monotonic() + ASK_SECONDS
    while True:
        try:
            low_and_high: tuple[int, int] = consumer.get_watermark_offsets(partition, timeout=ASK_SECONDS)
            return low_and_high[1]
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@contextmanager
def mock_broker(shapes: Sequence[Shape]) -> Iterator[Broker]:
    """librdkafka's mock, ended with this context."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.mock_broker",
        *(f"{shape.topic}:{shape.partitions}" for shape in shapes),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the mock broker has no pipes")
        try:
            bootstrap = process.stdout.readline().strip()
            if not bootstrap:
                raise NoBrokerError(f"the mock broker did not start: {' '.join(command)}")
            yield Broker(bootstrap, "librdkafka mock, 1 broker")
        finally:
            process.stdin.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def running_broker(bootstrap: str, shapes: Sequence[Shape]) -> Iterator[Broker]:
    """A broker that is there already; topics that it lacks are created, with one replica."""
    create_topics(bootstrap, shapes)
    yield Broker(bootstrap, f"the broker at {bootstrap}")


def create_topics(bootstrap: str, shapes: Sequence[Shape]) -> None:
    """Create the shapes' topics where they do not exist; NoBrokerError if that can not be done."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    try:
        there = admin.list_topics(timeout=ASK_SECONDS).topics
    except KafkaException as error:
        raise NoBrokerError(f"no broker answers at {bootstrap}: {error}") from error
    missing = [NewTopic(shape.topic, shape.partitions, 1) for shape in shapes if shape.topic not in there]
    if missing:
        for topic, created in admin.create_topics(missing, operation_timeout=ASK_SECONDS).items():
            try:
                created.result(ASK_SECONDS)
            except (KafkaException, TimeoutError) as error:
                raise NoBrokerError(
                    f"{bootstrap} did not create topic {topic}; create it yourself: {error!r}"
                ) from error
    for shape in shapes:
        known = there.get(shape.topic)
        if known is not None and len(known.partitions) != shape.partitions:
            raise NoBrokerError(
                f"topic {shape.topic} has {len(known.partitions)} partitions instead of {shape.partitions}; delete it"
            )
