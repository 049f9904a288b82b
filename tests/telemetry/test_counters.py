"""The counters begin at zero, and can not be misspelt."""

from __future__ import annotations

from dataclasses import astuple

import pytest

from aioproducer.telemetry.counters import Counters


def test_they_begin_at_zero() -> None:
    *totals, events, throttle_time = astuple(Counters())
    assert {*totals, throttle_time} == {0}
    assert not events


def test_there_are_no_others() -> None:
    with pytest.raises(AttributeError):
        Counters().record_sent = 1  # type: ignore[attr-defined]  # that is what is tested
