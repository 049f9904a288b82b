"""The shell: what happens to connections. What is answered is tested with the handlers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from aioproducer.protocol.headers import encode_request
from aioproducer.protocol.messages.metadata import MetadataRequest, MetadataResponse
from aioproducer.protocol.messages.produce import ProduceRequest, ProduceResponse
from aioproducer.testing import EmbeddedCluster
from aioproducer.testing.broker import Changes
from tests.testing.conftest import Connect
from tests.testing.wire import NOW, RawClient, batch, only, produce

ASK = MetadataRequest(topics=())


async def metadata(client: RawClient) -> MetadataResponse:
    return await client.ask(ASK, MetadataResponse, 9)


async def is_silent(answer: Awaitable[object], seconds: float = 0.05) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await answer
    except TimeoutError:
        return True
    return False


@pytest.mark.parametrize(("after", "stored"), [(False, 0), (True, 1)])
async def test_disconnecting_before_and_after_the_append(
    cluster: EmbeddedCluster, client: RawClient, after: bool, stored: int
) -> None:
    cluster.disconnect("produce", after_append=after)
    client.send(produce(("t", 0, batch())), 9)
    assert await client.rest() == b""
    assert cluster.end_offset("t") == stored


@pytest.mark.parametrize(("after", "stored"), [(False, 0), (True, 1)])
async def test_silence_before_and_after_the_append(
    cluster: EmbeddedCluster, client: RawClient, after: bool, stored: int
) -> None:
    fault = cluster.silence("produce", after_append=after)
    client.send(produce(("t", 0, batch())), 9)
    client.send(ASK, 9)
    assert await is_silent(client.reader.read(1))
    assert (cluster.end_offset("t"), fault.hits) == (stored, 1)


async def test_answering_twice(cluster: EmbeddedCluster, client: RawClient) -> None:
    cluster.answer_twice("metadata")
    client.send(ASK, 9)
    first, second = [await client.receive_frame() for _ in range(2)]
    assert first == second
    assert await is_silent(client.reader.read(1))


async def test_answering_late_puts_the_answer_behind_the_next(cluster: EmbeddedCluster, client: RawClient) -> None:
    cluster.answer_late("produce")
    client.send(produce(("t", 0, batch())), 9)
    assert await is_silent(client.reader.read(1))
    assert cluster.end_offset("t") == 1
    client.send(ASK, 9)
    answered = [int.from_bytes((await client.receive_frame())[:4], "big") for _ in range(2)]
    assert answered == [2, 1]


@pytest.mark.parametrize(("after", "stored"), [(False, 0), (True, 1)])
async def test_delaying_before_and_after_the_append(
    cluster: EmbeddedCluster, client: RawClient, after: bool, stored: int
) -> None:
    cluster.delay("produce", 0.15, after_append=after)
    client.send(produce(("t", 0, batch())), 9)
    started = asyncio.get_running_loop().time()
    assert await is_silent(client.reader.read(1), 0.03)
    assert cluster.end_offset("t") == stored
    assert only(await client.receive(ProduceRequest, ProduceResponse, 9)).base_offset == 0
    assert asyncio.get_running_loop().time() - started >= 0.14


async def test_a_delayed_connection_does_not_delay_another(
    cluster: EmbeddedCluster, client: RawClient, connect: Connect
) -> None:
    cluster.delay("produce", 10)
    client.send(produce(("t", 0, batch())), 9)
    client.send(ASK, 9)
    other = await connect(1)
    assert (await metadata(other)).brokers
    assert await is_silent(client.reader.read(1), 0.02)


async def test_a_throttled_connection_is_answered_and_then_not_read(
    cluster: EmbeddedCluster, client: RawClient
) -> None:
    cluster.throttle("metadata", 150)
    assert (await metadata(client)).throttle_time_ms == 150
    client.send(ASK, 9)
    assert await is_silent(client.reader.read(1), 0.03)
    assert (await client.receive(MetadataRequest, MetadataResponse, 9)).throttle_time_ms == 0


async def test_garbage_has_the_right_id_by_default(cluster: EmbeddedCluster, client: RawClient) -> None:
    cluster.garbage("produce")
    client.send(produce(("t", 0, batch())), 9)
    frame = await client.receive_frame()
    assert (frame[:4], len(frame)) == (b"\0\0\0\1", 68)
    assert cluster.end_offset("t") == 1


async def test_garbage_may_be_chosen(cluster: EmbeddedCluster, client: RawClient) -> None:
    cluster.garbage("metadata", b"HTTP/1.1 400 Bad Request\r\n")
    client.send(ASK, 9)
    assert await client.reader.readline() == b"HTTP/1.1 400 Bad Request\r\n"


async def test_a_frame_is_cut_and_the_connection_closed(cluster: EmbeddedCluster, client: RawClient) -> None:
    cluster.cut_frame("metadata", at=7)
    client.send(ASK, 9)
    assert len(await client.rest()) == 7


async def test_a_frame_is_cut_in_half_and_the_rest_never_comes(cluster: EmbeddedCluster, client: RawClient) -> None:
    whole = await metadata(client)
    size = sum(map(len, whole.encode(9))) + 4 + 4 + 1
    cluster.cut_frame("metadata", stall=True)
    client.send(ASK, 9)
    assert len(await client.reader.readexactly(size // 2)) == size // 2
    assert await is_silent(client.reader.read(1))


async def test_faults_of_a_new_connection(cluster: EmbeddedCluster, connect: Connect) -> None:
    cluster.disconnect("connect")
    cluster.garbage("connect", b"hello")
    cluster.silence("connect")
    closed = await connect(1)
    assert await closed.rest() == b""
    greeted = await connect(1)
    assert await greeted.rest() == b"hello"


async def test_a_silent_connection_takes_everything_and_says_nothing(
    cluster: EmbeddedCluster, connect: Connect
) -> None:
    cluster.silence("connect")
    silent = await connect(1)
    silent.send(ASK, 9)
    assert await is_silent(silent.reader.read(1))
    cluster.delay("connect", 0.03)
    slow = await connect(1)
    started = asyncio.get_running_loop().time()
    assert (await metadata(slow)).brokers
    assert asyncio.get_running_loop().time() - started >= 0.025


async def test_faults_of_one_broker(cluster: EmbeddedCluster, connect: Connect) -> None:
    cluster.disconnect("metadata", broker=2, times=None)
    assert (await metadata(await connect(1))).brokers
    refused = await connect(2)
    refused.send(ASK, 9)
    assert await refused.rest() == b""


@pytest.mark.parametrize(
    ("sent", "complaint"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "a frame of 1195725856 bytes"),
        (b"\0\0\0\x0c\0\3\0\x09\0\0\0\1\xff\xff\0\x05", "MetadataRequest"),
        (b"\0\0\0\x0a\0\3\0\x09\0\0\0\1\0\x09", "client id"),
        (b"\x7f\xff\xff\xff", "a frame of 2147483647 bytes"),
    ],
)
async def test_what_is_not_kafka_ends_the_connection_and_is_noted(
    cluster: EmbeddedCluster, client: RawClient, sent: bytes, complaint: str
) -> None:
    client.writer.write(sent)
    assert await client.rest() == b""
    (noted,) = cluster.complaints
    assert noted.startswith("broker 1 closed connection 1: ")
    assert complaint in noted


async def test_requests_are_logged(cluster: EmbeddedCluster, client: RawClient) -> None:
    await client.produce("t", batch(), 9)
    await client.ask(MetadataRequest(topics=None), MetadataResponse, 8)
    first, second = cluster.requests
    assert (first.api, first.version, first.broker, first.connection, first.client_id) == ("Produce", 9, 1, 1, "raw")
    assert (first.partitions, second.partitions, first.at) == ((("t", 0),), (("t", -1),), NOW)
    assert (first.correlation_id, second.correlation_id) == (1, 2)


async def test_requests_that_come_in_pieces(cluster: EmbeddedCluster, client: RawClient) -> None:
    data = b"".join(encode_request(produce(("t", 0, batch())), version=9, correlation_id=1, client_id=None))
    for byte in data:
        client.writer.write(bytes([byte]))
        await asyncio.sleep(0)
    await client.receive_frame()
    assert cluster.end_offset("t") == 1


async def test_connections_are_counted_and_end_with_their_peer(cluster: EmbeddedCluster, connect: Connect) -> None:
    client = await connect(2)
    await metadata(client)
    assert [cluster.connections(n) for n in (1, 2, 3)] == [0, 1, 0]
    client.writer.close()
    async with asyncio.timeout(5):
        while cluster.connections(2):  # noqa: ASYNC110 - the cluster runs on this loop
            await asyncio.sleep(0)


async def test_waiting_for_changes_ends_with_one_or_with_the_time() -> None:
    changes = Changes()
    loop = asyncio.get_running_loop()
    changes.notify()
    waiting = [asyncio.create_task(changes.wait(10)) for _ in range(3)]
    await asyncio.sleep(0)
    changes.notify()
    changes.notify()
    async with asyncio.timeout(1):
        await asyncio.gather(*waiting)
    started = loop.time()
    await changes.wait(0.01)
    assert loop.time() - started < 1
