"""The judge of chaos and soak finds what it is there to find. No broker takes part."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aioproducer import Persisted, RecordMetadata
from aioproducer.errors import DeliveryTimeoutError, KafkaError
from tests.support.foreign import ForeignRecord
from tests.support.ledger import Ledger, Verdict, judge

Log = list[ForeignRecord]
RECORDS = 6


def record(partition: int, offset: int, value: bytes) -> ForeignRecord:
    return ForeignRecord(partition, offset, 0, "CreateTime", None, value, ())


def acknowledge(ledger: Ledger, number: int, partition: int, offset: int) -> None:
    ledger.settle(number, RecordMetadata("t", partition, offset, 0), None)


@pytest.fixture
def ledger() -> Ledger:
    """Six records, to two partitions in turn; not one is settled."""
    ledger = Ledger(7)
    for _ in range(RECORDS):
        ledger.open(b"filler with blanks")
    return ledger


@pytest.fixture
def log(ledger: Ledger) -> Log:
    """All of them, each once and in order."""
    values = [b"7 %d filler with blanks" % number for number in range(RECORDS)]
    return sorted(record(number % 2, number // 2, value) for number, value in enumerate(values))


def settle_all(ledger: Ledger) -> None:
    for number in range(RECORDS):
        acknowledge(ledger, number, number % 2, number // 2)


def test_what_is_right_is_not_complained_about(ledger: Ledger, log: Log) -> None:
    settle_all(ledger)
    verdict = judge(log, [ledger])
    assert not verdict.violations
    assert (verdict.sent, verdict.acknowledged, verdict.stored) == (RECORDS, RECORDS, RECORDS)
    assert "lost 0" in verdict.lines()


def test_an_offset_that_was_not_told_is_not_held_against_the_log(ledger: Ledger, log: Log) -> None:
    settle_all(ledger)
    ledger.open()
    acknowledge(ledger, 6, 1, -1)
    assert not judge([*log, record(1, 3, b"7 6 ")], [ledger]).violations


def doubled(log: Log) -> Log:
    return [*log, record(1, 3, log[-1].value or b"")]


def swapped(log: Log) -> Log:
    first, second, *others = log
    return [first._replace(value=second.value), second._replace(value=first.value), *others]


def moved(log: Log) -> Log:
    return [one._replace(offset=one.offset + 1) for one in log]


FAULTS: list[tuple[str, Callable[[Log], Log]]] = [
    ("lost", lambda log: log[1:]),
    ("doubled", doubled),
    ("out of order", swapped),
    ("misplaced", moved),
    ("foreign", lambda log: [*log, record(1, 3, b"7 6 never sent")]),
    ("foreign", lambda log: [*log, record(1, 3, b"8 0 of nobody")]),
]


@pytest.mark.parametrize(("kind", "spoil"), FAULTS)
def test_a_log_that_is_wrong(ledger: Ledger, log: Log, kind: str, spoil: Callable[[Log], Log]) -> None:
    settle_all(ledger)
    verdict = judge(spoil(log), [ledger])
    assert verdict.violations[kind] > 0
    assert any(line.startswith(f"{kind}: ") for line in verdict.lines())


@pytest.mark.parametrize(
    ("persisted", "stored", "kind"),
    [
        (Persisted.NO, True, "denied"),
        (Persisted.YES, False, "lost"),
        (Persisted.NO, False, None),
        (Persisted.MAYBE, True, None),
        (Persisted.MAYBE, False, None),
        (Persisted.YES, True, None),
    ],
)
def test_what_an_error_says_is_held_against_the_log(
    ledger: Ledger, log: Log, persisted: Persisted, stored: bool, kind: str | None
) -> None:
    settle_all(ledger)
    number, value = ledger.open()
    ledger.settle(number, None, DeliveryTimeoutError("late", persisted=persisted))
    verdict = judge([*log, record(1, 3, value)] if stored else log, [ledger])
    assert list(verdict.violations) == ([kind] if kind else [])
    assert verdict.failed == {f"DeliveryTimeoutError {persisted.name}": 1}


def test_what_was_never_settled_and_what_was_settled_twice(ledger: Ledger, log: Log) -> None:
    settle_all(ledger)
    ledger.open()
    ledger.settle(0, None, KafkaError("again"))
    verdict = judge(log, [ledger])
    assert verdict.violations["unsettled"] == 1
    assert verdict.violations["settled twice"] == 1


def test_verdicts_add_up(ledger: Ledger, log: Log) -> None:
    settle_all(ledger)
    total = Verdict()
    for spoilt in (log, log[1:]):
        total.add(judge(spoilt, [ledger]))
    assert (total.sent, total.stored, total.violations) == (2 * RECORDS, 2 * RECORDS - 1, {"lost": 1})
