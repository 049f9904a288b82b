"""Faults that a test orders: which request they hit, how often, and what then goes wrong. It decides; the broker acts.

Rules:
1. A rule names an API, and may name a partition and a broker; it hits requests of that API to that broker that touch
   it.
2. A rule hits `times` requests and is then used up; the first `skip` that match pass unharmed.
3. Of several rules that would end a request, in an error or otherwise, the oldest that is left hits; the others wait
   for the next request. Only errors for different partitions hit together. Delays and throttling join whatever hits.
4. "After" is after the request took effect and before it is answered; "before" is before anything was done with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

CONNECT = -1
"""Stands for an API where a fault hits a new connection."""

WHOLE_TOPIC = -1

Subject = tuple[str, int]
"""What a request touches: (topic, partition), or (topic, WHOLE_TOPIC) where it does not name partitions."""


class Kind(Enum):
    ERROR = "error"
    DISCONNECT = "disconnect"
    DELAY = "delay"
    SILENCE = "silence"
    THROTTLE = "throttle"
    GARBAGE = "garbage"
    CUT_FRAME = "cut frame"
    TWICE = "answer twice"
    LATE = "answer late"


JOINING = frozenset({Kind.DELAY, Kind.THROTTLE})
"""What may happen to a request beside anything else, once each."""


@dataclass(slots=True, kw_only=True, eq=False)
class Fault:
    """One rule. `hits` counts what it has hit; `remove()` ends it early.

    times: how many requests it hits, None for all from now on.
    seconds, milliseconds, code, message, data, at, stall: what the kind needs, see `EmbeddedCluster`.
    """

    kind: Kind
    api: int
    partition: Subject | None = None
    broker: int | None = None
    times: int | None = 1
    skip: int = 0
    after: bool = False
    code: int = 0
    message: str | None = None
    seconds: float = 0.0
    milliseconds: int = 0
    data: bytes | None = None
    at: int | None = None
    stall: bool = False
    hits: int = 0

    @property
    def used_up(self) -> bool:
        return self.times is not None and self.hits >= self.times

    def remove(self) -> None:
        """Nothing is hit any more. Doing it again does nothing."""
        self.times = self.hits

    def matches(self, api: int, broker: int, subjects: Sequence[Subject]) -> bool:
        if api != self.api or self.used_up or (self.broker is not None and broker != self.broker):
            return False
        if self.partition is None or self.partition in subjects:
            return True
        topic, partition = self.partition
        if partition == WHOLE_TOPIC:
            return any(name == topic for name, _ in subjects)
        return (topic, WHOLE_TOPIC) in subjects


@dataclass(slots=True)
class Plan:
    """The faults that one request takes."""

    errors: list[Fault] = field(default_factory=list)
    others: dict[Kind, Fault] = field(default_factory=dict)

    def error(self, topic: str, partition: int, *, after: bool) -> Fault | None:
        """The error ordered for this partition: a rule for just this one first, then its topic's, then any."""
        errors = {fault.partition: fault for fault in self.errors if fault.after is after}
        return errors.get((topic, partition)) or errors.get((topic, WHOLE_TOPIC)) or errors.get(None)

    def has_room_for(self, fault: Fault) -> bool:
        """Whether this may happen beside what is planned already."""
        if fault.kind in JOINING:
            return fault.kind not in self.others
        if self.others.keys() - JOINING:
            return False
        if fault.kind is Kind.ERROR:
            return all(fault.partition != planned.partition for planned in self.errors)
        return not self.errors

    def before(self, kind: Kind) -> Fault | None:
        return self._other(kind, after=False)

    def after(self, kind: Kind) -> Fault | None:
        return self._other(kind, after=True)

    def any(self, kind: Kind) -> Fault | None:
        return self.others.get(kind)

    def _other(self, kind: Kind, *, after: bool) -> Fault | None:
        fault = self.others.get(kind)
        return fault if fault is not None and fault.after is after else None


NOTHING = Plan()


class Faults:
    """All rules of a cluster, oldest first."""

    def __init__(self) -> None:
        self._rules: list[Fault] = []

    def __len__(self) -> int:
        return len(self._live())

    def add(self, fault: Fault) -> Fault:
        """Raises ValueError for numbers that can not be meant."""
        for name, value in (("times", fault.times), ("skip", fault.skip), ("at", fault.at)):
            if value is not None and value < 0:
                raise ValueError(f"{name}={value}: give 0 or more")
        if fault.seconds < 0 or fault.milliseconds < 0:
            raise ValueError("a delay or throttle time can not be negative")
        self._rules.append(fault)
        return fault

    def clear(self) -> None:
        for fault in self._rules:
            fault.remove()
        self._rules.clear()

    def plan(self, api: int, broker: int, subjects: Sequence[Subject]) -> Plan:
        """What this request takes; rules are used up by it."""
        if not self._rules:
            return NOTHING
        plan = Plan()
        self._rules = self._live()
        for fault in self._rules:
            if not fault.matches(api, broker, subjects):
                continue
            if not plan.has_room_for(fault):
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            fault.hits += 1
            if fault.kind is Kind.ERROR:
                plan.errors.append(fault)
            else:
                plan.others[fault.kind] = fault
        return plan

    def _live(self) -> list[Fault]:
        return [fault for fault in self._rules if not fault.used_up]
