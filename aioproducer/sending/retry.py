"""What becomes of a batch after an answer: the policy, as a table for the sequence errors and one rule for the rest.

It decides; `settlement` acts. The facts about each code (retriable, possibly persisted) are in
`protocol.error_codes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto

from aioproducer.protocol.error_codes import ErrorCode

NONE = 0
NETWORK_EXCEPTION = 13
OUT_OF_ORDER_SEQUENCE_NUMBER = 45
DUPLICATE_SEQUENCE_NUMBER = 46
INVALID_PRODUCER_EPOCH = 47
UNKNOWN_PRODUCER_ID = 59


class Action(Enum):
    ACKNOWLEDGE = auto()
    """In the log, at the offset of the answer."""
    ACKNOWLEDGE_DUPLICATE = auto()
    """In the log since an earlier attempt, at an offset the broker does not remember."""
    RETRY = auto()
    """Again, with the same sequence."""
    RESTART = auto()
    """Not in the log, and neither is anything of its partition behind it: again, with a new epoch and sequence."""
    RESTART_IF_NEVER_STORED = auto()
    """Not in the log through this attempt: again with a new epoch, but for what an earlier attempt may have stored."""
    FAIL = auto()


# What an answer means for a batch with a sequence: (if an older batch of its partition is not settled, if it is the
# oldest). Behind an older one OUT_OF_ORDER is just the consequence of that one's refusal. At the head it says that
# something before is missing, and a log never has a batch whose predecessor in the same epoch is missing.
SEQUENCE_ERRORS: Mapping[int, tuple[Action, Action]] = {
    OUT_OF_ORDER_SEQUENCE_NUMBER: (Action.RETRY, Action.RESTART),
    UNKNOWN_PRODUCER_ID: (Action.RETRY, Action.RESTART_IF_NEVER_STORED),
    INVALID_PRODUCER_EPOCH: (Action.RETRY, Action.RESTART_IF_NEVER_STORED),
}


def judge(row: ErrorCode, *, sequenced: bool, oldest: bool, void: bool, may_retry: bool) -> Action:
    """The action for a batch whose answer is this row.

    `oldest`: nothing older of its partition is unsettled; it counts for sequence errors only. `void`: its partition has
    begun anew since it got its sequence, and no log has it under that one. `may_retry`: neither `retries` nor
    `delivery_timeout_ms` is used up.
    """
    if row.code == NONE:
        return Action.ACKNOWLEDGE
    if row.code == DUPLICATE_SEQUENCE_NUMBER:
        return Action.ACKNOWLEDGE_DUPLICATE
    if not may_retry:
        return Action.FAIL
    if sequenced and row.code in SEQUENCE_ERRORS:
        return SEQUENCE_ERRORS[row.code][oldest]
    if not row.retriable:
        return Action.FAIL
    return Action.RESTART if void else Action.RETRY
