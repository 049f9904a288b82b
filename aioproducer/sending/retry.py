"""What becomes of a batch after an answer: the policy.

It decides; `settlement` acts. The facts about each code (retriable, possibly persisted) are in
`protocol.error_codes`.
"""

from __future__ import annotations

from enum import Enum, auto

from aioproducer.protocol.error_codes import ErrorCode

NONE = 0
MESSAGE_TOO_LARGE = 10
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
    """Not in the log through this attempt, and its sequence is of no use any more: again, with a new epoch and
    sequence. What an earlier attempt may have stored is failed instead: under a new one it could be stored twice."""
    SPLIT = auto()
    """Refused for its size: the same records in smaller batches, with the sequences that were this one's."""
    FAIL = auto()


# The answers to a sequence that the broker does not take. Behind an older batch of its partition that is not settled it
# is just the consequence of that one's refusal. For the oldest it says only that the sequence does not follow the last
# one the broker knows: perhaps something before is missing, perhaps it is a duplicate of what it has forgotten (after a
# restart a broker knows no more than the last batch of each producer).
SEQUENCE_ERRORS = frozenset({OUT_OF_ORDER_SEQUENCE_NUMBER, UNKNOWN_PRODUCER_ID, INVALID_PRODUCER_EPOCH})


def judge(
    row: ErrorCode, *, sequenced: bool, oldest: bool, void: bool, may_retry: bool, divisible: bool = False
) -> Action:
    """The action for a batch whose answer is this row.

    `oldest`: nothing older of its partition is unsettled; it counts for sequence errors only. `void`: its partition has
    begun anew since it got its sequence, and no log has it under that one. `may_retry`: neither `retries` nor
    `delivery_timeout_ms` is used up. `divisible`: it has several records, and no log has it through an earlier attempt;
    a broker would know it as the whole alone.
    """
    if row.code == NONE:
        return Action.ACKNOWLEDGE
    if row.code == DUPLICATE_SEQUENCE_NUMBER:
        return Action.ACKNOWLEDGE_DUPLICATE
    if row.code == MESSAGE_TOO_LARGE and divisible:
        return Action.SPLIT
    if not may_retry:
        return Action.FAIL
    if sequenced and row.code in SEQUENCE_ERRORS:
        return Action.RESTART if oldest else Action.RETRY
    if not row.retriable:
        return Action.FAIL
    return Action.RESTART if void else Action.RETRY
