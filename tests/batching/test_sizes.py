"""The estimate of how well a topic compresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioproducer.batching.sizes import BatchSizes


def test_nothing_is_promised_at_first() -> None:
    sizes = BatchSizes()
    assert sizes.estimate("orders") == 1.0
    assert sizes.fill("orders", 1050) == 1000


def test_a_better_ratio_is_believed_slowly() -> None:
    sizes = BatchSizes()
    sizes.observe("orders", 0.2)
    assert sizes.estimate("orders") == pytest.approx(0.995)
    assert sizes.estimate("others") == 1.0
    for _ in range(300):
        sizes.observe("orders", 0.2)
    assert sizes.estimate("orders") == 0.2
    assert sizes.fill("orders", 1000) == 4761


def test_a_worse_ratio_is_believed_fast() -> None:
    sizes = BatchSizes()
    for _ in range(300):
        sizes.observe("orders", 0.2)
    sizes.observe("orders", 0.9)
    assert sizes.estimate("orders") == 0.9
    sizes.observe("orders", 0.91)
    assert sizes.estimate("orders") == pytest.approx(0.95)


@given(st.lists(st.floats(0.01, 1.2), min_size=1, max_size=50))
def test_the_estimate_is_never_far_above_what_was_seen(seen: list[float]) -> None:
    sizes = BatchSizes()
    for ratio in seen:
        sizes.observe("orders", ratio)
        assert sizes.estimate("orders") >= ratio
    assert sizes.estimate("orders") <= max(1.0, *seen) + 0.05
