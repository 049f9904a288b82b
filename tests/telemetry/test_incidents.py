"""One line per incident, and then one in a while."""

from __future__ import annotations

from aioproducer.telemetry.incidents import Incidents


def test_the_first_is_told_and_the_others_are_counted() -> None:
    incidents = Incidents(10.0)
    assert [incidents.note("a", 100.0 + second) for second in (0, 0, 5, 9.9)] == [0, None, None, None]
    assert incidents.note("a", 110.0) == 3
    assert incidents.note("a", 111.0) is None
    assert incidents.note("a", 200.0) == 1


def test_each_is_told_of_for_itself() -> None:
    incidents = Incidents(10.0)
    assert [incidents.note(about, 0.0) for about in ("a", "b", "a")] == [0, 0, None]


def test_it_remembers_no_more_than_it_needs() -> None:
    incidents = Incidents(10.0)
    for number in range(1000):
        assert incidents.note(number, float(number)) == 0
    # Whatever is too long ago was forgotten, and what is not was not.
    assert incidents.note(999, 1000.0) is None
    assert incidents.note(5, 1000.0) == 0
