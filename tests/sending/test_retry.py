"""The policy as a whole: every code of the table, with and without a sequence, at the head and behind it."""

from __future__ import annotations

import pytest

from aioproducer.protocol.error_codes import ERROR_CODES, ErrorCode, error_code
from aioproducer.sending.retry import Action, judge

# Kafka's own: Errors.java, and the rules of its producer for those with a sequence.
RETRIABLE = {2, 3, 5, 6, 7, 9, 13, 14, 15, 16, 19, 20, 41, 51, 56, 72, 74, 75, 89, 100, 103}
SEQUENCE = {45, 47, 59}
STORED = {0: Action.ACKNOWLEDGE, 46: Action.ACKNOWLEDGE_DUPLICATE}

ROWS = [pytest.param(row, id=f"{row.code} {row.name}") for row in (*ERROR_CODES.values(), error_code(12345))]


def test_every_code_that_is_named_here_is_in_the_table() -> None:
    assert RETRIABLE | SEQUENCE | {10} | STORED.keys() <= ERROR_CODES.keys()


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("sequenced", [True, False])
@pytest.mark.parametrize("oldest", [True, False])
def test_what_an_answer_means(row: ErrorCode, sequenced: bool, oldest: bool) -> None:
    if row.code in STORED:
        expected = STORED[row.code]
    elif row.code in RETRIABLE:
        expected = Action.RETRY
    elif sequenced and row.code in SEQUENCE:
        expected = Action.RESTART if oldest else Action.RETRY
    else:
        expected = Action.FAIL
    assert judge(row, sequenced=sequenced, oldest=oldest, void=False, may_retry=True) is expected


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("sequenced", [True, False])
def test_nothing_is_sent_again_when_time_or_retries_are_used_up(row: ErrorCode, sequenced: bool) -> None:
    action = judge(row, sequenced=sequenced, oldest=True, void=True, may_retry=False)
    assert action is STORED.get(row.code, Action.FAIL)


@pytest.mark.parametrize("row", ROWS)
def test_a_void_sequence_is_never_sent_again(row: ErrorCode) -> None:
    action = judge(row, sequenced=True, oldest=True, void=True, may_retry=True)
    assert action is not Action.RETRY
    assert (action is Action.RESTART) == (row.code in RETRIABLE | SEQUENCE)


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("may_retry", [True, False])
def test_only_what_was_too_large_and_is_nowhere_is_split(row: ErrorCode, may_retry: bool) -> None:
    for divisible in (True, False):
        action = judge(row, sequenced=True, oldest=True, void=False, may_retry=may_retry, divisible=divisible)
        assert (action is Action.SPLIT) == (row.code == 10 and divisible)
