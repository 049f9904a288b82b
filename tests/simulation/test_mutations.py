"""The simulation can fail: each of many deliberate faults in the producer is found, within 5,000 schedules."""

from __future__ import annotations

from tests.simulation.mutations import MUTATIONS
from tests.simulation.pool import find_all

WITHIN = 5_000


def test_every_fault_that_is_put_in_is_found() -> None:
    assert len(MUTATIONS) >= 10
    found = find_all(tuple(MUTATIONS), WITHIN)
    missed = [name for name, result in found.items() if result is None]
    assert not missed, f"not found within {WITHIN} schedules: {missed}"
