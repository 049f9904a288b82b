"""What a producer tells while something is not as it should be: one event per batch, partition or broker, never per
record. Values without behaviour but for their words; who is told, and what is logged, is `observer`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from aioproducer.errors import KafkaError


class EventKind(Enum):
    RETRY = "retry"
    """A batch will be sent again, after `delay`."""
    REROUTE = "reroute"
    """The partition has another leader, `broker`, and what is buffered for it goes there."""
    SPLIT = "split"
    """A broker found a batch too large, and its records go on in smaller ones."""
    EPOCH_BUMP = "epoch bump"
    """The producer's epoch was raised, and the partition begins again with sequence 0 (KIP-360)."""
    EXPIRY = "expiry"
    """`delivery_timeout_ms` of a batch is over, and it has failed."""
    THROTTLE = "throttle"
    """A broker wants to be left alone for `delay`: nothing is sent to it meanwhile (KIP-219)."""
    GROWTH = "growth"
    """The topic has more partitions than before: from now on a key may go to another partition than it did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducerEvent:
    """One thing that happened. What an event of its kind does not have is None, or 0.

    broker: the id of the broker that answered, or that is next. records: how many records it is about. attempt: how
    many times the batch has been written. error: what the attempt ended with. delay: seconds until the next attempt
    may be made, 0 for at once. partitions, partitions_before: how many the topic has now, and had.
    """

    kind: EventKind
    topic: str | None = None
    partition: int | None = None
    broker: int | None = None
    records: int = 0
    attempt: int = 0
    error: KafkaError | None = None
    delay: float = 0.0
    partitions: int = 0
    partitions_before: int = 0

    def __str__(self) -> str:
        return _WORDS[self.kind](self)


OnEvent: TypeAlias = Callable[[ProducerEvent], object]
"""Called on the loop, in the order of the events."""


def _records(event: ProducerEvent) -> str:
    return f"{event.records} record{'' if event.records == 1 else 's'} to {event.topic}[{event.partition}]"


def _soon(event: ProducerEvent) -> str:
    return f"in {event.delay:.3f} s" if event.delay else "at once"


_WORDS: dict[EventKind, Callable[[ProducerEvent], str]] = {
    EventKind.RETRY: lambda e: f"{_records(e)}: attempt {e.attempt} failed, again {_soon(e)}: {e.error}",
    EventKind.REROUTE: lambda e: f"{_records(e)} go to broker {e.broker}, which leads the partition now",
    EventKind.SPLIT: lambda e: f"{_records(e)} are sent in smaller batches: {e.error}",
    EventKind.EPOCH_BUMP: lambda e: (
        f"the producer's epoch was raised, and {e.topic}[{e.partition}] begins again with sequence 0"
    ),
    EventKind.EXPIRY: lambda e: f"given up: {e.error}",
    EventKind.GROWTH: lambda e: (
        f"topic {e.topic} has {e.partitions} partitions now, and had {e.partitions_before}: a key may go to another "
        "partition than before"
    ),
    EventKind.THROTTLE: lambda e: f"broker {e.broker} throttles this producer for {e.delay:.3f} s",
}
