"""Java's own producer, by the perf tool that comes with Kafka: its rate as it prints it, its CPU as the kernel has it.

The tool has no warm-up that costs are taken without: it sends more records than the others, and a run of one record is
taken off, which is what starting a JVM costs. Compiling is still in there.
"""

from __future__ import annotations

import re
import resource
import subprocess
from functools import cache

from benchmarks.figures import Sample
from benchmarks.programs import RunFailedError
from benchmarks.shapes import Shape
from tests.support.jars import NEWEST, KafkaUnavailableError, java, kafka_jars

LIMIT_SECONDS = 120.0
MORE_BYTES = 30_000_000
"""At least so many, if the others' records are fewer, for the compiler to be done with most of its work."""

START_TOPIC = "bench-java-start"
_ONE = Shape(name="java-start", title="", records=1, quick_records=1, value_size=100, tasks=0, linger_ms=5)
_RESULT = re.compile(r"(\d+) records sent, ([\d.]+) records/sec")


def refuses(shape: Shape) -> str | None:
    """Why the tool can not send this shape."""
    if not shape.bare or shape.tasks:
        return "its tool sends values of one size, and awaits none"
    try:
        java()
        kafka_jars(NEWEST)
    except KafkaUnavailableError as error:
        return str(error)
    return None


def more(shape: Shape, records: int) -> int:
    """How many records it sends where others send `records`."""
    return max(records, MORE_BYTES // shape.value_size)


def send(bootstrap: str, shape: Shape, records: int) -> Sample:
    """`records` at full speed. RunFailedError if the tool does not end well."""
    start_cpu = _start_cost(bootstrap)
    cpu, sent, rate = _run(bootstrap, shape.topic, shape, records)
    return {
        "acknowledged": sent,
        "warm_up": 0,
        "seconds": sent / rate,
        # Of a run too short to tell them apart nothing is left; it stays above zero.
        "cpu_seconds": max(cpu - start_cpu, 1e-6),
        "start_cpu_seconds": start_cpu,
        "bytes": sent * shape.value_size,
    }


@cache
def _start_cost(bootstrap: str) -> float:
    """CPU seconds of a run of one record."""
    return _run(bootstrap, START_TOPIC, _ONE, 1)[0]


def _run(bootstrap: str, topic: str, shape: Shape, records: int) -> tuple[float, int, float]:
    """CPU seconds, records acknowledged, and their rate per second."""
    properties = [f"linger.ms={shape.linger_ms}", "acks=all", "enable.idempotence=true"]
    if shape.batch_size is not None:
        properties.append(f"batch.size={shape.batch_size}")
    command = [java(), "-cp", f"{kafka_jars(NEWEST)}/*", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"]
    command += ["org.apache.kafka.tools.ProducerPerformance", "--bootstrap-server", bootstrap, "--topic", topic]
    command += ["--num-records", str(records), "--record-size", str(shape.value_size), "--throughput", "-1"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        done = subprocess.run(
            [*command, "--command-property", *properties],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RunFailedError(f"not done after {LIMIT_SECONDS:.0f} s") from None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = _RESULT.findall(done.stdout)
    if done.returncode != 0 or not found:
        raise RunFailedError(f"Java's tool ended with {done.returncode}: {(done.stdout + done.stderr).strip()[-200:]}")
    # The last such line is the sum; those before it tell of some seconds each.
    sent, rate = found[-1]
    if int(sent) != records:
        raise RunFailedError(f"{sent} of {records} records were acknowledged")
    cpu = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    return cpu, int(sent), float(rate)
