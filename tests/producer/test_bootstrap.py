"""Finding the cluster: among dead servers, servers that are not Kafka, by name, and by IPv6."""

from __future__ import annotations

import asyncio
import socket
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random

import pytest

from aioproducer import Producer
from aioproducer.errors import ConnectTimeoutError, KafkaError, ProtocolError, StartTimeoutError
from aioproducer.testing import EmbeddedCluster
from tests.support.producers import TOPIC, values
from tests.support.scratch import free_ports

pytestmark = pytest.mark.usefixtures("no_leaks")


async def test_dead_servers_among_live_ones(cluster: EmbeddedCluster) -> None:
    dead = ",".join(f"127.0.0.1:{port}" for port in free_ports(3))
    live = cluster.bootstrap_servers.split(",")[0]
    for servers in (f"{dead},{live}", f"{live},{dead}", f"no-such-host.invalid:9092,{dead},{live}"):
        start = time.monotonic()
        async with Producer(servers) as producer:
            await producer.send(TOPIC, b"x")
        assert time.monotonic() - start < 3
    assert len(values(cluster)) == 3


@asynccontextmanager
async def stranger(serve: Callable[[StreamReader, StreamWriter], Awaitable[None]]) -> AsyncIterator[str]:
    """A server that is not Kafka."""
    writers: list[StreamWriter] = []

    async def handle(reader: StreamReader, writer: StreamWriter) -> None:
        writers.append(writer)
        try:
            await serve(reader, writer)
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await server.wait_closed()


async def speak_http(reader: StreamReader, writer: StreamWriter) -> None:
    await reader.read(10)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()


async def say_nothing(reader: StreamReader, writer: StreamWriter) -> None:
    while await reader.read(1000):
        pass


async def hang_up(reader: StreamReader, writer: StreamWriter) -> None:
    await reader.read(10)


async def speak_tls(reader: StreamReader, writer: StreamWriter) -> None:
    await reader.read(10)
    writer.write(b"\x15\x03\x03\x00\x02\x02\x46")
    await writer.drain()


async def talk_nonsense(reader: StreamReader, writer: StreamWriter) -> None:
    await reader.read(10)
    writer.write(Random(7).randbytes(5000))
    await say_nothing(reader, writer)


async def answer_nonsense(reader: StreamReader, writer: StreamWriter) -> None:
    """A frame of the right form, with the right id and no sense."""
    length = int.from_bytes(await reader.readexactly(4), "big")
    frame = await reader.readexactly(length)
    writer.write((64).to_bytes(4, "big") + frame[4:8] + b"\x00\x00" + b"\xff" * 58)
    await say_nothing(reader, writer)


@pytest.mark.parametrize(
    ("serve", "says"),
    [
        (speak_http, "HTTP"),
        (say_nothing, "connected, but no answer to the handshake"),
        (hang_up, "closed the connection during the handshake"),
        (speak_tls, "TLS"),
        (talk_nonsense, "Kafka"),
        (answer_nonsense, "Kafka"),
    ],
)
async def test_a_server_that_is_not_kafka(
    serve: Callable[[StreamReader, StreamWriter], Awaitable[None]], says: str
) -> None:
    async with stranger(serve) as server:
        start = time.monotonic()
        with pytest.raises(StartTimeoutError, match=says) as caught:
            await Producer(server, max_block_ms=500).start()
        assert time.monotonic() - start < 1.5
    assert server in str(caught.value)
    assert isinstance(caught.value.__cause__, KafkaError)
    if serve in (talk_nonsense, answer_nonsense):
        assert isinstance(caught.value.__cause__, ProtocolError)
    if serve is say_nothing:
        assert isinstance(caught.value.__cause__, ConnectTimeoutError)


async def test_all_servers_dead_are_named_each_with_its_reason() -> None:
    (refused,) = free_ports(1)
    async with stranger(speak_http) as http, stranger(say_nothing) as silent:
        servers = [f"127.0.0.1:{refused}", http, silent, "no-such-host.invalid:9092"]
        start = time.monotonic()
        with pytest.raises(StartTimeoutError) as caught:
            await Producer(servers, max_block_ms=700).start()
        assert 0.6 <= time.monotonic() - start < 2
    message = str(caught.value)
    assert "within 0.7 s" in message
    for server, reason in zip(servers, ("refused", "HTTP", "handshake", "can not be resolved"), strict=True):
        assert reason in message.partition(server)[2]


async def test_a_server_that_is_not_kafka_among_brokers(cluster: EmbeddedCluster) -> None:
    async with stranger(say_nothing) as silent, stranger(talk_nonsense) as babbler:
        start = time.monotonic()
        async with Producer([silent, babbler, cluster.bootstrap_servers.split(",")[1]]) as producer:
            await producer.send(TOPIC, b"x")
        assert time.monotonic() - start < 3


async def test_by_name() -> None:
    async with EmbeddedCluster(host="localhost") as cluster:
        async with Producer(cluster.bootstrap_servers) as producer:
            assert (await producer.send(TOPIC, b"x")).offset == 0
        assert cluster.bootstrap_servers.startswith("localhost:")


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as attempt:
            attempt.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
async def test_ipv6() -> None:
    async with EmbeddedCluster(brokers=2, host="::1") as cluster:
        cluster.create_topic(TOPIC, partitions=2)
        servers = [f"[::1]:{cluster.address(node)[1]}" for node in (1, 2)]
        async with Producer(servers) as producer:
            for partition in range(2):
                await producer.send(TOPIC, b"x", partition=partition)
        assert values(cluster) == [b"x", b"x"]
