"""The examples do what they say, run as they are against the embedded cluster."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from aioproducer.testing import EmbeddedCluster
from examples import awaited, pipelined, service


@asynccontextmanager
async def cluster_with(topic: str, partitions: int) -> AsyncIterator[EmbeddedCluster]:
    async with EmbeddedCluster(brokers=1) as cluster:
        cluster.create_topic(topic, partitions=partitions)
        yield cluster


async def test_awaited_tells_where_each_order_is(capsys: pytest.CaptureFixture[str]) -> None:
    async with cluster_with("orders", 3) as cluster:
        await awaited.main(cluster.bootstrap_servers)
        records = cluster.records("orders")
    assert sorted(record.value for record in records if record.value) == [b'{"item": "chair"}'] * 5 + [
        b'{"item": "lamp"}'
    ]
    lines = capsys.readouterr().out.splitlines()
    assert {f"in orders[{record.partition}] at offset {record.offset}" for record in records} == {
        line.removeprefix("the first order is ") for line in lines
    }


async def test_pipelined_delivers_every_reading_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    async with cluster_with("readings", 3) as cluster:
        await pipelined.main(cluster.bootstrap_servers)
        records = cluster.records("readings")
    assert len(records) == pipelined.RECORDS
    by_sensor: dict[bytes | None, list[int]] = {}
    for record in records:
        by_sensor.setdefault(record.key, []).append(int(record.value or b"-1"))
    assert len(by_sensor) == 10
    assert all(readings == sorted(readings) for readings in by_sensor.values())
    assert capsys.readouterr().out == f"{pipelined.RECORDS} of {pipelined.RECORDS} readings are in the log\n"


async def post(port: int, body: bytes) -> tuple[str, dict[str, object]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    head, text = (await reader.read()).split(b"\r\n\r\n", 1)
    writer.close()
    await writer.wait_closed()
    told: dict[str, object] = json.loads(text)
    return head.decode().splitlines()[0], told


async def test_service_answers_when_the_record_is_in_the_log() -> None:
    async with cluster_with("orders", 1) as cluster:
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(service.main(cluster.bootstrap_servers, port=0, ready=ready))
        try:
            async with asyncio.timeout(10):
                port = await ready
                answers = await asyncio.gather(*(post(port, b'{"order": %d}' % number) for number in range(3)))
        finally:
            serving.cancel()
            await asyncio.wait([serving])
        stored = {record.offset: record.value for record in cluster.records("orders")}
    assert {status for status, _ in answers} == {"HTTP/1.1 201 Created"}
    assert [stored[int(str(told["offset"]))] for _, told in answers] == [
        b'{"order": %d}' % number for number in range(3)
    ]
