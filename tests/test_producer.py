"""The producer's life: started, misused, failed, closed, in every order, with nothing left behind.

What it does with records is held against every broker in `tests/contract/`.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import Context
from random import Random
from typing import Any, TypeVarTuple

import pytest

from aioproducer import Persisted, Producer, RecordMetadata
from aioproducer.errors import (
    ArgumentTypeError,
    ClusterAuthorizationError,
    ConfigurationError,
    ConnectTimeoutError,
    DeliveryTimeoutError,
    InvalidArgumentError,
    KafkaError,
    MisuseError,
    PartitionerError,
    ProducerClosedError,
    ProducerFailedError,
    ProducerNotStartedError,
    ProtocolError,
    StartTimeoutError,
    TopicAuthorizationError,
)
from aioproducer.network.sockets import SocketDialer
from aioproducer.network.stream import Stream
from aioproducer.partitioning.base import Partitions
from aioproducer.testing import EmbeddedCluster
from tests.support.foreign import read_all_async
from tests.support.held import HeldNetwork
from tests.support.leaks import Leaks
from tests.support.scratch import free_ports

pytestmark = pytest.mark.usefixtures("no_leaks")

TOPIC = "orders"

Ts = TypeVarTuple("Ts")


@pytest.fixture
async def cluster() -> AsyncIterator[EmbeddedCluster]:
    async with EmbeddedCluster(brokers=3) as opened:
        opened.create_topic(TOPIC, partitions=3)
        yield opened


@pytest.fixture
async def started(cluster: EmbeddedCluster) -> AsyncIterator[Producer]:
    async with Producer(cluster.bootstrap_servers) as producer:
        yield producer


def values(cluster: EmbeddedCluster, topic: str = TOPIC) -> list[bytes | None]:
    return [record.value for record in cluster.records(topic)]


class Broken(Random):
    """A source of chance with a bug that shows when the test wants it to."""

    armed = False

    def random(self) -> float:
        if self.armed:
            raise ZeroDivisionError("a bug")
        return super().random()


class BrokenDialer:
    """A dialler that raises, once armed, what no network raises."""

    def __init__(self) -> None:
        self.armed = False
        self._dial = SocketDialer()

    async def __call__(self, host: str, port: int) -> Stream:
        if self.armed:
            raise ZeroDivisionError("a bug")
        return await self._dial(host, port)


# -- calls at the wrong time


CALLS: dict[str, Callable[[Producer], Awaitable[object]]] = {
    "send()": lambda producer: asyncio.sleep(0, producer.send(TOPIC, b"x")),
    "drain()": lambda producer: producer.drain(),
    "flush()": lambda producer: producer.flush(),
    "partitions_for()": lambda producer: producer.partitions_for(TOPIC),
}


@pytest.mark.parametrize("call", CALLS)
async def test_before_start(call: str) -> None:
    producer = Producer("127.0.0.1:1")
    with pytest.raises(ProducerNotStartedError) as caught:
        await CALLS[call](producer)
    assert str(caught.value).startswith(f"{call} on a producer that is not started: use it within `async with ")


@pytest.mark.parametrize("call", CALLS)
async def test_after_close(cluster: EmbeddedCluster, call: str) -> None:
    producer = Producer(cluster.bootstrap_servers)
    await producer.start()
    await producer.close()
    with pytest.raises(ProducerClosedError) as caught:
        await CALLS[call](producer)
    assert str(caught.value) == f"{call} on a producer that is closed: make a new one"


@pytest.mark.parametrize("call", CALLS)
async def test_while_it_starts(cluster: EmbeddedCluster, call: str) -> None:
    producer = Producer(cluster.bootstrap_servers)
    starting = asyncio.ensure_future(producer.start())
    await asyncio.sleep(0)
    with pytest.raises(ProducerNotStartedError):
        await CALLS[call](producer)
    await starting
    await CALLS[call](producer)
    await producer.close()


async def test_send_all_before_start_and_after_close(cluster: EmbeddedCluster) -> None:
    producer = Producer(cluster.bootstrap_servers)
    with pytest.raises(ProducerNotStartedError):
        await producer.send_all(TOPIC, [b"x"])
    await producer.start()
    await producer.close()
    with pytest.raises(ProducerClosedError):
        await producer.send_all(TOPIC, [b"x"])
    assert values(cluster) == []


async def test_metrics_before_start_and_after_close(cluster: EmbeddedCluster) -> None:
    producer = Producer(cluster.bootstrap_servers)
    with pytest.raises(ProducerNotStartedError, match="metrics"):
        producer.metrics()
    async with producer:
        await producer.send(TOPIC, b"x")
    assert producer.metrics().record_send_total == 1


async def test_started_twice(started: Producer) -> None:
    with pytest.raises(MisuseError, match=r"start\(\) on a producer that is started already: start it once"):
        await started.start()
    await started.send(TOPIC, b"x")


async def test_started_twice_at_once(cluster: EmbeddedCluster) -> None:
    producer = Producer(cluster.bootstrap_servers)
    outcomes = await asyncio.gather(producer.start(), producer.start(), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), MisuseError]
    await producer.send(TOPIC, b"x")
    await producer.close()


async def test_started_after_close(cluster: EmbeddedCluster) -> None:
    producer = Producer(cluster.bootstrap_servers)
    async with producer:
        pass
    with pytest.raises(ProducerClosedError, match="make a new one"):
        await producer.start()


async def test_closed_while_it_starts(cluster: EmbeddedCluster) -> None:
    producer = Producer(cluster.bootstrap_servers)
    starting = asyncio.ensure_future(producer.start())
    await asyncio.sleep(0)
    with pytest.raises(MisuseError, match="cancel the task"):
        await producer.close()
    await starting
    await producer.close()


async def test_from_a_thread_without_a_loop(started: Producer, cluster: EmbeddedCluster) -> None:
    with pytest.raises(MisuseError, match=r"send\(\) from outside of the event loop.*call_soon_threadsafe"):
        await asyncio.to_thread(started.send, TOPIC, b"x")
    await started.flush()
    assert values(cluster) == []


@pytest.mark.parametrize("call", CALLS)
async def test_from_a_thread_with_a_loop_of_its_own(started: Producer, cluster: EmbeddedCluster, call: str) -> None:
    async def elsewhere() -> None:
        await CALLS[call](started)

    def run() -> None:
        with asyncio.Runner() as runner:
            runner.run(elsewhere())

    with pytest.raises(MisuseError, match=rf"{call[:-2]}\(\) from outside of the event loop"):
        await asyncio.to_thread(run)
    await started.send(TOPIC, b"from here")
    assert values(cluster) == [b"from here"]


async def test_closed_from_another_loop(started: Producer) -> None:
    with pytest.raises(MisuseError, match=r"close\(\) from outside of the event loop"):
        await asyncio.to_thread(lambda: asyncio.run(started.close()))
    await started.send(TOPIC, b"x")


async def test_from_a_thread_as_it_is_meant(started: Producer, cluster: EmbeddedCluster) -> None:
    loop = asyncio.get_running_loop()

    async def send() -> RecordMetadata:
        return await started.send(TOPIC, b"x")

    def work() -> RecordMetadata:
        return asyncio.run_coroutine_threadsafe(send(), loop).result(10)

    assert (await asyncio.to_thread(work)).offset == 0


def test_without_a_loop() -> None:
    with pytest.raises(ProducerNotStartedError):
        Producer("127.0.0.1:1").send(TOPIC, b"x")


def test_when_its_loop_is_over() -> None:
    async def open_and_leave_open() -> Producer:
        async with EmbeddedCluster() as cluster:
            producer = Producer(cluster.bootstrap_servers)
            await producer.start()
            await producer.send(TOPIC, b"x")
            await producer.close()
            return producer

    with asyncio.Runner() as runner:
        producer = runner.run(open_and_leave_open())
    with pytest.raises(ProducerClosedError):
        producer.send(TOPIC, b"x")
    with asyncio.Runner() as runner:
        runner.run(producer.close())


def test_never_closed(caplog: pytest.LogCaptureFixture) -> None:
    """The loop ends, and the producer with it: nothing hangs, and one warning says what was forgotten."""

    async def leave_open(servers: str) -> Producer:
        producer = Producer(servers)
        await producer.start()
        await producer.send(TOPIC, b"x")
        return producer

    with asyncio.Runner() as runner:
        brokers = EmbeddedCluster()
        runner.run(brokers.start())
        producer = runner.run(leave_open(brokers.bootstrap_servers))
        runner.run(brokers.close())
    with pytest.raises(MisuseError):
        producer.send(TOPIC, b"x")
    del producer
    (told,) = (record.message for record in caplog.records if record.levelno >= logging.WARNING)
    assert "close a producer before its loop" in told


# -- what is given


async def test_options_are_checked_at_once() -> None:
    with pytest.raises(ConfigurationError, match=r"linger_ms.*; .*acks"):
        Producer("127.0.0.1:1", linger_ms=-1, acks=7)  # type: ignore[arg-type]  # what is wrong is the point
    with pytest.raises(ConfigurationError, match="linger_ms"):
        Producer("127.0.0.1:1", lingerms=1)  # type: ignore[call-arg]  # what is wrong is the point


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"topic": None}, ArgumentTypeError, "topic=None"),
        ({"topic": b"orders"}, ArgumentTypeError, "give a str"),
        ({"value": "text"}, ArgumentTypeError, "value of a record"),
        ({"key": 1}, ArgumentTypeError, "key of a record"),
        ({"partition": "0"}, ArgumentTypeError, "partition='0'"),
        ({"partition": True}, ArgumentTypeError, "partition=True"),
        ({"partition": -1}, InvalidArgumentError, "partition=-1"),
        ({"headers": {"a": b"1"}}, ArgumentTypeError, r"list\(headers.items\(\)\)"),
        ({"headers": [("a", "text")]}, ArgumentTypeError, "the value of 'a'"),
        ({"headers": [(b"a", b"1")]}, ArgumentTypeError, "the key b'a'"),
        ({"headers": [("\ud800", b"1")]}, InvalidArgumentError, "UTF-8"),
        ({"timestamp_ms": 1.5}, ArgumentTypeError, "timestamp_ms=1.5"),
        ({"timestamp_ms": -1}, InvalidArgumentError, "timestamp_ms=-1"),
        ({"on_delivery": 1}, ArgumentTypeError, "on_delivery=1"),
    ],
)
async def test_arguments_are_checked_at_once(
    started: Producer, arguments: dict[str, Any], error: type[KafkaError], message: str
) -> None:
    with pytest.raises(error, match=message):
        started.send(**{"topic": TOPIC, "value": b"x"} | arguments)
    assert started.metrics().waiting_sends == started.metrics().buffered_records == 0


async def test_on_delivery_can_not_be_a_coroutine_function(started: Producer) -> None:
    async def settled(metadata: RecordMetadata | None, error: KafkaError | None) -> None:
        """Nobody would await it."""

    with pytest.raises(ArgumentTypeError, match="coroutine function"):
        started.send(TOPIC, b"x", on_delivery=settled)


@pytest.mark.parametrize("timeout", [-1, float("nan"), "1", True])
async def test_timeouts_are_checked(started: Producer, timeout: Any) -> None:
    for call in (started.close, started.flush):
        with pytest.raises((ArgumentTypeError, InvalidArgumentError), match="give seconds"):
            await call(timeout)
    await started.send(TOPIC, b"x")


# -- started and closed


async def test_entered_and_left_in_different_tasks(cluster: EmbeddedCluster) -> None:
    producer = Producer(cluster.bootstrap_servers)
    await asyncio.create_task(producer.__aenter__())
    await asyncio.create_task(asyncio.wait_for(producer.send(TOPIC, b"x"), 10))
    await asyncio.create_task(producer.__aexit__(None, None, None))
    assert values(cluster) == [b"x"]


async def test_its_starter_may_end_or_be_cancelled(cluster: EmbeddedCluster) -> None:
    producer = Producer(cluster.bootstrap_servers)

    async def start_and_stay() -> None:
        await producer.start()
        ready.set()
        await asyncio.sleep(60)

    ready = asyncio.Event()
    starter = asyncio.create_task(start_and_stay())
    await ready.wait()
    starter.cancel()
    await asyncio.gather(starter, return_exceptions=True)
    await producer.send(TOPIC, b"x")
    await producer.close()


async def test_repr_tells_the_state(cluster: EmbeddedCluster) -> None:
    producer = Producer(cluster.bootstrap_servers, client_id="me")
    assert repr(producer) == f"<Producer me of {cluster.bootstrap_servers}, new>"
    async with producer:
        assert repr(producer).endswith(", running>")
    assert repr(producer).endswith(", closed>")


async def test_closed_before_start() -> None:
    producer = Producer("127.0.0.1:1")
    await producer.close()
    await producer.close(timeout=0)
    with pytest.raises(ProducerClosedError):
        await producer.start()


async def test_closed_twice_and_at_once(cluster: EmbeddedCluster) -> None:
    producer = Producer(cluster.bootstrap_servers, linger_ms=60_000)
    await producer.start()
    delivery = producer.send(TOPIC, b"x")
    await asyncio.gather(producer.close(), producer.close(timeout=5), producer.close())
    assert delivery.result().offset == 0
    await producer.close()


async def test_closed_during_sends(cluster: EmbeddedCluster) -> None:
    """Those accepted by then are finished, also if their topic is not known yet; later ones are refused."""
    producer = Producer(cluster.bootstrap_servers, buffer_memory=2000, batch_size=500)
    await producer.start()
    accepted = [producer.send("new", b"x" * 300, partition=0) for _ in range(40)]
    closing = asyncio.ensure_future(producer.close())
    await asyncio.sleep(0)
    with pytest.raises(ProducerClosedError):
        producer.send(TOPIC, b"late")
    await closing
    assert [delivery.result().offset for delivery in accepted] == list(range(40))


async def test_closed_while_others_wait(cluster: EmbeddedCluster) -> None:
    network = HeldNetwork()
    producer = Producer(cluster.bootstrap_servers, buffer_memory=2000)
    await producer.start(dial=network)
    await producer.send(TOPIC, b"x", partition=0)
    with network.held():
        sent = [producer.send(TOPIC, b"x" * 500, partition=0) for _ in range(10)]
        waiting: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(producer.drain()),
            asyncio.ensure_future(producer.flush()),
            asyncio.ensure_future(producer.partitions_for("elsewhere")),
        ]
        await asyncio.sleep(0.05)
        await asyncio.wait_for(producer.close(timeout=0.1), 5)
        done, pending = await asyncio.wait(waiting, timeout=5)
    assert not pending
    assert all(delivery.done() for delivery in sent)
    assert isinstance(waiting[2].exception(), ProducerClosedError)
    for future in done:
        future.exception()
    for delivery in sent:
        assert isinstance(delivery.exception(), ProducerClosedError)


async def test_close_with_no_time_at_all(cluster: EmbeddedCluster) -> None:
    network = HeldNetwork()
    producer = Producer(cluster.bootstrap_servers, linger_ms=60_000)
    await producer.start(dial=network)
    await producer.send(TOPIC, b"first")
    with network.held():
        deliveries = [producer.send(topic, b"x") for topic in (TOPIC, TOPIC, "unknown")]
        start = time.monotonic()
        await producer.close(timeout=0)
        assert time.monotonic() - start < 1
    assert all(delivery.done() for delivery in deliveries)
    for delivery in deliveries:
        error = delivery.exception()
        assert isinstance(error, ProducerClosedError)
        assert error.persisted is Persisted.NO
    assert values(cluster) == [b"first"]


async def test_a_close_in_a_hurry_does_not_wait_for_one_that_is_not(cluster: EmbeddedCluster) -> None:
    network = HeldNetwork()
    producer = Producer(cluster.bootstrap_servers)
    await producer.start(dial=network)
    await producer.send(TOPIC, b"first")
    with network.held():
        delivery = producer.send(TOPIC, b"x")
        patient = asyncio.ensure_future(producer.close())
        await asyncio.sleep(0.05)
        start = time.monotonic()
        await asyncio.wait_for(producer.close(timeout=0.2), 5)
        assert time.monotonic() - start < 2
        assert isinstance(delivery.exception(), ProducerClosedError)
        await asyncio.wait_for(patient, 5)


async def test_a_close_that_is_cancelled_closes_at_once(cluster: EmbeddedCluster) -> None:
    network = HeldNetwork()
    producer = Producer(cluster.bootstrap_servers)
    await producer.start(dial=network)
    await producer.send(TOPIC, b"first")
    with network.held():
        delivery = producer.send(TOPIC, b"x")
        closing = asyncio.ensure_future(producer.close())
        await asyncio.sleep(0.05)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(closing, 5)
        assert isinstance(delivery.exception(), ProducerClosedError)
        await asyncio.wait_for(producer.close(), 5)


async def test_a_close_that_is_cancelled_twice(cluster: EmbeddedCluster) -> None:
    network = HeldNetwork()
    producer = Producer(cluster.bootstrap_servers)
    await producer.start(dial=network)
    await producer.send(TOPIC, b"first")
    with network.held():
        delivery = producer.send(TOPIC, b"x")
        closing = asyncio.ensure_future(producer.close())
        await asyncio.sleep(0.05)
        closing.cancel()
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(closing, 5)
        assert isinstance(delivery.exception(), ProducerClosedError)
        await asyncio.wait_for(producer.close(), 5)


async def test_left_by_an_exception(cluster: EmbeddedCluster) -> None:
    async def body() -> None:
        async with Producer(cluster.bootstrap_servers, linger_ms=60_000) as producer:
            producer.send(TOPIC, b"x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await body()
    assert values(cluster) == [b"x"]


async def test_left_by_cancellation(cluster: EmbeddedCluster) -> None:
    entered = asyncio.Event()

    async def body() -> None:
        async with Producer(cluster.bootstrap_servers, linger_ms=60_000) as producer:
            producer.send(TOPIC, b"x")
            entered.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(body())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 10)
    assert values(cluster) == [b"x"]


async def test_a_time_limit_around_a_send_takes_only_the_waiter(cluster: EmbeddedCluster) -> None:
    network = HeldNetwork()
    producer = Producer(cluster.bootstrap_servers)
    await producer.start(dial=network)
    await producer.send(TOPIC, b"first", partition=0)
    with network.held():
        delivery = producer.send(TOPIC, b"x", partition=0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await delivery
        assert not delivery.done()
    assert (await delivery).offset == 1
    await producer.close()


async def test_when_somebody_cancels_every_task(cluster: EmbeddedCluster) -> None:
    """As shutdown handlers do. The producer can not go on then, and says so; nothing hangs."""
    network = HeldNetwork()
    mine = asyncio.all_tasks()
    producer = Producer(cluster.bootstrap_servers)
    await producer.start(dial=network)
    await producer.send(TOPIC, b"first")
    theirs = {task for task in asyncio.all_tasks() - mine if "aioproducer" in task.get_name()}
    with network.held():
        delivery = producer.send(TOPIC, b"x")
        parked = producer.send("unknown", b"x")
        await asyncio.sleep(0.05)
        for task in theirs:
            task.cancel()
        for each in (delivery, parked):
            with pytest.raises((ProducerFailedError, ProducerClosedError)):
                await asyncio.wait_for(each, 5)
        with pytest.raises((ProducerFailedError, ProducerClosedError)):
            producer.send(TOPIC, b"x")
        await asyncio.wait_for(producer.close(), 5)


# -- the start


async def test_a_start_in_vain_can_be_made_again(cluster: EmbeddedCluster) -> None:
    (port,) = free_ports(1)
    producer = Producer(f"127.0.0.1:{port}", max_block_ms=150)
    for _ in range(2):
        with pytest.raises(StartTimeoutError):
            await producer.start()
    with pytest.raises(ProducerNotStartedError):
        producer.send(TOPIC, b"x")
    await cluster.stop_broker(1)
    await cluster.start_broker(1, port=port)
    async with producer:
        await producer.send(TOPIC, b"x")
    assert values(cluster) == [b"x"]


async def test_a_start_that_is_cancelled_can_be_made_again(cluster: EmbeddedCluster) -> None:
    network = HeldNetwork()
    producer = Producer(cluster.bootstrap_servers)
    with network.held():
        starting = asyncio.ensure_future(producer.start(dial=network))
        await asyncio.sleep(0.05)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(starting, 5)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await producer.start(dial=network)
    async with producer:
        await producer.send(TOPIC, b"x")


async def test_a_start_in_vain_can_be_closed() -> None:
    (port,) = free_ports(1)
    producer = Producer(f"127.0.0.1:{port}", max_block_ms=100)
    with pytest.raises(StartTimeoutError):
        await producer.start()
    await producer.close()
    with pytest.raises(ProducerClosedError):
        await producer.start()


async def test_a_start_waits_for_a_broker_that_comes_late(cluster: EmbeddedCluster) -> None:
    (port,) = free_ports(1)
    producer = Producer(f"127.0.0.1:{port}", max_block_ms=10_000)
    starting = asyncio.ensure_future(producer.start())
    await asyncio.sleep(0.3)
    await cluster.stop_broker(1)
    await cluster.start_broker(1, port=port)
    await starting
    await producer.close()


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


# -- the way of a record, as far as it needs faults that only the embedded cluster has


class WatchfulLoop(asyncio.SelectorEventLoop):
    """Counts the timers that have fired."""

    fired = 0

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        def fire() -> None:
            self.fired += 1
            callback(*args)

        return super().call_at(when, fire, context=context)


def test_the_first_acknowledgement_takes_no_sleep() -> None:
    """From the constructor on: no timer fires, so nothing that is awaited on the way can have ended by one."""
    loop = WatchfulLoop()

    async def main() -> None:
        async with EmbeddedCluster(brokers=3) as cluster:
            cluster.create_topic(TOPIC, partitions=3)
            # Lingers that nobody sits out still have timers; these come too late to be seen.
            producer = Producer(cluster.bootstrap_servers, linger_ms=60_000)
            await producer.start()
            for partition in range(3):
                await producer.send(TOPIC, b"x", partition=partition)
            assert loop.fired == 0
            await producer.close()
            assert loop.fired == 0

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main())


async def test_nothing_is_asked_of_brokers_that_is_not_needed(cluster: EmbeddedCluster) -> None:
    async with Producer(cluster.bootstrap_servers) as producer:
        await asyncio.gather(*[producer.send(TOPIC, b"x", partition=0) for _ in range(100)])
    asked = [entry.api for entry in cluster.requests]
    assert asked.count("Produce") == 1
    assert asked.count("InitProducerId") == 1
    assert asked.count("Metadata") == 2


async def test_a_record_that_expires_while_it_is_compressed(cluster: EmbeddedCluster, fast_loop: None) -> None:
    async with Producer(
        cluster.bootstrap_servers,
        compression_type="zstd",
        compression_zstd_level=22,
        linger_ms=0,
        request_timeout_ms=50,
        delivery_timeout_ms=60,
        batch_size=10_000_000,
        max_request_size=10_000_000,
    ) as producer:
        await producer.partitions_for(TOPIC)
        value = Random(1).randbytes(50_000) * 100
        with pytest.raises(DeliveryTimeoutError) as caught:
            await producer.send(TOPIC, value, partition=0)
        assert caught.value.persisted is Persisted.NO
        await asyncio.sleep(0.1)
        deadline = time.monotonic() + 20
        while True:
            # The compressor may be busy with the first one for a while.
            try:
                await producer.send(TOPIC, b"after", partition=0)
            except DeliveryTimeoutError:
                assert time.monotonic() < deadline
            else:
                break
        await producer.flush()
        assert producer.metrics().buffered_bytes == 0
    assert value not in values(cluster)


async def test_idempotence_that_is_not_allowed(cluster: EmbeddedCluster) -> None:
    cluster.fail("InitProducerId", "CLUSTER_AUTHORIZATION_FAILED", times=None)
    async with Producer(cluster.bootstrap_servers) as producer:
        with pytest.raises(ClusterAuthorizationError, match="enable_idempotence=False"):
            await asyncio.wait_for(producer.send(TOPIC, b"x"), 5)
    assert values(cluster) == []


async def test_a_topic_that_may_not_be_written(cluster: EmbeddedCluster) -> None:
    cluster.fail("Metadata", "TOPIC_AUTHORIZATION_FAILED", partition="secret", times=None)
    async with Producer(cluster.bootstrap_servers) as producer:
        deliveries = [producer.send("secret", b"x") for _ in range(2)]
        for delivery in deliveries:
            with pytest.raises(TopicAuthorizationError, match="secret"):
                await asyncio.wait_for(delivery, 5)
        with pytest.raises(TopicAuthorizationError, match="secret"):
            await asyncio.wait_for(producer.partitions_for("secret"), 5)
        await producer.send(TOPIC, b"x")


async def test_a_partitioner_with_a_fault_harms_one_record(cluster: EmbeddedCluster) -> None:
    def partitioner(topic: str, key: bytes | None, value: bytes | None, partitions: Partitions) -> int:
        if value == b"bad":
            raise ZeroDivisionError("the user's bug")
        return 0

    async with Producer(cluster.bootstrap_servers, partitioner=partitioner) as producer:
        # While the topic is unknown nobody can be asked, so the error is in the delivery.
        deliveries = [producer.send(TOPIC, value) for value in (b"1", b"bad", b"2")]
        await deliveries[2]
        with pytest.raises(PartitionerError, match="ZeroDivisionError") as caught:
            await deliveries[1]
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
        with pytest.raises(PartitionerError):
            producer.send(TOPIC, b"bad")
        await producer.send(TOPIC, b"3")
    assert values(cluster) == [b"1", b"2", b"3"]


class NewBatchFault:
    """A partitioner whose second method has a fault."""

    def __call__(self, topic: str, key: bytes | None, value: bytes | None, partitions: Partitions) -> int:
        return 0

    def on_new_batch(self, topic: str, partitions: Partitions, previous: int) -> None:
        raise ZeroDivisionError("the user's bug")


async def test_a_partitioner_with_a_fault_between_batches(cluster: EmbeddedCluster) -> None:
    async with Producer(cluster.bootstrap_servers, partitioner=NewBatchFault(), batch_size=500) as producer:
        await producer.partitions_for(TOPIC)
        first = producer.send(TOPIC, b"x" * 300)
        with pytest.raises(PartitionerError, match=r"on_new_batch.*ZeroDivisionError"):
            producer.send(TOPIC, b"y" * 300)
        await first
    assert values(cluster) == [b"x" * 300]


async def test_a_partitioner_with_a_fault_between_batches_of_records_that_wait(cluster: EmbeddedCluster) -> None:
    async with Producer(cluster.bootstrap_servers, partitioner=NewBatchFault(), batch_size=500) as producer:
        deliveries = [producer.send(TOPIC, b"x" * 300) for _ in range(2)]
        await asyncio.wait_for(deliveries[0], 5)
        with pytest.raises(PartitionerError, match=r"on_new_batch.*ZeroDivisionError"):
            await asyncio.wait_for(deliveries[1], 5)
    assert values(cluster) == [b"x" * 300]


async def test_on_delivery_that_raises_harms_nobody(cluster: EmbeddedCluster, caplog: pytest.LogCaptureFixture) -> None:
    def settled(metadata: RecordMetadata | None, error: KafkaError | None) -> None:
        calls.append(metadata)
        raise ZeroDivisionError("the user's bug")

    calls: list[RecordMetadata | None] = []
    async with Producer(cluster.bootstrap_servers) as producer:
        for _ in range(3):
            producer.send(TOPIC, b"x", partition=0, on_delivery=settled)
        await producer.flush()
        await producer.send(TOPIC, b"x", partition=0)
    assert len(calls) == 3
    assert [record.levelname for record in caplog.records if "on_delivery" in record.message] == ["ERROR"] * 3


async def test_on_delivery_may_use_the_producer(cluster: EmbeddedCluster) -> None:
    """It is called before whoever awaits the delivery, or flushes, goes on."""
    second: list[RecordMetadata | None] = []

    def settled(metadata: RecordMetadata | None, error: KafkaError | None) -> None:
        producer.send(TOPIC, b"2", on_delivery=lambda metadata, error: second.append(metadata))

    async with Producer(cluster.bootstrap_servers) as producer:
        await producer.send(TOPIC, b"1", on_delivery=settled)
        await producer.flush()
    assert len(second) == 1
    assert sorted(value or b"" for value in values(cluster)) == [b"1", b"2"]


async def test_errors_that_nobody_looks_at_are_logged_once_for_a_batch(
    cluster: EmbeddedCluster, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.fail("Produce", "INVALID_RECORD", partition=(TOPIC, 0))
    async with Producer(cluster.bootstrap_servers) as producer:
        await producer.partitions_for(TOPIC)
        for _ in range(5):
            producer.send(TOPIC, b"x", partition=0)
        await producer.flush()
    told = [record.message for record in caplog.records if "nobody looked" in record.message]
    assert len(told) == 1
    assert told[0].startswith("5 of 5 records to orders[0] failed")


# -- bugs


async def check_death(producer: Producer, strike: Callable[[], Awaitable[object]]) -> None:
    """A started producer, in which `strike` makes a background task die, settles everything and refuses more."""
    await producer.send(TOPIC, b"before", partition=0)
    told: list[tuple[RecordMetadata | None, KafkaError | None]] = []
    sent = [
        producer.send(TOPIC, b"x" * 500, partition=0, on_delivery=lambda *fate: told.append(fate)) for _ in range(8)
    ]
    assert producer.metrics().waiting_sends > 0
    waiting: list[asyncio.Future[Any]] = [
        asyncio.ensure_future(producer.drain()),
        asyncio.ensure_future(producer.flush()),
    ]
    await asyncio.sleep(0.02)
    await strike()
    await asyncio.wait(waiting, timeout=5)
    assert all(future.done() for future in waiting)
    for future in waiting:
        future.exception()

    for delivery in sent:
        with pytest.raises(ProducerFailedError, match=r"ZeroDivisionError.* a bug") as caught:
            await asyncio.wait_for(delivery, 5)
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
        assert caught.value.fatal
    assert [type(error) for _, error in told] == [ProducerFailedError] * 8
    for call in CALLS.values():
        with pytest.raises(ProducerFailedError) as caught:
            await call(producer)
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises((ProducerFailedError, MisuseError)):
        await producer.start()
    start = time.monotonic()
    await producer.close()
    assert time.monotonic() - start < 1


async def test_the_task_that_refreshes_metadata_dies(
    cluster: EmbeddedCluster, caplog: pytest.LogCaptureFixture
) -> None:
    chance = Broken()
    producer = Producer(cluster.bootstrap_servers, buffer_memory=2000)
    await producer.start(random=chance)

    async def strike() -> None:
        chance.armed = True
        delivery = producer.send("new", b"x")
        with pytest.raises(ProducerFailedError):
            await asyncio.wait_for(delivery, 5)

    cluster.silence("Produce", partition=(TOPIC, 0), skip=1, times=None)
    await check_death(producer, strike)
    assert [record.levelname for record in caplog.records if "a background task" in record.message] == ["CRITICAL"]


async def test_the_task_that_connects_dies(cluster: EmbeddedCluster) -> None:
    dialer = BrokenDialer()
    producer = Producer(cluster.bootstrap_servers, buffer_memory=2000)
    await producer.start(dial=dialer)

    async def strike() -> None:
        dialer.armed = True
        await cluster.cut_connections()

    cluster.silence("Produce", partition=(TOPIC, 0), skip=1, times=None)
    await check_death(producer, strike)


async def test_a_bug_during_the_start(cluster: EmbeddedCluster) -> None:
    dialer = BrokenDialer()
    dialer.armed = True
    producer = Producer(cluster.bootstrap_servers, max_block_ms=1000)
    start = time.monotonic()
    with pytest.raises((ProducerFailedError, ZeroDivisionError)):
        await producer.start(dial=dialer)
    assert time.monotonic() - start < 0.9
    await producer.close()


# -- loops


async def everyday(servers: str) -> list[RecordMetadata]:
    """What a service does with a producer."""
    async with Producer(servers, linger_ms=1) as producer:
        answers = [await producer.send(TOPIC, b"%d" % number, key=b"k") for number in range(5)]
        answers += await asyncio.gather(*[producer.send(TOPIC, b"%d" % number, key=b"k") for number in range(5, 20)])
        for number in range(20, 1000):
            producer.send(TOPIC, b"%d" % number, key=b"k")
            await producer.drain()
        await producer.flush()
        await producer.send_all(TOPIC, (b"other" for _ in range(100)))
        return answers


async def test_debug_mode_has_nothing_to_say(cluster: EmbeddedCluster, caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    # A machine that is busy with something else is not what is looked for.
    loop.slow_callback_duration = 5.0
    reports: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: reports.append(context))
    await everyday(cluster.bootstrap_servers)
    assert reports == []
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


def run_everyday(runner: asyncio.Runner) -> None:
    async def main() -> None:
        leaks = Leaks.mark()
        async with EmbeddedCluster(brokers=2) as cluster:
            cluster.create_topic(TOPIC, partitions=2)
            answers = await everyday(cluster.bootstrap_servers)
            assert [metadata.offset for metadata in answers] == list(range(20))
            assert len(await read_all_async(cluster.bootstrap_servers, TOPIC, 1100)) == 1100
        assert not await leaks.settled()

    runner.run(main())


def test_uvloop() -> None:
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        run_everyday(runner)


def test_eager_tasks() -> None:
    if not hasattr(asyncio, "eager_task_factory"):
        pytest.skip("this Python has no eager tasks")
    with asyncio.Runner() as runner:
        runner.get_loop().set_task_factory(asyncio.eager_task_factory)
        run_everyday(runner)


def test_a_loop_in_another_thread() -> None:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            with asyncio.Runner() as runner:
                run_everyday(runner)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    assert failures == []


async def test_many_producers_on_one_loop(cluster: EmbeddedCluster) -> None:
    async def one(number: int) -> None:
        async with Producer(cluster.bootstrap_servers) as producer:
            await producer.send(TOPIC, b"%d" % number)

    work: list[Coroutine[Any, Any, None]] = [one(number) for number in range(10)]
    await asyncio.gather(*work)
    assert sorted(int(value or b"") for value in values(cluster)) == list(range(10))
