"""From the bootstrap servers again: because a broker requires it, or because another cluster is there by now."""

from __future__ import annotations

import asyncio
import logging

import pytest

from aioproducer import Delivery, Producer
from aioproducer.configuration.arguments import RecoveryStrategy
from aioproducer.testing import EmbeddedCluster

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.mark.parametrize("strategy", ["rebootstrap", "none"])
async def test_a_broker_requires_to_start_over(strategy: RecoveryStrategy, caplog: pytest.LogCaptureFixture) -> None:
    """Error 129. Records that wait or are in flight meanwhile are stored once, in order. With the strategy "none"
    nothing starts over: it is an answer of no use, as any other.
    """
    async with asyncio.timeout(20), EmbeddedCluster(2) as cluster:
        cluster.create_topic("t", partitions=2)
        async with Producer(
            cluster.bootstrap_servers,
            linger_ms=0,
            batch_size=200,
            retry_backoff_ms=5,
            metadata_max_age_ms=100,
            metadata_recovery_strategy=strategy,
        ) as producer:
            await asyncio.gather(*(producer.send("t", b"first", partition=partition) for partition in range(2)))
            connections = {entry.connection for entry in cluster.requests}
            required = cluster.fail("Metadata", "REBOOTSTRAP_REQUIRED")
            sent: list[Delivery] = []
            while not required.hits:
                sent.append(producer.send("t", b"%d" % len(sent), partition=0))
                await asyncio.sleep(0.002)
            for _ in range(50):
                sent.append(producer.send("t", b"%d" % len(sent), partition=0))
                await asyncio.sleep(0.002)
            answers = await asyncio.gather(*sent)
            assert [answer.offset for answer in answers] == list(range(1, len(sent) + 1))
            cluster.requests.clear()
            assert (await producer.send("t", b"last", partition=1)).offset == 1
            # Those for records are closed as well.
            used = {entry.connection for entry in cluster.requests if entry.api == "Produce"}
            assert used.isdisjoint(connections) == (strategy == "rebootstrap")
            assert producer.metrics().record_error_total == 0
        assert [record.value for record in cluster.records("t", 0)][1:] == [b"%d" % each for each in range(len(sent))]
    lines = [record.message for record in caplog.records if "REBOOTSTRAP_REQUIRED" in record.message]
    assert len(lines) == 1
    assert ("starting from bootstrap_servers again" in lines[0]) == (strategy == "rebootstrap")


async def test_another_cluster_where_the_first_was_is_announced_and_written_to(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "aioproducer")
    async with asyncio.timeout(20), EmbeddedCluster(seed=1) as first:
        first.create_topic("t")
        async with Producer(
            first.bootstrap_servers, linger_ms=0, retry_backoff_ms=10, reconnect_backoff_max_ms=50
        ) as producer:
            for _ in range(5):
                await producer.send("t", b"first")
            port = first.address(1)[1]
            await first.close()
            second = EmbeddedCluster(seed=2)
            second.create_topic("t", partitions=2)
            try:
                waiting = producer.send("t", b"second")
                await second.start_broker(1, port=port)
                assert (await waiting).offset == 0
                # Nothing that was learned from the first holds.
                assert (await producer.send("t", b"second", partition=1)).offset == 0
                assert [record.value for record in second.records("t")] == [b"second", b"second"]
            finally:
                await second.close()
    assert first.cluster_id != second.cluster_id
    lines = [record.message for record in caplog.records if first.cluster_id in record.message]
    assert lines == [
        f"cluster {second.cluster_id} answers where cluster {first.cluster_id} did; records go there from now on"
    ]
