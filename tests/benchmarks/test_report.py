"""The arithmetic of the benchmark's tables: medians, ranges, ratios to ours."""

from __future__ import annotations

import pytest

from benchmarks.report import Spread, ratio, summarise, table
from benchmarks.shapes import SHAPES, shape_named
from benchmarks.worker import Sample, percentiles


def sample(rate: float, *, cpu_us: float = 2.0, latencies_ms: tuple[float, float] | None = None) -> Sample:
    records = 1_000
    return Sample(
        acknowledged=records,
        warm_up=10,
        seconds=records / rate,
        cpu_seconds=records * cpu_us / 1e6,
        peak_rss_mib=40.0,
        latencies_ms=latencies_ms,
    )


def test_percentiles_are_of_the_sorted_latencies_in_milliseconds() -> None:
    seconds = [number / 1000 for number in range(100, -1, -1)]
    assert percentiles(seconds) == pytest.approx((50.0, 99.0))
    assert percentiles([0.002]) == pytest.approx((2.0, 2.0))


def test_spread_is_median_and_range() -> None:
    assert Spread.of([5.0, 1.0, 3.0]) == Spread(3.0, 1.0, 5.0)


def test_a_summary_is_over_all_rounds() -> None:
    summary = summarise([sample(100_000, latencies_ms=(1.0, 9.0)), sample(300_000, latencies_ms=(3.0, 5.0))])
    assert summary.rate.median == pytest.approx(200_000)
    assert (summary.p50_ms, summary.p99_ms) == (2.0, 7.0)
    assert summary.cpu_us.median == pytest.approx(2.0)


def test_ratios_are_to_ours() -> None:
    assert ratio(50.0, 200.0) == "0.25"
    assert ratio(50.0, None) == "-"


def test_the_table_has_a_row_per_client_and_says_why_one_is_missing() -> None:
    text = table(
        SHAPES[0],
        {"aioproducer": [sample(200_000)], "aiokafka": [sample(50_000, cpu_us=8.0)], "confluent-aio": "no headers"},
    )
    lines = text.splitlines()
    assert lines[2].split() == ["aioproducer", "200.0", "200.0-200.0", "1.00", "2.0", "2.0-2.0", "1.00", "-", "-", "40"]
    assert lines[3].split() == ["aiokafka", "50.0", "50.0-50.0", "0.25", "8.0", "8.0-8.0", "4.00", "-", "-", "40"]
    assert lines[4] == "confluent AIOProducer: no headers"


def test_without_ours_there_are_no_ratios() -> None:
    row = table(SHAPES[0], {"aiokafka": [sample(50_000)]}).splitlines()[2].split()
    assert row[3] == row[6] == "-"


def test_keyed_messages_repeat_their_keys_in_turn() -> None:
    shape = shape_named("keyed-headers")
    keys = [message.key for message in shape.messages(3)]
    assert keys == [b"customer%08d" % number for number in range(3)]
    assert all(key is not None and len(key) == 16 for key in keys)


def test_an_unknown_shape_names_those_there_are() -> None:
    with pytest.raises(ValueError, match="one-at-a-time"):
        shape_named("sideways")
