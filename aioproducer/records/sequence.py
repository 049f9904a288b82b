"""Arithmetic on the sequence numbers of idempotence, which wrap from 2^31 - 1 to 0.

Which partition is at which number, and what to do about a gap, is decided by the sender.
"""

from __future__ import annotations

SEQUENCE_LIMIT = 1 << 31
"""One above the highest sequence number."""


def next_sequence(base: int, count: int) -> int:
    """The number `count` records after `base`; with a batch's base and count, the next batch's base."""
    return (base + count) % SEQUENCE_LIMIT
