"""What the callers saw: every record that was sent, what became of it and when, and what else they found wrong.

It only notes; what may be is `invariants`'.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from aioproducer import Delivery, RecordMetadata
from aioproducer.errors import KafkaError


@dataclass(slots=True, eq=False)
class Sent:
    """One record; `number` counts all sends of a run and is the record's value. Times in seconds of the loop.

    fate: the metadata or the error; None while it is not known, and for ever if the record was `withdrawn`.
    cancelled: somebody called `cancel()` of the delivery. reports: there is an `on_delivery`; reported: its turn among
    all such calls.
    """

    number: int
    topic: str
    partition: int | None
    key: bytes | None
    value: bytes
    timestamp_ms: int
    sent_at: float
    reports: bool = False
    cancelled: bool = False
    delivery: Delivery | None = None
    fate: RecordMetadata | KafkaError | None = None
    known_at: float | None = None
    reported: int | None = None
    withdrawn: bool = False

    def __repr__(self) -> str:
        fate = repr(self.fate)
        if isinstance(self.fate, KafkaError):
            fate = f"{type(self.fate).__name__} persisted={self.fate.persisted.name}: {self.fate}"
        where = f"{self.topic}[{'' if self.partition is None else self.partition}] key={self.key!r}"
        end = "withdrawn" if self.withdrawn else f"{self.known_at or -1:.4f} {fate}"
        return f"#{self.number} to {where} at {self.sent_at:.4f}: {end}"


@dataclass(slots=True)
class History:
    """`wrong` are sentences; a run without any is a good one. `notes` tell the story when it is printed."""

    clock: Callable[[], float]
    sent: list[Sent] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    notes: list[tuple[float, str]] = field(default_factory=list)
    reports: int = 0
    bulks: list[tuple[list[Sent], int]] = field(default_factory=list)
    """Each `send_all` that came to an end, and how many of it failed."""

    def note(self, what: str) -> None:
        self.notes.append((self.clock(), what))

    def complain(self, what: str) -> None:
        self.wrong.append(what)
        self.note(f"WRONG: {what}")

    def reporter(self, sent: Sent) -> Callable[[RecordMetadata | None, KafkaError | None], None]:
        """An `on_delivery` for this record."""
        sent.reports = True

        def report(metadata: RecordMetadata | None, error: KafkaError | None) -> None:
            if sent.reported is not None:
                self.complain(f"on_delivery was called twice for #{sent.number}")
            sent.reported = self.reports
            self.reports += 1
            self.learn(sent, metadata or error)

        return report

    def learn(self, sent: Sent, fate: RecordMetadata | KafkaError | None) -> None:
        """Somebody heard of the record's fate."""
        if sent.fate is None:
            sent.fate = fate
            sent.known_at = self.clock()
        elif repr(sent.fate) != repr(fate):
            self.complain(f"two fates of #{sent.number}: {sent.fate!r} and {fate!r}")

    async def ask(self, sent: Sent) -> None:
        """The truth about a record whose delivery is done."""
        delivery = sent.delivery
        if delivery is None:
            return
        try:
            self.learn(sent, await delivery)
        except KafkaError as error:
            self.learn(sent, error)
        except asyncio.CancelledError:
            sent.withdrawn = True
            if not sent.cancelled:
                self.complain(f"withdrawn, and nobody asked for it: {sent}")
