"""What is measured, as values: how many topics and partitions, how many records, and in which order they go.

CPU per record is asked for twice, because a batch has a price of its own and more topics make smaller batches, with
every client. Both keep the number of records per batch the same at each number of topics:

- RUNS, full batches: a topic gets as many records in a row as fill a batch on each of its partitions, then the next.
- TURNS, small batches: record by record another topic, in batches that 20 records fill, kept until they are full.

Every topic is known to the client and has been written to before the clock starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, cycle, islice, repeat
from typing import TypeAlias

VALUE = b"x" * 100
FULL_BATCH = 130
"""Of the 148 records that a batch takes: spread by chance over two partitions they still make two batches."""
SMALL_BATCH = 20
SMALL_BATCH_SIZE = 2_300
DEFAULT_BATCH_SIZE = 16_384
DRAIN_SIZES = (1_250, 2_500, 5_000, 10_000)
QUICK_SHARE = 10

Target: TypeAlias = tuple[str, int | None]
"""A topic, and a partition of it or None for the client's choice."""


class Kind(StrEnum):
    RUNS = "runs"
    TURNS = "turns"
    DRAIN = "drain"
    KNOWN = "known"
    WRITTEN = "written"
    METADATA = "metadata"
    FIRST_SEND = "first-send"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """A topic as the brokers are asked for it."""

    topic: str
    partitions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One load. records: how many are sent by RUNS and TURNS, the others' follow from the topics. limit_seconds: a run
    that takes longer is ended and reported as such. rounds_factor: so many times the rounds of the others.
    """

    kind: Kind
    topics: int
    partitions: int
    records: int = 0
    limit_seconds: float = 120.0
    rounds_factor: int = 1

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.topics}x{self.partitions}"

    @property
    def size(self) -> str:
        return f"{self.topics:,} x {self.partitions:,}"

    @property
    def names(self) -> list[str]:
        """The topics' names: the same ones for loads of the same size, so that a lasting broker needs fewer."""
        return [f"growth-{self.topics}x{self.partitions}-{number:05}" for number in range(self.topics)]

    @property
    def specs(self) -> list[TopicSpec]:
        return [TopicSpec(topic=name, partitions=self.partitions) for name in self.names]

    @property
    def batch_size(self) -> int:
        """What a batch takes, for every client."""
        return SMALL_BATCH_SIZE if self.kind is Kind.TURNS else DEFAULT_BATCH_SIZE

    @property
    def slice_size(self) -> int:
        """So many records are sent before all are waited for: a multiple of what makes all batches full."""
        return SMALL_BATCH * 10_000 if self.kind is Kind.TURNS else FULL_BATCH * 500

    def count(self, *, quick: bool) -> int:
        # Less than a slice would leave the batches half empty.
        return max(self.records // QUICK_SHARE, self.slice_size) if quick else self.records

    def everywhere(self) -> Iterator[tuple[str, int]]:
        """Each partition of each topic, once."""
        return ((name, partition) for name in self.names for partition in range(self.partitions))

    def targets(self, count: int) -> Iterator[Target]:
        """Where `count` records go, in the order of the load."""
        targets: list[Target] = [(name, None) for name in self.names]
        if self.kind is Kind.TURNS:
            return islice(cycle(targets), count)
        runs = (repeat(target, FULL_BATCH * self.partitions) for target in cycle(targets))
        return islice(chain.from_iterable(runs), count)


LOADS: tuple[Load, ...] = (
    # Their ratio is asked for to a few per cent, by which two runs of the same may differ.
    Load(kind=Kind.RUNS, topics=1, partitions=6, records=750_000, rounds_factor=3),
    Load(kind=Kind.RUNS, topics=100, partitions=6, records=750_000, rounds_factor=3),
    # Twice as many, so that every topic is visited.
    Load(kind=Kind.RUNS, topics=5_000, partitions=2, records=1_500_000, rounds_factor=3),
    Load(kind=Kind.TURNS, topics=1, partitions=6, records=600_000),
    Load(kind=Kind.TURNS, topics=100, partitions=6, records=600_000),
    Load(kind=Kind.TURNS, topics=5_000, partitions=2, records=600_000),
    Load(kind=Kind.DRAIN, topics=5_000, partitions=2),
    Load(kind=Kind.KNOWN, topics=1, partitions=10_000),
    Load(kind=Kind.KNOWN, topics=5_000, partitions=2),
    Load(kind=Kind.WRITTEN, topics=1, partitions=10_000),
    Load(kind=Kind.WRITTEN, topics=5_000, partitions=2),
    Load(kind=Kind.METADATA, topics=1, partitions=10_000),
    Load(kind=Kind.METADATA, topics=5_000, partitions=2),
    Load(kind=Kind.FIRST_SEND, topics=5_000, partitions=2, limit_seconds=60.0),
)


def load_named(name: str) -> Load:
    """The load of that name; ValueError lists the names there are."""
    for load in LOADS:
        if load.name == name:
            return load
    raise ValueError(f"no load is called {name!r}; there are: {', '.join(load.name for load in LOADS)}")


def loads_of(kind: Kind) -> list[Load]:
    return [load for load in LOADS if load.kind is kind]
