"""What a measure is: a name, who takes part on which brokers, and how one round of one client is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.brokers import Broker
from benchmarks.figures import Sample
from benchmarks.readback import Reader

NOWHERE = "none"
"""In the place of a broker: the measure needs none, or has one of its own."""


def each(rounds: int) -> int:
    """A measure for every round: the machine's noise is in it."""
    return rounds


def half(rounds: int) -> int:
    """For every other one: what it counts, or takes the median of itself, differs little."""
    return (rounds + 1) // 2


def once(_rounds: int) -> int:
    """For one: it takes long, or has rounds of its own."""
    return 1


@dataclass(frozen=True, slots=True)
class Bench:
    """What a round is run with: a broker, who reads back from it, and how much is asked for.

    seconds: an awaiting shape's time. quick: the small numbers of records. lifetime_records: for the measure of that
    name.
    """

    broker: Broker
    reader: Reader
    seconds: float
    quick: bool
    lifetime_records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """`run` is one round of one client; it raises RunFailedError or ReadBackError. `refuses` says why a client can not.

    columns: the figures to be shown. rounds: how many of those asked for. quick: part of the quick run, on these
    brokers.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    brokers: tuple[str, ...]
    clients: tuple[str, ...]
    run: Callable[[Bench, str], Sample]
    refuses: Callable[[str], str | None] = lambda _client: None
    rounds: Callable[[int], int] = each
    quick: tuple[str, ...] = ()
