"""The tools of the other tests: real clusters start, die and come back; nothing outlives a run; readers see all.

The producer of this package is not used: what is written here comes from confluent-kafka.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.support import jars, probe, processes
from tests.support.admin import delete_records, wait_until
from tests.support.foreign import ForeignRecord, IncompleteReadError, read_all, read_all_with_kafka_python
from tests.support.leaks import Leaks
from tests.support.pool import ClusterPool, Kind
from tests.support.rdkafka_mock import RdKafkaMock
from tests.support.real_kafka import RealKafka
from tests.support.scratch import Scratch, free_ports

ROOT = Path(__file__).parents[2]
PRODUCE = 0
FETCH = 1
OFFSET_OUT_OF_RANGE = 1
UNKNOWN_SERVER_ERROR = -1
STAMP = 1_700_000_000_000
WEEK_MS = 7 * 24 * 3_600 * 1_000

Reader = Callable[..., list[ForeignRecord]]
READERS = [read_all, read_all_with_kafka_python]


def produce(bootstrap: str, topic: str, count: int, *, partition: int = 0, acks: str = "all") -> list[Exception]:
    """`count` records with their number as value; the errors of those that failed."""
    failed: list[Exception] = []

    def settled(error: Exception | None, message: object) -> None:
        if error is not None:
            failed.append(error)

    producer = Producer({"bootstrap.servers": bootstrap, "acks": acks, "linger.ms": 0, "log_level": 0})
    for number in range(count):
        producer.produce(
            topic,
            b"%d" % number,
            key=b"key",
            partition=partition,
            timestamp=STAMP + number,
            headers=[("a", b"1"), ("a", None)],
            on_delivery=settled,
        )
    assert producer.flush(30) == 0
    return failed


def first_offset(bootstrap: str, topic: str) -> int:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "no group is joined", "log_level": 0})
    try:
        first, _end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=5, cached=False)
    finally:
        consumer.close()
    return int(first)


# -- real clusters


def check_round_trip(cluster: RealKafka, topic: str, reader: Reader) -> None:
    cluster.create_topic(topic, partitions=2)
    assert not produce(cluster.bootstrap, topic, 3, partition=1)

    assert reader(cluster.bootstrap, topic, 3) == [
        ForeignRecord(1, number, STAMP + number, "CreateTime", b"key", b"%d" % number, (("a", b"1"), ("a", None)))
        for number in range(3)
    ]


@pytest.mark.parametrize("reader", READERS)
def test_newest_release_one_broker(kafka_1: RealKafka, topic_name: str, reader: Reader) -> None:
    check_round_trip(kafka_1, topic_name, reader)


@pytest.mark.parametrize("reader", READERS)
def test_newest_release_three_brokers(kafka_3: RealKafka, topic_name: str, reader: Reader) -> None:
    check_round_trip(kafka_3, topic_name, reader)


@pytest.mark.parametrize("reader", READERS)
def test_old_release(kafka_39: RealKafka, topic_name: str, reader: Reader) -> None:
    check_round_trip(kafka_39, topic_name, reader)


@pytest.mark.parametrize("reader", READERS)
def test_readers_see_records_that_nobody_expected(kafka_1: RealKafka, topic_name: str, reader: Reader) -> None:
    kafka_1.create_topic(topic_name)
    produce(kafka_1.bootstrap, topic_name, 5)
    produce(kafka_1.bootstrap, topic_name, 5)

    assert [record.value for record in reader(kafka_1.bootstrap, topic_name, 5)] == [b"0", b"1", b"2", b"3", b"4"] * 2


@pytest.mark.parametrize("reader", READERS)
def test_readers_say_what_is_missing(kafka_1: RealKafka, topic_name: str, reader: Reader) -> None:
    kafka_1.create_topic(topic_name)
    produce(kafka_1.bootstrap, topic_name, 2)

    with pytest.raises(IncompleteReadError, match=r"holds 2 records, not 3.*partition 0 goes from 0 to 2") as caught:
        reader(kafka_1.bootstrap, topic_name, 3, timeout=1.0)
    assert len(caught.value.records) == 2


@pytest.mark.parametrize("reader", READERS)
def test_readers_say_that_records_have_gone_out_of_the_log(kafka_1: RealKafka, topic_name: str, reader: Reader) -> None:
    kafka_1.create_topic(topic_name)
    produce(kafka_1.bootstrap, topic_name, 2)
    delete_records(kafka_1.bootstrap, topic_name, 0)

    with pytest.raises(IncompleteReadError, match=r"holds 0 records, not 2.*partition 0 goes from 2 to 2"):
        reader(kafka_1.bootstrap, topic_name, 2, timeout=1.0)


@pytest.mark.parametrize("reader", READERS)
def test_topic_settings_are_obeyed(kafka_1: RealKafka, topic_name: str, reader: Reader) -> None:
    kafka_1.create_topic(topic_name, message_timestamp_type="LogAppendTime")
    produce(kafka_1.bootstrap, topic_name, 1)

    (record,) = reader(kafka_1.bootstrap, topic_name, 1)
    assert record.timestamp_type == "LogAppendTime"
    assert record.timestamp_ms > STAMP + 1


def test_records_stay_however_old_they_are(kafka_1: RealKafka) -> None:
    # A cluster of its own, which looks at once, and all the time, for records that are too old.
    with RealKafka(log_initial_task_delay_ms=100, log_retention_check_interval_ms=100) as cluster:
        cluster.create_topic("kept")
        cluster.create_topic("a-week", retention_ms=WEEK_MS)
        for topic in ("kept", "a-week"):
            assert not produce(cluster.bootstrap, topic, 3)

        wait_until(lambda: first_offset(cluster.bootstrap, "a-week") == 3, 30, "it has looked")
        assert len(read_all(cluster.bootstrap, "kept", 3)) == 3


def test_killed_leader_is_replaced_and_comes_back(kafka_3: RealKafka, topic_name: str) -> None:
    kafka_3.create_topic(topic_name, min_insync_replicas=2)
    produce(kafka_3.bootstrap, topic_name, 2)
    leader = kafka_3.leader(topic_name)

    kafka_3.kill(leader)
    assert not kafka_3.runs(leader)
    assert kafka_3.wait_new_leader(topic_name, 0, leader) != leader
    assert not produce(kafka_3.bootstrap, topic_name, 3)

    address = kafka_3.address(leader)
    kafka_3.restart(leader)
    assert kafka_3.address(leader) == address
    kafka_3.wait_in_sync(topic_name)
    assert [record.value for record in read_all(kafka_3.bootstrap, topic_name, 5)] == [b"0", b"1", b"0", b"1", b"2"]


def test_orderly_stop_and_restart(kafka_1: RealKafka, topic_name: str) -> None:
    kafka_1.create_topic(topic_name)
    produce(kafka_1.bootstrap, topic_name, 1)

    kafka_1.stop_broker(1)
    assert not kafka_1.runs(1)
    kafka_1.restart(1)

    assert len(read_all(kafka_1.bootstrap, topic_name, 1)) == 1


def test_frozen_broker_is_silent(kafka_1: RealKafka) -> None:
    port = int(kafka_1.address(1).rpartition(":")[2])
    with kafka_1.frozen(1), socket.create_connection(("127.0.0.1", port)):
        assert kafka_1.runs(1)
        assert probe.brokers_seen(port) == 0
    assert probe.brokers_seen(port) == 1


def test_pool_mends_what_a_test_broke(kafka_3: RealKafka, kafka_pool: ClusterPool) -> None:
    kafka_3.kill(1)
    kafka_3.freeze(2)

    with kafka_pool.lease(Kind.THREE) as mended:
        assert mended is kafka_3
        assert all(mended.runs(node_id) for node_id in mended.node_ids)
        mended.wait_ready(timeout=0.1)


def test_failure_to_start_shows_the_log_and_leaves_nothing(kafka_1: RealKafka) -> None:
    cluster = RealKafka(log_retention_ms="soon")
    with pytest.raises(Exception, match=r"(?s)storage of broker 1 .*log\.retention\.ms"):
        cluster.start()
    assert repr(cluster).endswith("1:down>")


# -- nothing outlives a run

OWNER = """
import pathlib, sys, threading
from tests.support import processes
out = pathlib.Path(sys.argv[1])
# In a thread that ends at once: the signal at the parent's death has to wait for the process, not for the thread.
def start():
    print(processes.spawn(["sleep", "600"], output=out).pid, flush=True)
thread = threading.Thread(target=start)
thread.start()
thread.join()
sys.stdin.readline()
"""


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def wait_gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while not is_gone(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return is_gone(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends processes with their parent only on Linux")
@pytest.mark.parametrize("end", ["kill -9", "SIGTERM", "exit"])
def test_processes_end_with_their_owner(tmp_path: Path, end: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path / "output")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert not is_gone(pid)
        if end == "kill -9":
            owner.kill()
        elif end == "SIGTERM":
            owner.terminate()
        else:
            owner.communicate(b"\n", timeout=10)
        owner.wait(10)
    assert wait_gone(pid)


def test_process_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    process = processes.spawn(["sleep", "600"], output=tmp_path / "output")
    with pytest.raises(subprocess.TimeoutExpired):
        processes.wait(process, timeout=0.05)
    assert process.returncode == -signal.SIGKILL


def test_scratch_of_a_dead_run_is_swept_and_of_a_live_one_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    live, dead = Scratch("live"), Scratch("dead")
    dead.keep()
    for folder in (live.path, dead.path):
        os.utime(folder, (0, 0))

    Scratch("next").remove()

    assert live.path.exists()
    assert not dead.path.exists()
    live.remove()
    assert not live.path.exists()


def test_free_ports_are_free_and_differ() -> None:
    ports = free_ports(6)
    assert len(set(ports)) == 6
    for port in ports:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", port))


# -- jars

FAKE_MAVEN = """#!/bin/sh
echo run >> "{calls}"
sleep 0.3
for argument in "$@"; do case "$argument" in -DoutputDirectory=*) folder="${{argument#*=}}";; esac; done
{answer}
"""


def fake_maven(monkeypatch: pytest.MonkeyPatch, folder: Path, answer: str) -> Path:
    """Puts an `mvn` first on PATH and the cache under `folder`; the file with a line for each run of it."""
    calls = folder / "calls"
    programs = folder / "bin"
    programs.mkdir()
    maven = programs / "mvn"
    maven.write_text(FAKE_MAVEN.format(calls=calls, answer=answer))
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv(jars.CACHE_VARIABLE, str(folder / "cache"))
    return calls


def test_two_runs_download_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = fake_maven(monkeypatch, tmp_path, 'mkdir -p "$folder" && touch "$folder/kafka_2.13-9.9.9.jar"')
    found: list[Path] = []
    runs = [threading.Thread(target=lambda: found.append(jars.kafka_jars("9.9.9"))) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(10)

    assert len(found) == 2
    assert found[0] == found[1]
    assert [file.name for file in found[0].iterdir()] == ["kafka_2.13-9.9.9.jar"]
    assert calls.read_text().count("run") == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("echo '[ERROR] no such release'; exit 1", "no such release"),
        ('mkdir -p "$folder" && touch "$folder/other.jar"', "exit 0"),
    ],
    ids=["failed", "incomplete"],
)
def test_failed_download_is_not_cached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: str, said: str) -> None:
    calls = fake_maven(monkeypatch, tmp_path, answer)
    for _ in range(2):
        with pytest.raises(jars.KafkaUnavailableError, match=f"could not get Kafka 9.9.9: {said}"):
            jars.kafka_jars("9.9.9")
    assert calls.read_text().count("run") == 2
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]


@pytest.mark.parametrize("ci", ["", "true"])
def test_without_java_tests_are_left_out_and_in_ci_they_fail(tmp_path: Path, ci: str) -> None:
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/kafka/test_harness.py"),
            *("-k", "test_frozen_broker_is_silent or test_orderly_stop"),
        ],
        cwd=ROOT,
        env={**os.environ, "PATH": str(tmp_path), "JAVA_HOME": "", "CI": ci},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if ci:
        assert run.returncode == pytest.ExitCode.TESTS_FAILED
        assert "2 errors" in run.stdout
        assert "needs a real Kafka: no Java" in run.stdout
    else:
        assert run.returncode == pytest.ExitCode.OK
        assert "2 tests left out, needs a real Kafka: no Java" in run.stdout
        assert "(in tests/kafka/test_harness.py)" in run.stdout


# -- librdkafka's mock cluster


def test_mock_round_trip(rdkafka_mock: RdKafkaMock) -> None:
    rdkafka_mock.create_topic("t", partitions=2)
    assert not produce(rdkafka_mock.bootstrap, "t", 3, partition=1)

    assert read_all(rdkafka_mock.bootstrap, "t", 3) == [
        ForeignRecord(1, number, STAMP + number, "CreateTime", b"key", b"%d" % number, (("a", b"1"), ("a", None)))
        for number in range(3)
    ]


def test_mock_gives_the_errors_ordered(rdkafka_mock: RdKafkaMock) -> None:
    rdkafka_mock.create_topic("t")
    rdkafka_mock.push_request_errors(PRODUCE, [UNKNOWN_SERVER_ERROR])
    assert len(produce(rdkafka_mock.bootstrap, "t", 1)) == 1

    rdkafka_mock.push_request_errors(PRODUCE, [UNKNOWN_SERVER_ERROR])
    rdkafka_mock.clear_request_errors(PRODUCE)
    assert not produce(rdkafka_mock.bootstrap, "t", 1)


def test_mock_answers_after_the_round_trip_time(rdkafka_mock: RdKafkaMock) -> None:
    rdkafka_mock.create_topic("t")
    rdkafka_mock.set_rtt(200)
    start = time.monotonic()
    assert not produce(rdkafka_mock.bootstrap, "t", 1)
    assert time.monotonic() - start >= 0.2


def test_mock_moves_leaders_and_takes_brokers_down(rdkafka_mock: RdKafkaMock) -> None:
    rdkafka_mock.create_topic("t")
    rdkafka_mock.set_leader("t", 0, 2)
    rdkafka_mock.set_down(1)
    assert not produce(rdkafka_mock.bootstrap, "t", 1)
    rdkafka_mock.set_up(1)


def test_reader_says_what_its_consumer_said(rdkafka_mock: RdKafkaMock) -> None:
    rdkafka_mock.create_topic("t")
    assert not produce(rdkafka_mock.bootstrap, "t", 1)
    rdkafka_mock.push_request_errors(FETCH, [OFFSET_OUT_OF_RANGE])

    with pytest.raises(IncompleteReadError, match=r"goes from 0 to 1; the consumer said: partition 0: .*out of range"):
        read_all(rdkafka_mock.bootstrap, "t", 1, timeout=1.0)


def test_reader_of_a_topic_without_leader(rdkafka_mock: RdKafkaMock) -> None:
    rdkafka_mock.create_topic("t")
    rdkafka_mock.set_leader("t", 0, 2)
    rdkafka_mock.set_down(2)

    with pytest.raises(IncompleteReadError, match=r"holds 0 records, not 1.* could not be asked: "):
        read_all(rdkafka_mock.bootstrap, "t", 1, timeout=1.0)


# -- leaks


async def test_leaks_names_tasks_and_sockets() -> None:
    leaks = Leaks.mark()
    task = asyncio.create_task(asyncio.Event().wait(), name="forgotten")
    with socket.socket():
        found = leaks.found()
    task.cancel()

    assert [line.partition(" ")[0] for line in found] == ["task", "socket"]
    assert "forgotten" in found[0]
    assert await leaks.settled() == []


async def test_fixtures_of_brokers_leave_no_leaks(no_leaks: None, rdkafka_mock: RdKafkaMock) -> None:
    rdkafka_mock.create_topic("t")
    await asyncio.to_thread(produce, rdkafka_mock.bootstrap, "t", 1)
    assert len(await asyncio.to_thread(read_all, rdkafka_mock.bootstrap, "t", 1)) == 1


async def test_fast_loop_has_no_debug_mode(fast_loop: None) -> None:
    assert not asyncio.get_running_loop().get_debug()
