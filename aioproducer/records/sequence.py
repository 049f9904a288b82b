"""Arithmetic on the sequence numbers of idempotence, which wrap from 2^31 - 1 to 0.

Which partition is at which number, and what to do about a gap, is decided by the sender.
"""

from __future__ import annotations

SEQUENCE_LIMIT = 1 << 31
"""One above the highest sequence number."""

_HALF = SEQUENCE_LIMIT >> 1


def next_sequence(base: int, count: int) -> int:
    """The number `count` records after `base`; with a batch's base and count, the next batch's base."""
    return (base + count) % SEQUENCE_LIMIT


def sequence_distance(start: int, end: int) -> int:
    """How far `end` is after `start`, the short way around: negative if it is before. From -2^30 to 2^30 - 1."""
    return (end - start + _HALF) % SEQUENCE_LIMIT - _HALF
