"""The demo, end to end: it runs as a command, and its counts notice what went wrong in a log."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from aioproducer import Producer
from aioproducer.cli import main
from aioproducer.cli.demo import DemoOptions, run_demo, verdict
from aioproducer.cli.reading import ReadRecord, read_topic
from aioproducer.cli.visit import create_topic
from aioproducer.errors import KafkaError, StartTimeoutError
from aioproducer.testing import EmbeddedCluster

ROOT = Path(__file__).parent.parent.parent


async def test_runs_as_a_module_and_shows_what_happened() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "error", "-m", "aioproducer", "demo", "--orders", "1500", "--seconds", "1"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(50):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = output.decode()
    assert process.returncode == 0, text
    assert "1500 of 1500 acknowledged" in text
    assert "sent 1500, stored 1500, failed 0, lost 0, doubled 0, out of order 0" in text
    assert "leader moved" in text
    assert "4 times" in text
    assert "batches sent again" in text


@pytest.mark.usefixtures("no_leaks")
async def test_runs_against_a_cluster_that_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    async with EmbeddedCluster(brokers=2) as cluster:
        async with asyncio.timeout(30):
            status = await run_demo(DemoOptions(bootstrap=cluster.bootstrap_servers, orders=300, seconds=0.2))
        (topic,) = cluster.topics()
    assert status == 0
    assert cluster.topics()[topic] == 6
    text = capsys.readouterr().out
    assert "stored 300, failed 0, lost 0, doubled 0, out of order 0" in text
    assert "0 times" in text


def _stored(*numbers: int, partition: int = 0) -> list[ReadRecord]:
    return [ReadRecord(partition, place, b"k", b'{"order": %d}' % number) for place, number in enumerate(numbers)]


@pytest.mark.parametrize(
    ("failed", "found", "status", "says"),
    [
        (0, _stored(0, 1, 2), 0, "stored 3, failed 0, lost 0, doubled 0, out of order 0"),
        (0, _stored(0, 2) + _stored(1, partition=1), 0, "stored 3, failed 0, lost 0, doubled 0, out of order 0"),
        (0, _stored(0, 2), 1, "stored 2, failed 0, lost 1, doubled 0, out of order 0"),
        (0, _stored(0, 1, 1, 2), 1, "stored 4, failed 0, lost 0, doubled 1, out of order 1"),
        (0, _stored(0, 2, 1), 1, "stored 3, failed 0, lost 0, doubled 0, out of order 1"),
        (1, _stored(0, 1), 1, "stored 2, failed 1, lost 0, doubled 0, out of order 0"),
    ],
)
def test_verdict(
    failed: int, found: list[ReadRecord], status: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verdict(3, failed, found) == status
    assert says in capsys.readouterr().out


@pytest.mark.usefixtures("no_leaks")
async def test_reader_reads_every_codec_and_many_fetches() -> None:
    async with EmbeddedCluster(brokers=2) as cluster:
        await create_topic(cluster.bootstrap_servers, "t", 2, 2)
        value = bytes(1000)
        for codec in ("none", "gzip", "lz4", "zstd"):
            async with Producer(cluster.bootstrap_servers, compression_type=codec) as producer:
                await producer.send_all("t", [value] * 700)
        async with Producer(cluster.bootstrap_servers) as producer:
            await producer.send("t", None, key=b"k", partition=1)
        found = await read_topic(cluster.bootstrap_servers, "t")
    assert len(found) == 2801
    assert [record.offset for record in found if record.partition == 0] == list(range(cluster.end_offset("t", 0)))
    assert found[-1] == ReadRecord(1, cluster.end_offset("t", 1) - 1, b"k", None)


@pytest.mark.usefixtures("no_leaks")
async def test_reader_gives_up_with_the_brokers_error() -> None:
    async with EmbeddedCluster(brokers=1) as cluster:
        cluster.create_topic("t", partitions=1)
        cluster.fail("Fetch", error_code="KAFKA_STORAGE_ERROR", times=None)
        with pytest.raises(KafkaError, match=r"reading t\[0\] back: KAFKA_STORAGE_ERROR"):
            await read_topic(cluster.bootstrap_servers, "t")


@pytest.mark.usefixtures("no_leaks")
async def test_topic_that_can_not_be_created_is_an_error() -> None:
    async with EmbeddedCluster(brokers=1) as cluster:
        cluster.create_topic("t", partitions=1)
        with pytest.raises(KafkaError, match="creating topic 't': TOPIC_ALREADY_EXISTS"):
            await create_topic(cluster.bootstrap_servers, "t", 1, 1)


@pytest.mark.parametrize("arguments", [[], ["demo", "--orders", "0"], ["demo", "--orders", "many"], ["fly"]])
def test_wrong_arguments(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "usage: aioproducer" in capsys.readouterr().err


def test_errors_of_the_cluster_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def refuse(_options: DemoOptions) -> int:
        raise StartTimeoutError("nobody answered")

    monkeypatch.setattr("aioproducer.cli.run_demo", refuse)
    assert main(["demo", "--bootstrap", "127.0.0.1:1"]) == 1
    assert capsys.readouterr().err == "StartTimeoutError: nobody answered\n"
