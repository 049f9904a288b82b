"""The picture: a row per thing, scaled to its own highest value, nothing that happened left invisible."""

from __future__ import annotations

from dataclasses import replace

from aioproducer.cli.picture import Sample, draw
from aioproducer.telemetry.metrics import ProducerMetrics

IDLE = ProducerMetrics(
    buffer_total_bytes=0,
    buffered_bytes=0,
    buffered_batches=0,
    buffered_records=0,
    waiting_sends=0,
    requests_in_flight={},
    record_send_total=0,
    record_error_total=0,
    record_retry_total=0,
    batch_send_total=0,
    batch_error_total=0,
    batch_retry_total=0,
    batch_size_avg=0.0,
    records_per_batch_avg=0.0,
    request_total=0,
    epoch_bump_total=0,
    batch_split_total=0,
    batch_expiry_total=0,
    reroute_total=0,
    growth_total=0,
    throttle_total=0,
    throttle_time_total=0.0,
    topics=0,
)


def test_nothing_to_draw() -> None:
    assert draw([], [1]) == []


def test_rows() -> None:
    samples = [
        Sample(0.0, IDLE, moved=False),
        Sample(1.0, replace(IDLE, buffered_batches=80, requests_in_flight={1: 5}), moved=False),
        Sample(2.0, replace(IDLE, buffered_batches=1, batch_retry_total=3), moved=True),
        Sample(3.0, replace(IDLE, batch_retry_total=15, requests_in_flight={1: 0, 2: 1}), moved=False),
    ]
    rows = draw(samples, [1, 2], width=4)
    assert [row.split("│")[1:] for row in rows[:-1]] == [
        [" █▁ ", " at most 80"],
        [" █  ", " at most 5"],
        ["   █", " at most 1"],
        ["··3+", " 15 in all"],
        ["····", " 0 in all"],
        ["  ▲ ", " 1 times"],
    ]
    assert rows[-1].endswith("└────┘ 3.0 s")


def test_what_happened_has_a_row() -> None:
    happened = replace(
        IDLE, reroute_total=1, batch_split_total=2, batch_expiry_total=3, epoch_bump_total=4, throttle_total=5
    )
    rows = draw([Sample(0.0, IDLE, moved=False), Sample(1.0, happened, moved=False)], [], width=2)
    assert [row.split("│")[1] for row in rows[2:-2]] == ["·1", "·2", "·3", "·4", "·5"]


def test_the_highest_sample_of_a_column_is_drawn() -> None:
    samples = [Sample(number / 10, replace(IDLE, buffered_batches=number % 5), moved=False) for number in range(41)]
    (batches, *_) = draw(samples, [], width=2)
    assert batches.split("│")[1] == "██"
