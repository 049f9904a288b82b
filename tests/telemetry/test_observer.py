"""Where events go: counted each, logged once per incident, told to the user one after the other and from the loop."""

from __future__ import annotations

import asyncio
import logging

import pytest

from aioproducer import EventKind, Producer, ProducerEvent
from aioproducer.telemetry.counters import Counters
from aioproducer.telemetry.observer import Observer
from aioproducer.testing import EmbeddedCluster
from tests.support.virtual_time import virtual_time

THROTTLE = ProducerEvent(kind=EventKind.THROTTLE, broker=1, delay=0.5)


@virtual_time
async def test_counted_each_told_each_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "aioproducer")
    told: list[ProducerEvent] = []
    counters = Counters()
    observer = Observer(counters, told.append, client_id="me", loop=asyncio.get_running_loop())
    for _ in range(3):
        observer.emit(THROTTLE)
    assert not told, "called from within a decision"
    await asyncio.sleep(0)
    assert told == [THROTTLE] * 3
    await asyncio.sleep(11)
    observer.emit(THROTTLE)
    await asyncio.sleep(0)
    assert (counters.events[EventKind.THROTTLE], counters.throttle_time) == (4, 2.0)
    line = "me: broker 1 throttles this producer for 0.500 s"
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("INFO", line),
        ("INFO", f"{line} (2 more of the kind before it)"),
    ]


@virtual_time
async def test_each_step_of_growth_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    observer = Observer(Counters(), None, client_id="p", loop=asyncio.get_running_loop())
    for before, now in ((2, 4), (4, 8), (4, 8)):
        observer.emit(ProducerEvent(kind=EventKind.GROWTH, topic="t", partitions=now, partitions_before=before))
    assert [record.message.partition(" partitions now")[0] for record in caplog.records] == [
        "p: topic t has 4",
        "p: topic t has 8",
    ]


@virtual_time
async def test_what_the_users_function_raises_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    told: list[ProducerEvent] = []

    def on_event(event: ProducerEvent) -> None:
        told.append(event)
        raise asyncio.CancelledError if len(told) == 1 else ValueError("mine")

    observer = Observer(Counters(), on_event, client_id="me", loop=asyncio.get_running_loop())
    for _ in range(2):
        observer.emit(THROTTLE)
    await asyncio.sleep(0)
    assert len(told) == 2
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]


@pytest.mark.usefixtures("no_leaks")
async def test_a_producer_tells_of_retries_reroutes_epochs_and_throttling() -> None:
    told: list[ProducerEvent] = []
    async with (
        asyncio.timeout(10),
        EmbeddedCluster(brokers=2) as cluster,
        Producer(
            cluster.bootstrap_servers, linger_ms=0, retry_backoff_ms=1, retries=3, on_event=told.append
        ) as producer,
    ):
        cluster.create_topic("t", replication_factor=2)
        leader = 1 + (await producer.send("t", b"first")).offset  # partition 0 is led by broker 1
        cluster.fail("produce", 19)
        await producer.send("t", b"again")
        cluster.move_leader("t", 0)
        await producer.send("t", b"elsewhere")
        cluster.throttle("produce", 10)
        await producer.send("t", b"throttled")
        cluster.fail("produce", 10)
        with pytest.raises(ValueError, match="MESSAGE_TOO_LARGE"):
            await producer.send("t", b"refused")
        await producer.send("t", b"last")
        metrics = producer.metrics()
    retry, moved, reroute, throttle, bump = told
    assert (retry.kind, retry.topic, retry.partition, retry.broker) == (EventKind.RETRY, "t", 0, leader)
    assert (retry.attempt, retry.records, type(retry.error).__name__) == (1, 1, "NotEnoughReplicasError")
    assert 0 < retry.delay < 0.01
    assert (moved.kind, type(moved.error).__name__) == (EventKind.RETRY, "NotLeaderOrFollowerError")
    assert (reroute.kind, reroute.broker, reroute.records) == (EventKind.REROUTE, 2, 1)
    assert (throttle.kind, throttle.broker, throttle.delay) == (EventKind.THROTTLE, 2, 0.01)
    assert (bump.kind, bump.topic, bump.partition) == (EventKind.EPOCH_BUMP, "t", 0)
    assert (metrics.reroute_total, metrics.throttle_total, metrics.throttle_time_total) == (1, 1, 0.01)
    assert (metrics.epoch_bump_total, metrics.batch_split_total, metrics.batch_expiry_total) == (1, 0, 0)
