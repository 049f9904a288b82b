"""What many sends to one partition cost: linear in their number, counted in operations."""

from __future__ import annotations

from functools import partial

import pytest

from aioproducer.records.builder import RecordsBuilder
from tests.support.batching import Core, OpenGate


def _told(told: list[int], number: int, _delivery: object) -> None:
    told.append(number)


def test_the_cost_of_many_sends_to_one_partition_is_linear(monkeypatch: pytest.MonkeyPatch) -> None:
    original = RecordsBuilder.append
    appends = 0

    def counting(self: RecordsBuilder, *args: object) -> int:
        nonlocal appends
        appends += 1
        return original(self, *args)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(RecordsBuilder, "append", counting)

    def cost(count: int) -> int:
        nonlocal appends
        appends = 0
        made = Core(buffer_memory=10_000, batch_size=1000, linger=0.0)
        made.know("orders", 0)
        told: list[int] = []
        for number in range(count):
            delivery = made.send(value=b"x" * 100, partition=0)
            delivery.add_done_callback(partial(_told, told, number))
        assert len(made.intake.parked) > count - 100
        while batches := made.drain():
            made.acknowledge(*batches)
            made.loop.turn()
        assert told == list(range(count))
        assert made.accumulator.buffered == 0
        return appends

    few, many = cost(1000), cost(4000)
    assert few < 5 * 1000
    assert many < 4.1 * few


def test_twenty_thousand_sends_cost_what_four_times_five_thousand_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    original = OpenGate.may_send

    def counting(self: OpenGate, queue: object) -> bool:
        nonlocal looks
        looks += 1
        return original(self, queue)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(OpenGate, "may_send", counting)

    def cost(count: int) -> int:
        nonlocal looks
        looks = 0
        made = Core(buffer_memory=1 << 24, batch_size=1000, linger=0.0)
        made.know("orders", 0)
        for _ in range(count):
            made.send(value=b"x" * 100, partition=0)
        while batches := made.drain():
            for batch in batches:
                assert not made.accumulator.has_older(batch)
            made.acknowledge(*batches)
        return looks

    few, many = cost(5000), cost(20_000)
    assert few < 5000
    assert many < 4.1 * few
