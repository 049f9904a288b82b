"""Sequence numbers around their wrap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioproducer.records.sequence import next_sequence, sequence_distance

LAST = (1 << 31) - 1


@pytest.mark.parametrize(
    ("base", "count", "after"),
    [(0, 1, 1), (41, 3, 44), (LAST, 0, LAST), (LAST, 1, 0), (LAST - 1, 5, 3), (0, LAST, LAST)],
)
def test_next_sequence(base: int, count: int, after: int) -> None:
    assert next_sequence(base, count) == after


@pytest.mark.parametrize(
    ("start", "end", "distance"),
    [(5, 5, 0), (5, 9, 4), (9, 5, -4), (LAST, 0, 1), (0, LAST, -1), (LAST - 2, 4, 7), (4, LAST - 2, -7)],
)
def test_distance(start: int, end: int, distance: int) -> None:
    assert sequence_distance(start, end) == distance


@given(st.integers(0, LAST), st.integers(0, (1 << 30) - 1))
def test_distance_undoes_next(base: int, count: int) -> None:
    after = next_sequence(base, count)
    assert 0 <= after <= LAST
    assert sequence_distance(base, after) == count
    assert sequence_distance(after, base) == -count
