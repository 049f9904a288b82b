from __future__ import annotations

import asyncio
import gc
import re
import time
import warnings
from collections.abc import Callable

import pytest

from aioproducer.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from aioproducer.protocol.messages.metadata import MetadataRequest, MetadataResponse
from aioproducer.testing import Code, EmbeddedCluster
from aioproducer.testing.handlers import HANDLERS
from tests.testing.conftest import Connect
from tests.testing.wire import RawClient, batch, produce

ASK = MetadataRequest(topics=())


def sockets() -> int:
    """Open sockets that asyncio's selector loop holds on to, seen by the garbage collector."""
    import socket

    gc.collect()
    return sum(isinstance(thing, socket.socket) and thing.fileno() != -1 for thing in gc.get_objects())


async def test_nothing_is_left_behind_whatever_the_peers_do() -> None:
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    complaints: list[object] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    before, tasks_before = sockets(), asyncio.all_tasks()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cluster = EmbeddedCluster(brokers=3)
        await cluster.start()
        cluster.create_topic("t", partitions=3, replication_factor=3)
        clients = [await RawClient.connect(cluster, 1) for _ in range(6)]
        cluster.silence("metadata")
        clients[0].send(ASK, 9)
        clients[1].send(FETCH_FOREVER, 12)
        cluster.delay("metadata", 100, skip=0)
        clients[2].send(ASK, 9)
        cluster.hold_replication("t", 0)
        clients[3].send(produce(("t", 0, batch()), timeout_ms=100_000), 9)
        clients[4].writer.write(b"\0\0\0\x50half")
        await asyncio.sleep(0.01)
        started = loop.time()
        await cluster.close()
        await cluster.close()
        assert loop.time() - started < 1
        for client in clients:
            await client.__aexit__()
        await asyncio.sleep(0)
    assert complaints == []
    assert asyncio.all_tasks() == tasks_before
    assert sockets() == before


FETCH_FOREVER = FetchRequest(
    max_wait_ms=100_000,
    min_bytes=1,
    topics=(FetchTopic(topic="t", partitions=(FetchPartition(partition=0, partition_max_bytes=100),)),),
)


async def test_it_can_be_started_again_on_the_same_ports() -> None:
    cluster = EmbeddedCluster(brokers=2)
    async with cluster:
        cluster.create_topic("t")
        servers = cluster.bootstrap_servers
        async with await RawClient.connect(cluster) as client:
            await client.produce("t", batch())
        assert repr(cluster) == "<EmbeddedCluster 2 of 2 brokers up, topics=['t']>"
    assert repr(cluster) == "<EmbeddedCluster 0 of 2 brokers up, topics=['t']>"
    async with cluster:
        assert cluster.bootstrap_servers == servers
        assert re.fullmatch(r"127\.0\.0\.1:\d+,127\.0\.0\.1:\d+", servers)
        assert cluster.end_offset("t") == 1


async def test_a_port_that_is_taken_leaves_nothing_running() -> None:
    async with EmbeddedCluster() as first:
        port = first.address(1)[1]
        second = EmbeddedCluster(brokers=2)
        async with second:
            ports = [second.address(1)[1], second.address(2)[1]]
            await second.stop_broker(2)
            with pytest.raises(OSError, match="in use"):
                await second.start_broker(2, port=port)
            await second.start_broker(2)
            assert [second.address(1)[1], second.address(2)[1]] == ports


async def test_a_bug_in_a_handler_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    import aioproducer.testing.broker as module

    broken_handlers = dict(HANDLERS)
    broken_handlers[3] = broken_handlers[3]._replace(handle=broken)  # type: ignore[arg-type]
    monkeypatch.setattr(module, "HANDLERS", broken_handlers)
    cluster = EmbeddedCluster()
    await cluster.start()
    async with await RawClient.connect(cluster) as client:
        client.send(ASK, 9)
        assert await client.rest() == b""
    with pytest.raises(ZeroDivisionError, match="a bug"):
        await cluster.close()
    await cluster.close()


async def test_deleted_records_are_gone(cluster: EmbeddedCluster, client: RawClient) -> None:
    await client.produce("t", batch(b"a", b"b"))
    cluster.delete_records("t", 0, 1)
    assert [r.value for r in cluster.records("t", 0)] == [b"b"]
    assert (await client.produce("t", batch())).log_start_offset == 1


async def test_forgotten_producers_begin_anywhere(cluster: EmbeddedCluster, client: RawClient) -> None:
    await client.produce("t", batch(producer=(7, 0, 0)))
    cluster.forget_producers("t", 0)
    assert (await client.produce("t", batch(producer=(7, 0, 50)))).error_code == 0


async def test_a_broker_goes_and_comes_back(cluster: EmbeddedCluster, connect: Connect) -> None:
    client = await connect(1)
    await client.produce("t", batch())
    await cluster.stop_broker(1)
    assert await client.rest() == b""
    with pytest.raises(ConnectionRefusedError):
        await RawClient.connect(cluster, 1)
    assert (cluster.leader("t"), cluster.isr("t")) == (2, (2, 3))
    other = await connect(2)
    assert (await other.produce("t", batch())).base_offset == 1
    port = cluster.address(1)[1]
    await cluster.start_broker(1)
    assert cluster.address(1)[1] == port
    assert cluster.isr("t") == (1, 2, 3)
    assert (await (await connect(1)).produce("t", batch())).error_code == Code.NOT_LEADER_OR_FOLLOWER


async def test_a_broker_may_come_back_on_another_port(cluster: EmbeddedCluster, connect: Connect) -> None:
    port = cluster.address(2)[1]
    await cluster.stop_broker(2)
    async with EmbeddedCluster() as occupier:
        # The old port is taken meanwhile, so that the new one can not be the same by chance.
        await occupier.stop_broker(1)
        await occupier.start_broker(1, port=port)
        await cluster.start_broker(2, port=0)
        assert cluster.address(2)[1] != port
        assert f":{cluster.address(2)[1]}," in cluster.bootstrap_servers
        answer = await (await connect(1)).ask(ASK, MetadataResponse, 9)
        assert answer.brokers[1].port == cluster.address(2)[1]


async def test_stopping_twice_is_nothing_and_starting_twice_is_an_error(cluster: EmbeddedCluster) -> None:
    await cluster.stop_broker(3)
    await cluster.stop_broker(3)
    await cluster.start_broker(3)
    with pytest.raises(ValueError, match="runs already"):
        await cluster.start_broker(3)
    with pytest.raises(ValueError, match="stop it with"):
        cluster.fail_over(3)
    with pytest.raises(LookupError, match="no broker 4"):
        await cluster.stop_broker(4)


async def test_connections_are_cut_and_can_be_made_again(cluster: EmbeddedCluster, connect: Connect) -> None:
    one, two = await connect(1), await connect(2)
    await one.ask(ASK, MetadataResponse, 9)
    await two.ask(ASK, MetadataResponse, 9)
    await cluster.cut_connections(1)
    assert await one.rest() == b""
    assert (await two.ask(ASK, MetadataResponse, 9)).brokers
    await cluster.cut_connections()
    assert await two.rest() == b""
    assert (await (await connect(1)).ask(ASK, MetadataResponse, 9)).brokers


async def test_topics_grow(cluster: EmbeddedCluster) -> None:
    cluster.add_partitions("t", 5)
    assert cluster.topics() == {"t": 5}
    assert cluster.leader("t", 4) == 2


def test_topics_may_be_made_before_the_start() -> None:
    cluster = EmbeddedCluster(brokers=2, min_insync_replicas=2, max_message_bytes=77)
    cluster.create_topic("t", partitions=2)
    cluster.create_topic("u", replication_factor=1, max_message_bytes=5)
    assert cluster.topics() == {"t": 2, "u": 1}
    assert (cluster.isr("t"), cluster.isr("u")) == ((1, 2), (1,))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: EmbeddedCluster(0), "brokers=0"),
        (lambda: EmbeddedCluster(release="9"), "release='9'"),
        (lambda: EmbeddedCluster(2, racks=["a"]), "racks="),
        (lambda: EmbeddedCluster(default_replication_factor=2), "default_replication_factor=2"),
        (lambda: EmbeddedCluster(min_insync_replicas=0), "min_insync_replicas=0"),
    ],
)
def test_impossible_clusters_are_refused(make: Callable[[], object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        make()


@pytest.mark.parametrize(
    ("order", "why"),
    [
        (lambda c: c.create_topic("a b"), "no topic name"),
        (lambda c: c.create_topic("n", replication_factor=4), "replication_factor=4"),
        (lambda c: c.create_topic("n", cleanup_policy="x"), "cleanup_policy='x'"),
        (lambda c: c.fail("prodjuce", 1), "api='prodjuce'"),
        (lambda c: c.disconnect("produce", times=-1), "times=-1"),
    ],
)
def test_impossible_orders_are_refused(order: Callable[[EmbeddedCluster], object], why: str) -> None:
    cluster = EmbeddedCluster(3)
    with pytest.raises(ValueError, match=why):
        order(cluster)


def test_misspelt_settings_are_refused() -> None:
    cluster = EmbeddedCluster()
    with pytest.raises(TypeError):
        cluster.create_topic("t", retention=2)  # type: ignore[call-arg]  # wrong on purpose


@pytest.mark.parametrize(("release", "code"), [("3.9", 0), ("4.0", Code.INVALID_TIMESTAMP)])
async def test_times_ahead_are_limited_since_4_0(release: str, code: int) -> None:
    async with EmbeddedCluster(release=release) as running, await RawClient.connect(running) as client:
        running.create_topic("t")
        ahead = batch(base_timestamp=int(time.time() * 1000) + 2 * 3_600_000)
        assert (await client.produce("t", ahead, 11)).error_code == code


async def test_faults_are_taken_back(cluster: EmbeddedCluster, client: RawClient) -> None:
    cluster.fail("produce", 7, times=None)
    assert (await client.produce("t", batch())).error_code == 7
    cluster.clear_faults()
    assert (await client.produce("t", batch())).error_code == 0
