"""Doubling, jitter, the limit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioproducer.cluster.backoff import ExponentialBackoff


def test_it_doubles_up_to_the_limit() -> None:
    backoff = ExponentialBackoff(100, 1000)
    assert [backoff.delay(attempt, 0.5) for attempt in range(6)] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0])


def test_jitter_is_a_fifth_both_ways() -> None:
    backoff = ExponentialBackoff(100, 1000)
    assert backoff.delay(0, 0.0) == pytest.approx(0.08)
    assert backoff.delay(0, 1.0) == pytest.approx(0.12)


def test_a_limit_below_the_base_is_constant() -> None:
    backoff = ExponentialBackoff(500, 200, jitter=0.0)
    assert [backoff.delay(attempt, 0.9) for attempt in range(3)] == [0.2, 0.2, 0.2]


@given(st.integers(0, 10**9), st.floats(0, 1), st.floats(0, 1e5), st.floats(0, 1e5))
def test_it_never_exceeds_the_limit(attempt: int, random: float, base: float, limit: float) -> None:
    assert 0 <= ExponentialBackoff(base, limit).delay(attempt, random) <= limit / 1000
