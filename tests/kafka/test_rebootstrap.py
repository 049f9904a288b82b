"""A cluster whose brokers have all been replaced is found again through the bootstrap name, which leads to the new."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from aioproducer import Producer
from tests.support.foreign import read_all_async
from tests.support.real_kafka import RealKafka

pytestmark = pytest.mark.usefixtures("no_leaks")


class Name:
    """A port that stays, and leads to wherever `target` (host:port) is: what a name in DNS is for a cluster."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.port = 0

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        """Yields the address that stays."""
        server = await asyncio.start_server(self._lead, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield f"127.0.0.1:{self.port}"
        finally:
            server.close()

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = self.target.rpartition(":")
        try:
            there_reader, there_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.close()
            return
        await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def test_all_brokers_on_other_ports(kafka_1: RealKafka, topic_name: str) -> None:
    await asyncio.to_thread(kafka_1.create_topic, topic_name)
    name = Name(kafka_1.address(1))
    async with (
        asyncio.timeout(90),
        name.served() as bootstrap,
        Producer(
            bootstrap,
            linger_ms=0,
            request_timeout_ms=3000,
            metadata_recovery_rebootstrap_trigger_ms=1000,
            reconnect_backoff_max_ms=200,
        ) as producer,
    ):
        await producer.send(topic_name, b"before")
        old = kafka_1.address(1)
        await asyncio.to_thread(kafka_1.stop_broker, 1)
        waiting = producer.send(topic_name, b"meanwhile")
        await asyncio.to_thread(kafka_1.restart, 1, other_port=True)
        name.target = kafka_1.address(1)
        assert name.target != old
        assert (await waiting).offset == 1
        assert (await producer.send(topic_name, b"after")).offset == 2
        [info] = await producer.partitions_for(topic_name)
        assert info.leader is not None
        assert f"{info.leader.host}:{info.leader.port}" == name.target
    found = await read_all_async(kafka_1.bootstrap, topic_name, 3)
    assert [record.value for record in found] == [b"before", b"meanwhile", b"after"]
