"""The arithmetic of the benchmark's tables: figures, medians, ranges, ratios to ours."""

from __future__ import annotations

import pytest

from benchmarks.clients.names import AIOKAFKA, CONFLUENT_AIO, OURS
from benchmarks.figures import Sample, figure_of
from benchmarks.report import Spread, ratio, spread_of, table
from benchmarks.worker import percentile


def sample(rate: float, *, cpu_us: float = 2.0) -> Sample:
    records = 1_000
    return {
        "acknowledged": records,
        "seconds": records / rate,
        "cpu_seconds": records * cpu_us / 1e6,
        "gc_seconds": 0.0001,
        "bytes": records * 100,
    }


def test_percentiles_are_the_nearest_rank() -> None:
    ordered = [float(number) for number in range(101)]
    assert percentile(ordered, 0.5) == 50
    assert percentile(ordered, 0.99) == 99
    assert percentile([2.0], 0.999) == 2


def test_figures_have_their_units() -> None:
    one = sample(200_000, cpu_us=4)
    assert figure_of("rate", one) == pytest.approx(200)
    assert figure_of("cpu", one) == pytest.approx(4)
    assert figure_of("mb_per_cpu", one) == pytest.approx(25)
    assert figure_of("gc", one) == pytest.approx(2.5)
    assert figure_of("requests", {"acknowledged": 50_000, "requests": 40}) == pytest.approx(80)
    assert figure_of("wire", {"acknowledged": 100_000, "wire_bytes": 11_000_000}) == pytest.approx(11)
    assert figure_of("p50", one) is None


def test_spread_is_median_and_range() -> None:
    assert Spread.of([5.0, 1.0, 3.0]) == Spread(3.0, 1.0, 5.0)
    assert spread_of("rate", [sample(100_000), sample(300_000)]) == Spread(200, 100, 300)
    assert spread_of("p99", [sample(100_000)]) is None


def test_ratios_are_to_ours() -> None:
    assert ratio(50.0, 200.0) == "0.25"
    assert ratio(50.0, None) == "-"


def test_the_table_has_a_row_per_client_and_says_why_one_is_missing() -> None:
    text = table(
        "a load",
        ("rate", "cpu"),
        {
            OURS: [sample(200_000), sample(100_000), sample(300_000)],
            AIOKAFKA: [sample(50_000, cpu_us=8.0)],
            CONFLUENT_AIO: "no headers",
        },
    )
    title, _, ours, theirs, note = text.splitlines()
    assert title == "a load"
    assert ours.split() == ["aioproducer", "200.0", "100.0-300.0", "1.00", "2.00", "-", "1.00"]
    assert theirs.split() == ["aiokafka", "50.0", "-", "0.25", "8.00", "-", "4.00"]
    assert note == "confluent AIOProducer: no headers"


def test_without_ours_there_are_no_ratios() -> None:
    row = table("a load", ("rate",), {AIOKAFKA: [sample(50_000)]}).splitlines()[2].split()
    assert row == ["aiokafka", "50.0", "-", "-"]
