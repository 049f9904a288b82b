"""A producer's everyday work in debug mode, on other event loops, in other threads, and beside others."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine
from typing import Any

import pytest

from aioproducer import Producer, RecordMetadata
from aioproducer.testing import EmbeddedCluster
from tests.support.foreign import read_all_async
from tests.support.leaks import Leaks
from tests.support.producers import TOPIC, values

pytestmark = pytest.mark.usefixtures("no_leaks")


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
