"""What producers were asked to send and what they said of it, held against the log: counts, and what was violated.

Made for millions of records, so a record is a few bytes in arrays. Each value names its sender and its number in the
order of that sender's calls; a topic may have several senders, and the order that counts is that of each of them. It
sends nothing and reads nothing.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from aioproducer import Persisted, RecordMetadata
from tests.support.foreign import ForeignRecord

_PENDING, _ACKNOWLEDGED, _NO, _MAYBE, _YES = range(5)
_OF_PERSISTED = {Persisted.NO: _NO, Persisted.MAYBE: _MAYBE, Persisted.YES: _YES}


class Ledger:
    """The records of one sender to one topic. `sender` tells its values from those of others."""

    def __init__(self, sender: int) -> None:
        self.sender = sender
        self.failures: Counter[str] = Counter()
        self.settled_twice = 0
        self._states = bytearray()
        self._partitions = array("i")
        self._offsets = array("q")

    def __len__(self) -> int:
        return len(self._states)

    def open(self, filler: bytes = b"") -> tuple[int, bytes]:
        """The number and the value of the next record; it has to be sent before another is opened."""
        number = len(self._states)
        self._states.append(_PENDING)
        self._partitions.append(-1)
        self._offsets.append(-1)
        return number, b"%d %d %b" % (self.sender, number, filler)

    def settle(self, number: int, metadata: RecordMetadata | None, error: BaseException | None) -> None:
        """What became of it: as `on_delivery` is told, with the number first."""
        if self._states[number] != _PENDING:
            self.settled_twice += 1
        if metadata is not None:
            self._states[number] = _ACKNOWLEDGED
            self._partitions[number] = metadata.partition
            self._offsets[number] = metadata.offset
        else:
            persisted = getattr(error, "persisted", Persisted.MAYBE)
            self._states[number] = _OF_PERSISTED[persisted]
            self.failures[f"{type(error).__name__} {persisted.name}"] += 1

    @property
    def acknowledged(self) -> int:
        return self._states.count(_ACKNOWLEDGED)

    @property
    def pending(self) -> int:
        return self._states.count(_PENDING)

    def reading(self) -> Reading:
        return Reading(self, self._states, self._partitions, self._offsets)


class Reading:
    """One sender's records as the log gives them, one after another, and the judgement at the end."""

    def __init__(self, ledger: Ledger, states: bytearray, partitions: array[int], offsets: array[int]) -> None:
        self._ledger = ledger
        self._states = states
        self._partitions = partitions
        self._offsets = offsets
        self._seen = bytearray(len(states))
        self._last: dict[int, int] = {}
        self.verdict = Verdict()

    def found(self, number: int, record: ForeignRecord) -> None:
        verdict = self.verdict
        if number >= len(self._states):
            verdict.note("foreign", f"{record.value!r} was never sent")
            return
        where = f"sender {self._ledger.sender} record {number} at {record.partition}/{record.offset}"
        last = self._last.get(record.partition, -1)
        if self._seen[number]:
            verdict.note("doubled", where)
        elif number < last:
            verdict.note("out of order", f"{where}, behind {last}")
        self._seen[number] = 1
        self._last[record.partition] = max(last, number)
        state = self._states[number]
        if state == _NO:
            verdict.note("denied", f"{where} was said not to be in the log")
        elif state == _ACKNOWLEDGED:
            # A retry that the broker knew already may have no offset.
            told = (self._partitions[number], self._offsets[number])
            if told not in ((record.partition, record.offset), (record.partition, -1)):
                verdict.note("misplaced", f"{where} was acknowledged at {told[0]}/{told[1]}")

    def end(self) -> Verdict:
        verdict, states = self.verdict, self._states
        verdict.sent = len(states)
        verdict.acknowledged = self._ledger.acknowledged
        verdict.failed.update(self._ledger.failures)
        verdict.stored = sum(self._seen)
        for number, seen in enumerate(self._seen):
            if not seen and states[number] in (_ACKNOWLEDGED, _YES):
                place = f"{self._partitions[number]}/{self._offsets[number]}"
                verdict.note("lost", f"sender {self._ledger.sender} record {number}, said to be at {place}")
            if states[number] == _PENDING:
                verdict.note("unsettled", f"sender {self._ledger.sender} record {number}")
        if self._ledger.settled_twice:
            verdict.violations["settled twice"] += self._ledger.settled_twice
        return verdict


KINDS = (
    *("lost", "doubled", "out of order", "misplaced", "denied"),
    *("unsettled", "settled twice", "foreign", "left in the producer", "round without an end"),
)
"""What may not be: acknowledged and not in the log; there twice; behind a younger one; elsewhere than told; there
though its error said NO; never settled; settled again; in the log though nobody sent it; in the producer's books after
its end; and whatever kept a round from ending.
"""


@dataclass
class Verdict:
    """Counts of records. `violations` is empty where everything was kept; `examples` has some of each kind in words."""

    sent: int = 0
    acknowledged: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    """By class of error, and what it said of the log."""
    stored: int = 0
    """Different records in the log."""
    violations: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def note(self, kind: str, example: str) -> None:
        self.violations[kind] += 1
        if self.violations[kind] <= 3:
            self.examples.append(f"{kind}: {example}")

    def add(self, other: Verdict) -> None:
        self.sent += other.sent
        self.acknowledged += other.acknowledged
        self.failed.update(other.failed)
        self.stored += other.stored
        self.violations.update(other.violations)
        self.examples += other.examples

    def lines(self) -> list[str]:
        """For people: examples of violations, what was sent and became of it, and each kind's count, zero or not."""
        return [
            *self.examples,
            f"sent {self.sent}",
            f"acknowledged {self.acknowledged}",
            f"failed {sum(self.failed.values())}{_by_kind(self.failed)}",
            f"stored {self.stored}",
            *(f"{kind} {self.violations[kind]}" for kind in KINDS),
        ]


def judge(records: Iterable[ForeignRecord], ledgers: Iterable[Ledger]) -> Verdict:
    """`records` is the whole log of the topic in the order of partition and offset; every sender has a ledger."""
    readings = {ledger.sender: ledger.reading() for ledger in ledgers}
    total = Verdict()
    for record in records:
        sender, number, _ = (record.value or b"").split(b" ", 2)
        reading = readings.get(int(sender))
        if reading is None:
            total.note("foreign", f"{record.value!r}")
        else:
            reading.found(int(number), record)
    for reading in readings.values():
        total.add(reading.end())
    return total


def _by_kind(counts: Mapping[str, int]) -> str:
    return f" ({', '.join(f'{kind} {count}' for kind, count in sorted(counts.items()))})" if counts else ""
