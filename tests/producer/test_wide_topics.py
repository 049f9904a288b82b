"""A topic with thousands of partitions: what is done for all of them at once leaves the loop its turns, and nothing
behind.
"""

from __future__ import annotations

import asyncio
import gc

import pytest

from aioproducer import Producer
from aioproducer.batching.accumulator import MOST_BATCHES
from aioproducer.batching.batch import Batch
from aioproducer.network.connection import Connection
from aioproducer.protocol.messages.produce import ProduceRequest
from aioproducer.testing import EmbeddedCluster

pytestmark = pytest.mark.usefixtures("no_leaks")

PARTITIONS = 3 * MOST_BATCHES + 10


async def test_a_record_for_each_partition_goes_out_in_requests_with_a_turn_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    turn = 0
    ticking = True

    def tick() -> None:
        nonlocal turn
        turn += 1
        if ticking:
            loop.call_soon(tick)

    written: list[int] = []
    send = Connection.send

    def noting(self: Connection, request: ProduceRequest, *args: object, **kwargs: object) -> None:
        if isinstance(request, ProduceRequest):
            written.append(turn)
        send(self, request, *args, **kwargs)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(Connection, "send", noting)
    async with asyncio.timeout(60), EmbeddedCluster() as cluster:
        cluster.create_topic("wide", partitions=PARTITIONS)
        async with Producer(cluster.bootstrap_servers, linger_ms=60_000, delivery_timeout_ms=120_000) as producer:
            deliveries = [producer.send("wide", b"x", partition=partition) for partition in range(PARTITIONS)]
            await producer.partitions_for("wide")
            await producer.drain()
            tick()
            await producer.flush()
            ticking = False
            assert [delivery.result().partition for delivery in deliveries] == list(range(PARTITIONS))
            assert all(delivery.result().offset == 0 for delivery in deliveries)
    assert len(written) == 4
    assert len(set(written)) == 4, "a turn between two requests"


async def test_nothing_of_the_last_request_is_kept_when_there_is_no_more_to_send() -> None:
    async with (
        asyncio.timeout(60),
        EmbeddedCluster() as cluster,
        Producer(cluster.bootstrap_servers, linger_ms=0) as producer,
    ):
        before = sum(type(thing) is Batch for thing in gc.get_objects())
        await producer.send("orders", b"x")
        await asyncio.sleep(0.05)  # the sender waits again
        assert sum(type(thing) is Batch for thing in gc.get_objects()) == before
