"""The floor of an awaited record: each way has its records in the log, and tells how long they took."""

from __future__ import annotations

import asyncio

from benchmarks.brokers import mock_broker
from benchmarks.measures.floor import WAYS, measure
from benchmarks.shapes import shape_named


def test_every_way_writes_its_records() -> None:
    shape = shape_named("one-at-a-time")
    with mock_broker([shape]) as broker:
        found = asyncio.run(measure(broker.bootstrap, shape, 5, rounds=1))
        assert broker.log_end(shape.topic, shape.partitions) == 5 * len(WAYS)
    assert found.keys() == WAYS.keys()
    assert all(0 < p50 <= p99 for p50, p99 in found.values())
