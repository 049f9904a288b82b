"""The loads that are measured: which records, and how the program that sends them waits for them. Values only.

All shapes ask for acks=all with idempotence on. `linger_ms` is given to every client alike: their defaults differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

MessageHeaders: TypeAlias = list[tuple[str, bytes]]

DISTINCT_KEYS = 50_000


class Message(NamedTuple):
    """One record as a program hands it to a client."""

    value: bytes
    key: bytes | None
    headers: MessageHeaders | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One load.

    tasks: 0 sends without awaiting, under the client's own back-pressure, and looks at every record's result at the
    end; n > 0 has n tasks that each send one record, await its acknowledgement, and go on with the next.
    """

    name: str
    title: str
    records: int
    quick_records: int
    value_size: int
    tasks: int
    linger_ms: int
    keyed: bool = False
    partitions: int = 6

    @property
    def topic(self) -> str:
        return f"bench-{self.name}"

    def messages(self, count: int) -> Iterator[Message]:
        """`count` messages; keys and headers are made beforehand, for making them is not what is measured."""
        value = b"x" * self.value_size
        if not self.keyed:
            message = Message(value, None, None)
            return (message for _ in range(count))
        headers: MessageHeaders = [("trace-id", b"0123456789abcdef"), ("source", b"benchmark")]
        keyed = [Message(value, b"customer%08d" % number, headers) for number in range(min(count, DISTINCT_KEYS))]
        return (keyed[number % len(keyed)] for number in range(count))


SHAPES: tuple[Shape, ...] = (
    Shape(
        name="pipelined-100b",
        title="pipelined, 100 B, no key, a result per record",
        records=200_000,
        quick_records=50_000,
        value_size=100,
        tasks=0,
        linger_ms=5,
    ),
    Shape(
        name="pipelined-1k",
        title="pipelined, 1 KiB, no key, a result per record",
        records=100_000,
        quick_records=20_000,
        value_size=1024,
        tasks=0,
        linger_ms=5,
    ),
    Shape(
        name="keyed-headers",
        title="pipelined, 100 B, 16 B key, two headers, a result per record",
        records=200_000,
        quick_records=40_000,
        value_size=100,
        tasks=0,
        linger_ms=5,
        keyed=True,
    ),
    Shape(
        name="tasks-100",
        title="100 tasks, each awaiting its record, 100 B",
        records=100_000,
        quick_records=20_000,
        value_size=100,
        tasks=100,
        linger_ms=0,
    ),
    Shape(
        name="one-at-a-time",
        title="one task awaiting record after record, 100 B",
        records=3_000,
        quick_records=500,
        value_size=100,
        tasks=1,
        linger_ms=0,
    ),
    Shape(
        name="flood-20000",
        title="20,000 tasks awaiting at once, one partition, 100 B",
        records=20_000,
        quick_records=20_000,
        value_size=100,
        tasks=20_000,
        linger_ms=0,
        partitions=1,
    ),
)


def shape_named(name: str) -> Shape:
    """The shape of that name; ValueError lists the names there are."""
    for shape in SHAPES:
        if shape.name == name:
            return shape
    raise ValueError(f"no shape is called {name!r}; there are: {', '.join(shape.name for shape in SHAPES)}")
