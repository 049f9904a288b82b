"""A real Apache Kafka for the benchmarks: one broker, its JVM with the full compiler, thrown away afterwards.

The broker itself comes from the tests' support; Java and Maven are needed. Old log segments are deleted soon, so that a
long run does not fill the disk; the logs' ends, which are what is counted, do not move by that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks.brokers import Broker, create_topics
from benchmarks.shapes import Shape
from tests.support.real_kafka import FAST_JVM, RealKafka

MEBIBYTE = 1024 * 1024


@contextmanager
def real_broker(shapes: Sequence[Shape]) -> Iterator[Broker]:
    """One broker of the newest Kafka the tests know, with the shapes' topics."""
    kafka = RealKafka(
        brokers=1,
        jvm=FAST_JVM,
        log_segment_bytes=32 * MEBIBYTE,
        log_retention_bytes=64 * MEBIBYTE,
        log_retention_check_interval_ms=5_000,
        log_segment_delete_delay_ms=1_000,
    )
    with kafka:
        create_topics(kafka.bootstrap, shapes)
        (detour,) = kafka.detours.values()
        yield Broker(kafka.bootstrap, f"Apache Kafka {kafka.version}, 1 broker on this machine", detour=detour)
