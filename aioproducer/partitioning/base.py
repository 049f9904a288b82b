"""The interface of a user's own partitioner, and the check of what it returns.

It calls partitioners; the choice itself is theirs, and whether one is called at all is the producer's.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Sequence
from functools import lru_cache
from typing import Protocol, overload

from aioproducer.errors import PartitionerError


class Partitions(Sequence[int]):
    """The ids of a topic's partitions, 0 to n - 1, and which of them have a leader at the moment.

    Never changed. Topics that look alike may have the same object, so it does not say whose partitions these are.
    """

    __slots__ = ("_ids", "available")

    available: Sequence[int]
    """The ids of those with a leader, ascending; may be empty."""

    def __init__(self, count: int, available: Sequence[int] | None = None) -> None:
        self._ids = range(count)
        self.available = self._ids if available is None else available

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[int]: ...
    def __getitem__(self, index: int | slice) -> int | Sequence[int]:
        return self._ids[index]

    def __iter__(self) -> Iterator[int]:
        return iter(self._ids)

    def __contains__(self, item: object) -> bool:
        return item in self._ids

    def __repr__(self) -> str:
        return f"<Partitions: {len(self._ids)}, {len(self.available)} available>"


@lru_cache(maxsize=1024)
def all_available(count: int) -> Partitions:
    """So many partitions, each with a leader: nearly always, and of thousands of topics, so it is made once."""
    return Partitions(count)


class Partitioner(Protocol):
    """A partitioner of one's own: any callable like this, called once per record that names no partition itself.

    `key` and `value` are serialized. It returns one of `partitions`; `partitions.available` are those that have a
    leader. It is called on the event loop, so it must not block.

    If the object also has a method `on_new_batch(topic: str, partitions: Partitions, previous: int) -> None`, that is
    called when the batch it has been filling on partition `previous` is full or sent: the moment to move on to
    another partition, so that batches are filled instead of many thin ones.
    """

    def __call__(self, topic: str, key: bytes | None, value: bytes | None, partitions: Partitions, /) -> int: ...


def choose(partitioner: Partitioner, topic: str, key: bytes | None, value: bytes | None, partitions: Partitions) -> int:
    """Calls `partitioner`, and returns the partition it chose.

    Raises PartitionerError if it raised, or returned something that is no partition of the topic.
    """
    try:
        partition: object = partitioner(topic, key, value, partitions)
    except Exception as error:
        raise PartitionerError(
            f"the partitioner {partitioner!r} raised {error!r} for a record of topic {topic!r}"
        ) from error
    # The exact type: a bool is an int too, and always a mistake here.
    if type(partition) is int and 0 <= partition < len(partitions):
        return partition
    raise PartitionerError(
        f"the partitioner {partitioner!r} returned {partition!r} for a record of topic {topic!r}: "
        f"it has to return an int from 0 to {len(partitions) - 1}{_remedy(partition)}"
    )


def _remedy(returned: object) -> str:
    if isinstance(returned, Coroutine):
        returned.close()  # or Python warns that it was never awaited, and does not say by whom
        return "; it is not awaited, so give a plain function"
    if type(returned) is not int and hasattr(returned, "__index__"):
        return f"; {type(returned).__name__} is not quite that, so convert it by int()"
    return ""
