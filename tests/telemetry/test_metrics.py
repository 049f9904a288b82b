"""The snapshot: immutable, each field explained, and true to what a producer has done."""

from __future__ import annotations

import ast
import asyncio
import inspect
from dataclasses import FrozenInstanceError, fields

import pytest

from aioproducer import Producer
from aioproducer.telemetry.metrics import ProducerMetrics
from aioproducer.testing import EmbeddedCluster


def test_every_field_says_what_it_is() -> None:
    [definition] = ast.parse(inspect.getsource(ProducerMetrics)).body
    assert isinstance(definition, ast.ClassDef)
    explained = [
        before.target.id
        for before, after in zip(definition.body, definition.body[1:], strict=False)
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and isinstance(after, ast.Expr)
    ]
    assert explained == [field.name for field in fields(ProducerMetrics)]


@pytest.mark.usefixtures("no_leaks")
async def test_it_tells_what_the_producer_has_done_and_holds() -> None:
    async with (
        asyncio.timeout(10),
        EmbeddedCluster() as cluster,
        Producer(cluster.bootstrap_servers, linger_ms=0, retry_backoff_ms=1, buffer_memory=100_000) as producer,
    ):
        cluster.create_topic("t")
        before = producer.metrics()
        assert (before.record_send_total, before.batch_size_avg, before.records_per_batch_avg) == (0, 0.0, 0.0)
        assert (before.buffered_bytes, before.buffer_total_bytes) == (0, 100_000)
        first = [producer.send("t", b"value") for _ in range(4)]
        waiting = producer.metrics()
        assert (waiting.waiting_sends, waiting.topics) == (4, 1)
        await asyncio.gather(*first)
        cluster.fail("produce", 19)
        await producer.send("t", b"value")
        cluster.fail("produce", 10)
        with pytest.raises(ValueError, match="MESSAGE_TOO_LARGE"):
            await producer.send("t", b"value")
        after = producer.metrics()
        assert (after.record_send_total, after.record_error_total, after.record_retry_total) == (5, 1, 1)
        assert (after.batch_error_total, after.batch_retry_total, after.epoch_bump_total) == (1, 1, 1)
        assert after.records_per_batch_avg == 5 / after.batch_send_total
        sizes = [batch.size for batch in cluster.batches("t")]
        assert after.batch_size_avg == sum(sizes) / len(sizes)
        assert after.request_total == after.batch_send_total + 2
        assert (after.buffered_bytes, after.buffered_batches, after.requests_in_flight) == (0, 0, {1: 0})
        cluster.silence("produce")
        stuck = producer.send("t", b"value")
        while not producer.metrics().requests_in_flight[1]:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        held = producer.metrics()
        assert (held.buffered_batches, held.buffered_records) == (1, 1)
        assert held.buffered_bytes > 0
        with pytest.raises(FrozenInstanceError):
            held.topics = 9  # type: ignore[misc]  # that is what is tested
        await producer.close(0)
        assert stuck.exception() is not None
