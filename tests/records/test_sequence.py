"""Sequence numbers around their wrap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioproducer.records.sequence import next_sequence

LAST = (1 << 31) - 1


@pytest.mark.parametrize(
    ("base", "count", "after"),
    [(0, 1, 1), (41, 3, 44), (LAST, 0, LAST), (LAST, 1, 0), (LAST - 1, 5, 3), (0, LAST, LAST)],
)
def test_next_sequence(base: int, count: int, after: int) -> None:
    assert next_sequence(base, count) == after


@given(st.integers(0, LAST), st.integers(0, (1 << 30) - 1))
def test_next_sequence_stays_in_range(base: int, count: int) -> None:
    after = next_sequence(base, count)
    assert 0 <= after <= LAST
    assert (after - base - count) % (LAST + 1) == 0
