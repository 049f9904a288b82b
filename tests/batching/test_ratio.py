"""The estimate of how well a topic compresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioproducer.batching.ratio import CompressionRatios


def test_nothing_is_promised_at_first() -> None:
    ratios = CompressionRatios()
    assert ratios.estimate("orders") == 1.0
    assert ratios.fill("orders", 1050) == 1000


def test_a_better_ratio_is_believed_slowly() -> None:
    ratios = CompressionRatios()
    ratios.observe("orders", 0.2)
    assert ratios.estimate("orders") == pytest.approx(0.995)
    assert ratios.estimate("others") == 1.0
    for _ in range(300):
        ratios.observe("orders", 0.2)
    assert ratios.estimate("orders") == 0.2
    assert ratios.fill("orders", 1000) == 4761


def test_a_worse_ratio_is_believed_fast() -> None:
    ratios = CompressionRatios()
    for _ in range(300):
        ratios.observe("orders", 0.2)
    ratios.observe("orders", 0.9)
    assert ratios.estimate("orders") == 0.9
    ratios.observe("orders", 0.91)
    assert ratios.estimate("orders") == pytest.approx(0.95)


@given(st.lists(st.floats(0.01, 1.2), min_size=1, max_size=50))
def test_the_estimate_is_never_far_above_what_was_seen(seen: list[float]) -> None:
    ratios = CompressionRatios()
    for ratio in seen:
        ratios.observe("orders", ratio)
        assert ratios.estimate("orders") >= ratio
    assert ratios.estimate("orders") <= max(1.0, *seen) + 0.05
