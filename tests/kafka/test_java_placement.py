"""Keys beside Java: its own hash, and its own producer, on the same keys."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path
from random import Random

import pytest

from aioproducer import Producer
from aioproducer.partitioning.murmur2 import murmur2
from tests.support.foreign import read_all_async
from tests.support.jars import NEWEST, java, kafka_jars
from tests.support.pool import leave_out
from tests.support.real_kafka import RealKafka

KEYS = 20_000
HASHED = 100_000
PARTITIONS = 12

# Keys in hexadecimal, a line each, to their hashes in decimal, a line each.
HASHER = """
import java.io.*;
import java.util.HexFormat;
import org.apache.kafka.common.utils.Utils;

public class Hasher {
    public static void main(String[] args) throws IOException {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        PrintStream out = new PrintStream(new BufferedOutputStream(System.out));
        for (String line = in.readLine(); line != null; line = in.readLine())
            out.println(Utils.murmur2(HexFormat.of().parseHex(line)));
        out.flush();
    }
}
"""


def run_java(*arguments: str, stdin: bytes) -> bytes:
    """What a Java program with Kafka's jars writes."""
    command = [java(), "-cp", f"{kafka_jars(NEWEST)}/*", *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.mark.kafka
def test_the_hash_is_javas_bit_for_bit(tmp_path: Path) -> None:
    if shutil.which("javac") is None:
        leave_out("no JDK: have `javac` on PATH, with which the call of Kafka's own hash is compiled")
    random = Random(2026)
    keys = [random.randbytes(random.randint(0, 300)) for _ in range(HASHED)]
    source = tmp_path / "Hasher.java"
    source.write_text(HASHER)
    answer = run_java(str(source), stdin="\n".join(key.hex() for key in keys).encode())
    theirs = [int(line) & 0xFFFFFFFF for line in answer.split()]
    assert theirs == [murmur2(key) for key in keys]


async def test_keys_go_where_javas_producer_puts_them(kafka_1: RealKafka, topic_name: str) -> None:
    await asyncio.to_thread(kafka_1.create_topic, topic_name, PARTITIONS)
    random = Random(4)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789-_äß水"
    keys = list({"".join(random.choices(letters, k=random.randint(1, 40))).encode() for _ in range(KEYS)})
    lines = b"".join(key + b"\tjava\n" for key in keys)
    properties = ("parse.key=true", "key.separator=\t")
    await asyncio.to_thread(
        run_java,
        "org.apache.kafka.tools.ConsoleProducer",
        *("--bootstrap-server", kafka_1.bootstrap, "--topic", topic_name),
        *(word for each in properties for word in ("--reader-property", each)),
        stdin=lines,
    )
    async with Producer(kafka_1.bootstrap) as producer:
        for key in keys:
            producer.send(topic_name, b"ours", key=key)
            await producer.drain()
        await producer.flush()
    found: dict[bytes, dict[bytes, int]] = {b"java": {}, b"ours": {}}
    for record in await read_all_async(kafka_1.bootstrap, topic_name, 2 * len(keys)):
        assert record.key is not None
        assert record.value is not None
        found[record.value][record.key] = record.partition
    assert len(found[b"ours"]) == len(keys) > KEYS * 0.95
    assert found[b"ours"] == found[b"java"]
    assert set(found[b"ours"].values()) == set(range(PARTITIONS))
