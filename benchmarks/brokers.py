"""Where the records go: librdkafka's mock in a process of its own, or a broker that is there already.

Each is a context manager that gives a `Broker` on which the topics of all shapes exist; one that starts a real Kafka is
in `real_broker`. Also counts what is in a topic's log: acknowledged has to be what was appended.
"""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
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
    """A running broker. `description` goes into the report.

    detour: two of its ports: who comes in by the second is told that the cluster is at the first, where nobody listens;
    a proxy that counts can. answer_late: from now on its answers come so many milliseconds later. None where the broker
    has no such thing.
    """

    bootstrap: str
    description: str
    detour: tuple[int, int] | None = None
    answer_late: Callable[[int], None] | None = None

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


def mock_title(rtt_ms: int) -> str:
    """How a mock with these arguments is called in the report."""
    return f"librdkafka mock, 1 broker, answers {rtt_ms} ms late" if rtt_ms else "librdkafka mock, 1 broker"


@contextmanager
def mock_broker(shapes: Sequence[Shape], *, rtt_ms: int = 0) -> Iterator[Broker]:
    """librdkafka's mock, ended with this context. Its answers come `rtt_ms` later."""
    command = [sys.executable, "-m", "benchmarks.mock_broker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        orders, answers = process.stdin, process.stdout
        if orders is None or answers is None:
            raise RuntimeError("the mock broker has no pipes")

        def order(line: str) -> None:
            orders.write(f"{line}\n")
            orders.flush()
            if answers.readline() != "done\n":
                raise NoBrokerError(f"the mock broker ended at the order {line[:80]}")

        try:
            bootstrap = answers.readline().strip()
            if not bootstrap:
                raise NoBrokerError(f"the mock broker did not start: {' '.join(command)}")
            topics = [f"{name}:{shape.partitions}" for shape in shapes for name in shape.topic_names]
            order(f"topics {' '.join(topics)}")
            if rtt_ms:
                order(f"rtt {rtt_ms}")
            yield Broker(bootstrap, mock_title(rtt_ms), answer_late=lambda ms: order(f"rtt {ms}"))
        finally:
            orders.close()
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
    wanted = {name: shape.partitions for shape in shapes for name in shape.topic_names}
    missing = [NewTopic(name, partitions, 1) for name, partitions in wanted.items() if name not in there]
    if missing:
        for topic, created in admin.create_topics(missing, operation_timeout=ASK_SECONDS).items():
            try:
                created.result(ASK_SECONDS)
            except (KafkaException, TimeoutError) as error:
                raise NoBrokerError(
                    f"{bootstrap} did not create topic {topic}; create it yourself: {error!r}"
                ) from error
    for name, partitions in wanted.items():
        known = there.get(name)
        if known is not None and len(known.partitions) != partitions:
            raise NoBrokerError(
                f"topic {name} has {len(known.partitions)} partitions instead of {partitions}; delete it"
            )
