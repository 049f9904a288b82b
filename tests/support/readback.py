"""Holds what a producer says of its records against what a foreign consumer finds in the log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from aioproducer import Delivery, RecordMetadata
from tests.support.foreign import ForeignRecord

Sent = tuple[bytes | None, Delivery]
"""A value, and what `send()` returned for it."""


def check_log(records: Sequence[ForeignRecord], sent: Sequence[Sent]) -> None:
    """All of `sent`, which is in the order of the calls, is in the log once, where the producer says it is, in order.

    `records` is the whole log, so that what is there twice is seen. All deliveries have succeeded.
    """
    expected: dict[int, list[tuple[int, bytes | None]]] = defaultdict(list)
    for value, delivery in sent:
        metadata = delivery.result()
        expected[metadata.partition].append((metadata.offset, value))
    found: dict[int, list[tuple[int, bytes | None]]] = defaultdict(list)
    for record in records:
        found[record.partition].append((record.offset, record.value))
    assert found.keys() == expected.keys()
    for partition, in_log in found.items():
        _check_partition(partition, in_log, expected[partition])


def _check_partition(
    partition: int, in_log: Sequence[tuple[int, bytes | None]], expected: Sequence[tuple[int, bytes | None]]
) -> None:
    # Compared by hand: pytest's account of two long lists takes minutes.
    for place, (have, want) in enumerate(zip(in_log, expected, strict=False)):
        assert have[1] == want[1], f"partition {partition}: {have} is at place {place}, where {want} was sent"
        # A retry that the broker knew already may have no offset.
        assert want[0] in (have[0], -1), f"partition {partition}: {want} was acknowledged, and is at {have}"
    assert len(in_log) == len(expected), f"partition {partition}: {len(in_log)} records, {len(expected)} were sent"


def place(metadata: RecordMetadata) -> tuple[int, int]:
    return metadata.partition, metadata.offset


def check_same(found: Sequence[object], expected: Sequence[object]) -> None:
    """The same as `assert found == expected` for long lists, with a short account of the first difference."""
    for index, (have, want) in enumerate(zip(found, expected, strict=False)):
        assert have == want, f"{have!r} instead of {want!r} at index {index}"
    assert len(found) == len(expected), f"{len(found)} instead of {len(expected)}"
