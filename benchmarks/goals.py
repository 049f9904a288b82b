"""What is aimed at, as a table, and holding a kept run against it. Values and arithmetic only.

A goal bounds one figure of ours: by a number, or by another figure of the same run, times a factor, plus something.
Where one is missed, `NOTES` says what the limit is, how that was seen, and what was tried.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.clients.names import AIOKAFKA, CONFLUENT, CONFLUENT_AIO, JAVA, OURS, RAW, SEND_ALL, UVLOOP
from benchmarks.kept import Kept
from benchmarks.measures.base import NOWHERE
from benchmarks.report import Spread
from benchmarks.shapes import BOTH, MOCK, REAL, SLOW


@dataclass(frozen=True, slots=True)
class Against:
    """A figure of the same run on the same broker. Without a measure it is the goal's own, without a figure as well."""

    client: str
    measure: str | None = None
    figure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """At most (`at_least`: at least) `limit`, or `factor` times the figure it is held `against`, plus `limit`."""

    measure: str
    figure: str
    says: str
    brokers: tuple[str, ...]
    limit: float = 0.0
    factor: float = 1.0
    against: Against | None = None
    at_least: bool = False
    client: str = OURS


@dataclass(frozen=True, slots=True)
class Verdict:
    """One goal on one broker. `ours`, `other` and `bound` are None where the run has not measured them."""

    goal: Goal
    broker: str
    ours: Spread | None
    other: Spread | None
    bound: float | None

    @property
    def beyond(self) -> float | None:
        """By how much of the bound it is missed, as a share; 0 or less if it is met."""
        if self.ours is None or not self.bound:
            return None
        over = self.ours.median / self.bound - 1
        return -over if self.goal.at_least else over

    @property
    def met(self) -> bool | None:
        return None if self.beyond is None else self.beyond <= 0

    @property
    def ratio(self) -> float | None:
        """Ours over what it is held against."""
        return None if self.ours is None or self.other is None else self.ours.median / self.other.median


GOALS: tuple[Goal, ...] = (
    Goal(measure="pipelined-100b", figure="cpu", says="at most 2.5 us", brokers=BOTH, limit=2.5),
    Goal(
        measure="pipelined-100b",
        figure="cpu",
        says="at most 1.1 x confluent, callback",
        brokers=BOTH,
        factor=1.1,
        against=Against(CONFLUENT),
    ),
    Goal(
        measure="pipelined-100b",
        figure="cpu",
        says="at most 1/6 of aiokafka",
        brokers=BOTH,
        factor=1 / 6,
        against=Against(AIOKAFKA),
    ),
    Goal(
        measure="pipelined-100b",
        figure="cpu",
        says="at most 1/6 of AIOProducer",
        brokers=BOTH,
        factor=1 / 6,
        against=Against(CONFLUENT_AIO),
    ),
    Goal(
        measure="keyed-headers",
        figure="cpu",
        says="at most 1.6 x the bare record",
        brokers=BOTH,
        factor=1.6,
        against=Against(OURS, "pipelined-100b"),
    ),
    *(
        Goal(
            measure=measure,
            figure="mb_per_cpu",
            says="at least 90 % of confluent, callback",
            brokers=BOTH,
            factor=0.9,
            against=Against(CONFLUENT),
            at_least=True,
        )
        for measure in ("pipelined-1k", "pipelined-10k")
    ),
    Goal(
        measure="pipelined-100b",
        figure="cpu",
        client=SEND_ALL,
        says="`send_all` at most 70 % of a loop of `send`",
        brokers=BOTH,
        factor=0.7,
        against=Against(OURS),
    ),
    Goal(
        measure="tasks-100",
        figure="rate",
        says="at least 3 x aiokafka",
        brokers=BOTH,
        factor=3,
        against=Against(AIOKAFKA),
        at_least=True,
    ),
    Goal(
        measure="tasks-100",
        figure="p99",
        says="no worse than aiokafka",
        brokers=BOTH,
        against=Against(AIOKAFKA),
    ),
    Goal(
        measure="service-1000",
        figure="rate",
        says="at least 3 x aiokafka",
        brokers=BOTH,
        factor=3,
        against=Against(AIOKAFKA),
        at_least=True,
    ),
    Goal(measure="flood-20000", figure="seconds", says="at most 0.3 s", brokers=BOTH, limit=0.3),
    Goal(
        measure="flood-40000",
        figure="seconds",
        says="at most 2.2 x the 20,000",
        brokers=BOTH,
        factor=2.2,
        against=Against(OURS, "flood-20000"),
    ),
    Goal(
        measure="one-at-a-time",
        figure="p50",
        says="at most 1.15 x a raw round trip",
        brokers=BOTH,
        factor=1.15,
        against=Against(RAW),
    ),
    Goal(
        measure="one-at-a-time",
        figure="p99",
        says="at most 1.5 x a raw round trip",
        brokers=BOTH,
        factor=1.5,
        against=Against(RAW),
    ),
    Goal(
        measure="first-acknowledgement",
        figure="first",
        says="at most 10 ms over three raw round trips",
        brokers=BOTH,
        limit=10,
        factor=3,
        against=Against(RAW, "one-at-a-time", "p50"),
    ),
    *(
        Goal(
            measure=measure,
            figure="mb",
            says=says,
            brokers=(SLOW,),
            factor=factor,
            against=against,
            at_least=True,
        )
        for measure in ("distance", "distance-1m")
        for says, factor, against in (
            ("at least 20 x aiokafka with its own batches", 20, Against(AIOKAFKA, "distance")),
            ("at least confluent, callback", 1, Against(CONFLUENT)),
        )
    ),
    *(
        Goal(
            measure="wire",
            figure=figure,
            says="at most 1.05 x Java's producer",
            brokers=(REAL,),
            factor=1.05,
            against=Against(JAVA),
        )
        for figure in ("requests", "wire")
    ),
    *(
        Goal(measure=f"pauses-{codec}", figure="pause", says="at most 2 ms", brokers=(MOCK,), limit=2)
        for codec in ("zstd", "lz4")
    ),
    Goal(measure="memory", figure="above", says="at most 120 B", brokers=(NOWHERE,), limit=120),
    Goal(
        measure="lifetime",
        figure="late",
        says="flat: at most 1.05 x after a tenth",
        brokers=(MOCK,),
        factor=1.05,
        against=Against(OURS, figure="early"),
    ),
    Goal(measure="pipelined-100b", figure="gc", says="at most 3 % of the CPU time", brokers=BOTH, limit=3),
    Goal(
        measure="topics-5000",
        figure="cpu",
        says="at most 1.1 x one topic",
        brokers=(MOCK,),
        factor=1.1,
        against=Against(OURS, "topics-1"),
    ),
    Goal(measure="import", figure="import", says="at most 60 ms", brokers=(NOWHERE,), limit=60),
    *(
        Goal(
            measure=measure,
            figure=figure,
            client=UVLOOP,
            says="uvloop no worse than asyncio, within 5 %",
            brokers=BOTH,
            factor=0.95 if at_least else 1.05,
            against=Against(OURS),
            at_least=at_least,
        )
        for measure, figure, at_least in (
            ("pipelined-100b", "cpu", False),
            ("tasks-100", "rate", True),
            ("one-at-a-time", "p50", False),
        )
    ),
)

_AWAITING = (
    "a switch to a task and back is asyncio's own, `floor` has what it takes; to it come the measuring program, the "
    "same for all, a `send`, and a share of a request. A third of what aiokafka takes is about what these add up to. "
    "Tried, and kept: one handle of the loop for all who wait for a batch; going on in the turn in which the answer "
    "was read, where nothing else is on its way. Taken out: waking the sender in that turn always, which made the "
    "requests small."
)
_FLOOD = (
    "most of it is asyncio's: `floor` has how long it takes to make as many tasks and have them wait for one future. "
    "Tried, and kept: no future and no callback for each who awaits, one handle of the loop for all of a batch, and "
    "nothing that a waiter has to look up. At 40,000 the garbage collector has twice as many tasks to look at, and "
    "does so more often."
)
_BYTES = (
    "a record costs as at 100 B whatever its size, and to that come one copy into the request, its checksum and the "
    "kernel's copy, which librdkafka pays too; so the share that is Python's gets smaller with the size. Tried, and "
    "kept: large requests are given to the kernel in pieces, so that what a full socket leaves over is not copied "
    "again."
)

NOTES: dict[tuple[str, str], str] = {
    ("pipelined-100b", "cpu"): (
        "`make profile` has the parts: about half is `send`, the rest the back-pressure of `drain`, the look at each "
        "result, and the garbage collector, for results that are kept are objects that it walks, whoever makes them "
        "(see `collector`). Tried, and kept: one call from `send` to the open batch, tables for lengths, one list for"
        " all parts of a batch, a thread's id in the place of the running loop, batches that grow while they can not "
        "be sent. Not worth their lines: `drain` without its one call, handles made without their `__init__`. Who "
        "needs no result for each record pays half by `send_all`. uvloop gains nothing where there is next to nothing "
        "for a loop to do."
    ),
    ("pipelined-100b", "gc"): (
        "a result for each record is an object for each record, and a program that keeps them has CPython walk them. "
        "`collector` has it beside a list of as many objects of two attributes without any producer, and beside a "
        "program that keeps nothing, of which the collector takes nothing: the producer's own is the difference. "
        "Tried, and kept: no container for a record, half as many objects for a batch and for a topic."
    ),
    ("keyed-headers", "cpu"): (
        "most of what is beyond the bare record is murmur2 in Python: the load's 50,000 keys in turn never hit the "
        "8,192 that are remembered, and where keys come again the goal is met. Tried: unrolled for 16 bytes, one mask"
        " for several words, all words in one large integer, a memory of 65,536 keys; each gained a tenth or less, or"
        " for one length only. Kept: headers that come again are encoded once, keys that do are hashed once."
    ),
    ("pipelined-1k", "mb_per_cpu"): _BYTES,
    ("pipelined-10k", "mb_per_cpu"): _BYTES,
    ("tasks-100", "rate"): _AWAITING,
    ("service-1000", "rate"): _AWAITING,
    ("flood-20000", "seconds"): _FLOOD,
    ("flood-40000", "seconds"): _FLOOD,
    ("one-at-a-time", "p50"): (
        "`floor` has what is necessary: a request's bytes made by hand, without a look at the answer; and made and "
        "read by this package's codecs, without a buffer, an order, a retry or a time-out, which alone is above the "
        "goal. Tried, and kept: one turn of the loop instead of three; one buffer for what arrives, for asyncio's 256"
        " KiB per read cost two page faults for each answer; codecs that set fields without a call; an "
        "acknowledgement without a judgement. What is left is flat: opening a batch, encoding, decoding and settling "
        "take about the same each. uvloop is as fast as asyncio here, within what the rounds differ by."
    ),
    ("one-at-a-time", "p99"): "as for the median; the rest is the machine's.",
    ("distance", "mb"): (
        "five requests in flight, each with one batch, in 20 ms: of 16 KiB, which Kafka's defaults allow, that would "
        "be 4 MB/s. Tried, and kept: a batch that can not be sent yet grows, to 256 KiB (KIP-782). confluent-kafka's "
        "own default for a batch is 1 MB, which `distance-1m` gives to everybody."
    ),
    ("import", "import"): (
        "aiokafka takes as long; confluent-kafka, whose most part is one compiled module, an eighth: it is the reading "
        "of modules, and goes up and down with the machine. Tried, and kept: the codecs, and anyio with its threads, "
        "are imported where they are needed first."
    ),
    ("wire", "requests"): (
        "as in Java a batch that is full goes as soon as a request may, so the number depends on how fast records "
        "come and answers return."
    ),
    ("topics-5000", "cpu"): (
        "of one topic all records go into batches that grow to 256 KiB; of 5,000 each run of 100 records is a batch, "
        "and has its cost. Beside it, a batch and the objects of a topic are in the processor's cache where there "
        "is one topic, and are not where there are thousands. [Many topics, many partitions](growth.md) has batches of "
        "the same size for both, and tells full ones from small ones. "
        "Tried, and kept: half as many objects for an idle topic, fewer for an open batch, so that the garbage "
        "collector has less to walk."
    ),
}
"""By measure and figure: of what is missed, what the limit is, how that was measured, and what was tried."""


def verdict(goal: Goal, broker: str, kept: Kept) -> Verdict:
    """What the run says of the goal on that broker."""
    ours = kept.spread(goal.measure, broker, goal.client, goal.figure)
    against = goal.against
    if against is None:
        return Verdict(goal, broker, ours, None, goal.limit)
    other = kept.spread(against.measure or goal.measure, broker, against.client, against.figure or goal.figure)
    return Verdict(goal, broker, ours, other, None if other is None else goal.limit + goal.factor * other.median)


def verdicts(kept: Kept) -> list[Verdict]:
    """All goals on all their brokers, as far as the run has asked for them."""
    return [
        verdict(goal, broker, kept) for goal in GOALS for broker in goal.brokers if kept.outcomes(goal.measure, broker)
    ]
