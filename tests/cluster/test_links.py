"""A link: one attempt shared, pauses that grow, a broker that moves, idleness, nothing left behind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from itertools import pairwise
from random import Random

import pytest

from aioproducer.cluster.backoff import ExponentialBackoff
from aioproducer.cluster.connector import Connector
from aioproducer.cluster.links import BrokerLink, LinkPolicy
from aioproducer.errors import ConnectionFailedError, ConnectTimeoutError, KafkaError
from aioproducer.models import Node
from aioproducer.protocol.messages.api_versions import ApiVersionsRequest
from aioproducer.protocol.messages.metadata import MetadataRequest, MetadataResponse
from tests.support.scripted_peer import Close, MemoryNetwork
from tests.support.virtual_time import Background, virtual_time


class Bench:
    def __init__(self, *, max_idle: float | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        self.network = MemoryNetwork()
        self.background = Background()
        self.lost = 0

        async def resolve(host: str, _port: int) -> Sequence[str]:
            return (host,)

        def on_lost() -> None:
            self.lost += 1

        self.link = BrokerLink(
            Node(1, "one", 9092),
            Connector(
                self.network,
                resolve=resolve,
                client_id="test",
                spawn=self.background.spawn,
                clock=self.loop.time,
            ),
            LinkPolicy(
                reconnect=ExponentialBackoff(50, 1000, jitter=0.0),
                setup=ExponentialBackoff(10_000, 30_000, jitter=0.0),
                max_idle=max_idle,
            ),
            spawn=self.background.spawn,
            clock=self.loop.time,
            random=Random(1),
            on_lost=on_lost,
            log=True,
        )

    async def end(self) -> None:
        await self.link.close()
        assert self.background.alive == 0
        await self.background.end()


@virtual_time
async def test_one_attempt_is_shared_and_the_connection_stays() -> None:
    bench = Bench()
    broker = bench.network.add("one")
    first, second = await asyncio.gather(bench.link.connection(), bench.link.connection())
    assert first is second is await bench.link.connection()
    assert broker.connections == 1
    await bench.end()
    with pytest.raises(ConnectionFailedError, match="broker 1 at one:9092 was closed by this client"):
        await bench.link.connection()


@virtual_time
async def test_pauses_double_and_the_log_has_one_line(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    with caplog.at_level(logging.INFO, "aioproducer"):
        for _ in range(8):
            with pytest.raises(ConnectionFailedError):
                await bench.link.connection()
        times = bench.network.times("one")
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert gaps == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0])
        assert bench.link.retry_at == pytest.approx(bench.loop.time() + 1.0)
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "broker 1 at one:9092 can not be reached: one:9092: connection refused" in caplog.text
        bench.network.add("one")
        await bench.link.connection()
        assert "after 8 attempts in vain" in caplog.text
    assert bench.link.failure is None
    await bench.end()


@virtual_time
async def test_the_time_for_an_attempt_doubles() -> None:
    bench = Bench()
    bench.network.silent.add(("one", 9092))
    durations = []
    for _ in range(4):
        begin = max(bench.loop.time(), bench.link.retry_at)
        with pytest.raises(ConnectTimeoutError):
            await bench.link.connection()
        durations.append(bench.loop.time() - begin)
    assert durations == pytest.approx([10, 20, 30, 30])
    with pytest.raises(ConnectTimeoutError, match="within 2 s"):
        await bench.link.connection(within=2)
    await bench.end()


@virtual_time
async def test_a_broker_that_drops_every_connection_is_left_in_peace() -> None:
    bench = Bench()
    broker = bench.network.add("one")
    broker.script[MetadataRequest] = lambda _: Close
    begin = bench.loop.time()
    for _ in range(8):
        connection = await bench.link.connection()
        with pytest.raises(ConnectionFailedError):
            await connection.call(MetadataRequest(), timeout=5)
    assert bench.lost == 8
    assert bench.loop.time() - begin == pytest.approx(0.05 + 0.1 + 0.2 + 0.4 + 0.8 + 1.0 + 1.0)
    broker.script[MetadataRequest] = lambda _: MetadataResponse()
    connection = await bench.link.connection()
    await connection.call(MetadataRequest(), timeout=5)
    broker.streams[-1].feed(b"")
    await connection.wait_closed()
    assert bench.link.retry_at - bench.loop.time() == pytest.approx(0.05), "it had answered"
    await bench.end()


@virtual_time
async def test_an_attempt_nobody_waits_for_is_given_up() -> None:
    bench = Bench()
    bench.network.silent.add(("one", 9092))
    waiting = [asyncio.create_task(bench.link.connection()) for _ in range(2)]
    await asyncio.sleep(1)
    waiting[0].cancel()
    await asyncio.sleep(1)
    assert bench.background.alive == 1
    assert "connecting" in repr(bench.link)
    waiting[1].cancel()
    await asyncio.sleep(1)
    assert bench.background.alive == 0
    assert bench.link.retry_at == 0.0
    await bench.end()


@virtual_time
async def test_a_broker_that_moved_is_dialled_at_its_new_place_at_once() -> None:
    bench = Bench()
    bench.network.add("one").script[MetadataRequest] = lambda _: None
    bench.network.add("two")
    connection = await bench.link.connection()
    outcomes: list[object] = []
    connection.send(MetadataRequest(), 12, outcomes.append, timeout=5)
    bench.link.update(Node(1, "one", 9092, "rack"))
    assert not connection.closed
    bench.link.update(Node(1, "two", 9092))
    assert isinstance(outcomes[0], KafkaError)
    assert "has moved to two:9092" in str(outcomes[0])
    assert (await bench.link.connection()).name == "two:9092"
    assert bench.lost == 0
    await bench.end()


@virtual_time
async def test_a_move_during_an_attempt_leads_the_waiting_to_the_new_place() -> None:
    bench = Bench()
    bench.network.silent.add(("one", 9092))
    bench.network.add("two")
    waiting = asyncio.create_task(bench.link.connection())
    await asyncio.sleep(1)
    bench.link.update(Node(1, "two", 9092))
    assert (await waiting).name == "two:9092"
    assert bench.loop.time() == pytest.approx(1.0)
    await bench.end()


@virtual_time
async def test_an_idle_connection_is_closed_and_a_busy_one_is_not() -> None:
    bench = Bench(max_idle=60)
    broker = bench.network.add("one")
    broker.script[MetadataRequest] = lambda _: None
    assert bench.link.close_if_idle(0.0) is None
    connection = await bench.link.connection()
    assert bench.link.close_if_idle(59.0) == 60.0
    connection.send(MetadataRequest(), 12, lambda _: None, timeout=500)
    assert bench.link.close_if_idle(100.0) == 160.0
    assert not connection.closed
    bench.link.disconnect()
    connection = await bench.link.connection()
    assert bench.link.close_if_idle(60.0) is None
    assert connection.closed
    assert (bench.lost, bench.link.retry_at) == (0, 0.0)
    assert await bench.link.connection() is not connection
    await bench.end()


@virtual_time
async def test_closing_during_an_attempt_and_a_handshake_that_fails() -> None:
    bench = Bench()
    bench.network.add("one").script[ApiVersionsRequest] = lambda _: None
    waiting = asyncio.create_task(bench.link.connection())
    await asyncio.sleep(1)
    await bench.end()
    await asyncio.wait([waiting])
    assert isinstance(waiting.exception(), ConnectionFailedError)


@virtual_time
async def test_the_end_of_all_tasks_ends_the_waiting_too() -> None:
    bench = Bench()
    bench.network.silent.add(("one", 9092))
    waiting = asyncio.create_task(bench.link.connection())
    await asyncio.sleep(1)
    await bench.background.end()
    await asyncio.wait([waiting])
    assert isinstance(waiting.exception(), ConnectionFailedError)
    assert "was cancelled" in str(waiting.exception())
