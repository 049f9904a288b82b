"""How full batches may be: by the options, by the estimate of how well a topic compresses, and by what was refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioproducer.batching.sizes import BatchSizes
from aioproducer.records.batch import HEADER_SIZE


def made(*, batch_size: int = 1050, batch_max_size: int = 3000, compressing: bool = True) -> BatchSizes:
    """Of batches whose records have these sizes; all may be in a request of 5,000 bytes."""
    return BatchSizes(
        batch_size=batch_size + HEADER_SIZE,
        batch_max_size=batch_max_size + HEADER_SIZE,
        max_request_size=5000 + HEADER_SIZE,
        compressing=compressing,
    )


def test_nothing_is_promised_at_first() -> None:
    sizes = made()
    assert sizes.estimate("orders") == 1.0
    assert (sizes.step("orders"), sizes.most("orders")) == (1000, 2857)


def test_without_compression_nothing_is_estimated() -> None:
    sizes = made(compressing=False)
    sizes.observe("orders", 0.2)
    assert (sizes.step("orders"), sizes.most("orders")) == (1050, 3000)


@pytest.mark.parametrize("compressing", [True, False])
def test_a_batch_takes_a_record_whatever_its_size_is_to_be(compressing: bool) -> None:
    sizes = made(batch_size=-HEADER_SIZE, batch_max_size=-HEADER_SIZE, compressing=compressing)
    assert (sizes.step("orders"), sizes.most("orders")) == (1, 1)


def test_what_does_not_compress_after_all_fits_into_a_request() -> None:
    sizes = made()
    for _ in range(300):
        sizes.observe("orders", 0.01)
    assert (sizes.step("orders"), sizes.most("orders")) == (5000, 5000)


def test_what_was_too_large_is_not_made_again() -> None:
    sizes = made(compressing=False)
    sizes.too_large("orders", 3000)
    assert (sizes.step("orders"), sizes.most("orders")) == (1050, 1500)
    sizes.too_large("orders", 1500)
    sizes.too_large("orders", 2000)
    assert (sizes.step("orders"), sizes.most("orders")) == (750, 750)
    assert (sizes.step("others"), sizes.most("others")) == (1050, 3000)


def test_a_better_ratio_is_believed_slowly() -> None:
    sizes = made()
    sizes.observe("orders", 0.2)
    assert sizes.estimate("orders") == pytest.approx(0.995)
    assert sizes.estimate("others") == 1.0
    for _ in range(300):
        sizes.observe("orders", 0.2)
    assert sizes.estimate("orders") == 0.2
    assert sizes.step("orders") == 4999


def test_a_worse_ratio_is_believed_fast() -> None:
    sizes = made()
    for _ in range(300):
        sizes.observe("orders", 0.2)
    sizes.observe("orders", 0.9)
    assert sizes.estimate("orders") == 0.9
    sizes.observe("orders", 0.91)
    assert sizes.estimate("orders") == pytest.approx(0.95)


@given(st.lists(st.floats(0.01, 1.2), min_size=1, max_size=50))
def test_the_estimate_is_never_far_above_what_was_seen(seen: list[float]) -> None:
    sizes = made()
    for ratio in seen:
        sizes.observe("orders", ratio)
        assert sizes.estimate("orders") >= ratio
    assert sizes.estimate("orders") <= max(1.0, *seen) + 0.05
