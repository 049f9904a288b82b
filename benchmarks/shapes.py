"""The loads that are measured: which records, and how the program that sends them waits for them. Values only.

All shapes ask for acks=all with idempotence on. `linger_ms` is given to every client alike, for their defaults differ;
so is `batch_size` where a shape has one, else everybody has the default of his own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from typing import NamedTuple, TypeAlias

from benchmarks.clients.names import AIOKAFKA, ASYNCIO, CONFLUENT, EVERYBODY, JAVA, OURS, RAW, SEND_ALL, UVLOOP

MessageHeaders: TypeAlias = list[tuple[str, bytes]]

DISTINCT_KEYS = 50_000
# So many values differ, and are sent in turn: reading back can tell which of them is missing, and making them is not
# what is measured.
DISTINCT_VALUES = 1_000
WARM_UP_RECORDS = 500
# A time that is long past by now, so that a broker which put its own instead would be seen.
FIRST_TIMESTAMP_MS = 1_700_000_000_000

REAL, MOCK, SLOW = "real", "mock", "slow"
"""The brokers: a real Kafka, librdkafka's mock, and that mock with each answer 20 ms later."""
BOTH = (REAL, MOCK)


class Message(NamedTuple):
    """One record as a program hands it to a client. Without a topic it goes to that of the call."""

    value: bytes
    key: bytes | None = None
    headers: MessageHeaders | None = None
    timestamp_ms: int | None = None
    topic: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One load.

    tasks: 0 sends without awaiting, under the client's own back-pressure, and looks at every record's result at the
    end; n > 0 has n tasks that each send one record, await its acknowledgement, and go on with the next.
    once: each task sends one record only, however long all of them take.
    keyed, headed, stamped: with a 16-byte key; with two headers; with the timestamp given.
    warm_up: so many records go ahead of those that are measured.
    large_percent: so many of a hundred values are of `large_size` bytes.
    topics, run_length: records go to so many topics, that many to one before the next one's turn.
    tenth: clients that send a tenth of the records, for they would take minutes.
    brokers, clients: where it is measured, and who takes part.
    """

    name: str
    title: str
    records: int
    quick_records: int
    value_size: int
    tasks: int
    linger_ms: int
    once: bool = False
    keyed: bool = False
    headed: bool = False
    stamped: bool = False
    warm_up: int = WARM_UP_RECORDS
    large_percent: int = 0
    large_size: int = 0
    partitions: int = 6
    topics: int = 1
    run_length: int = 1
    batch_size: int | None = None
    tenth: tuple[str, ...] = ()
    brokers: tuple[str, ...] = BOTH
    clients: tuple[str, ...] = EVERYBODY

    @property
    def topic(self) -> str:
        """The only topic, or the first."""
        return self.topic_names[0]

    @property
    def topic_names(self) -> tuple[str, ...]:
        if self.topics == 1:
            return (f"bench-{self.name}",)
        return tuple(f"bench-{self.name}-{number}" for number in range(self.topics))

    def count(self, client: str, *, quick: bool) -> int:
        """How many records that client sends."""
        records = self.quick_records if quick else self.records
        return records // 10 if client in self.tenth else records

    @property
    def warm_up_records(self) -> int:
        """So many go ahead of what is measured: each topic is known then."""
        return max(self.warm_up, self.topics if self.topics > 1 else 0)

    @property
    def bare(self) -> bool:
        """Records are nothing but values to one topic: what `send(topic, value)` is for."""
        return self.topics == 1 and not (self.keyed or self.headed or self.stamped)

    def values(self, count: int) -> Iterator[bytes]:
        """`count` values, all different up to DISTINCT_VALUES of them."""
        distinct = [self._value(number) for number in range(min(count, DISTINCT_VALUES))]
        return islice(cycle(distinct), count)

    def _value(self, number: int) -> bytes:
        # 37 has no divisor in common with 100, so that large values are spread evenly.
        large = number * 37 % 100 < self.large_percent
        return b"%08d" % number + b"x" * ((self.large_size if large else self.value_size) - 8)

    def messages(self, count: int, *, run_length: int | None = None) -> Iterator[Message]:
        """`count` messages; all that is in them is made beforehand, for making it is not what is measured.

        run_length: instead of the shape's own.
        """
        values = self.values(count)
        if self.bare:
            return (Message(value) for value in values)
        keys: list[bytes | None] = [None]
        headers: MessageHeaders | None = None
        if self.headed:
            headers = [("trace-id", b"0123456789abcdef"), ("source", b"benchmark")]
        if self.keyed:
            keys = [b"customer%08d" % number for number in range(min(count, DISTINCT_KEYS))]
        names = self.topic_names
        run = run_length or self.run_length
        return iter(
            [
                Message(
                    value,
                    keys[number % len(keys)],
                    headers,
                    FIRST_TIMESTAMP_MS + number if self.stamped else None,
                    names[number // run % len(names)],
                )
                for number, value in enumerate(values)
            ]
        )


WITHOUT_LOOP = (*EVERYBODY, JAVA)

SHAPES: tuple[Shape, ...] = (
    Shape(
        name="pipelined-100b",
        title="pipelined, 100 B, no key, a result per record",
        records=100_000,
        quick_records=30_000,
        value_size=100,
        tasks=0,
        linger_ms=5,
        clients=(OURS, UVLOOP, SEND_ALL, *WITHOUT_LOOP[1:]),
    ),
    Shape(
        name="keyed-headers",
        title="pipelined, 100 B, 16 B key, two headers, timestamp given, a result per record",
        records=60_000,
        quick_records=20_000,
        value_size=100,
        tasks=0,
        linger_ms=5,
        keyed=True,
        headed=True,
        stamped=True,
    ),
    Shape(
        name="pipelined-1k",
        title="pipelined, 1 KiB, no key, a result per record, batches of up to 1,000,000 B for everybody",
        records=40_000,
        quick_records=10_000,
        value_size=1024,
        tasks=0,
        linger_ms=5,
        batch_size=1_000_000,
        clients=WITHOUT_LOOP,
    ),
    Shape(
        name="pipelined-10k",
        title="pipelined, 10 KiB, no key, a result per record, batches of up to 1,000,000 B for everybody",
        records=10_000,
        quick_records=3_000,
        value_size=10_240,
        tasks=0,
        linger_ms=5,
        batch_size=1_000_000,
        clients=WITHOUT_LOOP,
    ),
    Shape(
        name="tasks-100",
        title="100 tasks, each awaiting its record, 100 B",
        records=100_000,
        quick_records=20_000,
        value_size=100,
        tasks=100,
        linger_ms=0,
        clients=(OURS, UVLOOP, *ASYNCIO[1:]),
    ),
    Shape(
        name="service-1000",
        title="1,000 tasks on 12 topics of 6 partitions, 16 B keys, 200 B and one in five 4 KiB",
        records=60_000,
        quick_records=20_000,
        value_size=200,
        large_percent=20,
        large_size=4096,
        tasks=1_000,
        linger_ms=0,
        keyed=True,
        topics=12,
        clients=ASYNCIO,
    ),
    Shape(
        name="flood-20000",
        title="20,000 tasks awaiting at once, one partition, 100 B",
        records=20_000,
        quick_records=20_000,
        value_size=100,
        tasks=20_000,
        once=True,
        linger_ms=0,
        partitions=1,
        clients=ASYNCIO,
    ),
    Shape(
        name="flood-40000",
        title="40,000 tasks awaiting at once, one partition, 100 B",
        records=40_000,
        quick_records=40_000,
        value_size=100,
        tasks=40_000,
        once=True,
        linger_ms=0,
        partitions=1,
        clients=(OURS,),
    ),
    Shape(
        name="one-at-a-time",
        title="one task awaiting record after record, 100 B",
        # Batches of one record take longer to read back than to write.
        records=4_000,
        quick_records=2_000,
        value_size=100,
        tasks=1,
        linger_ms=0,
        clients=(RAW, OURS, UVLOOP, *EVERYBODY[1:]),
    ),
    Shape(
        name="distance",
        title="one partition, every answer 20 ms later, 1 kB values, the clients' own batch sizes",
        records=5_000,
        quick_records=5_000,
        value_size=1_000,
        tasks=0,
        linger_ms=5,
        partitions=1,
        brokers=(SLOW,),
        # One batch at a time, every 20 ms.
        tenth=(AIOKAFKA,),
        clients=EVERYBODY[:3],
    ),
    Shape(
        name="distance-1m",
        title="one partition, every answer 20 ms later, 1 kB values, batches of up to 1,000,000 B for everybody",
        records=40_000,
        quick_records=10_000,
        value_size=1_000,
        tasks=0,
        linger_ms=5,
        partitions=1,
        batch_size=1_000_000,
        brokers=(SLOW,),
        clients=EVERYBODY[:3],
    ),
    Shape(
        name="topics-1",
        title="pipelined, 100 B, one topic",
        records=100_000,
        quick_records=50_000,
        value_size=100,
        tasks=0,
        linger_ms=5,
        partitions=1,
        stamped=True,
        brokers=(MOCK,),
        clients=EVERYBODY[:3],
    ),
    Shape(
        name="topics-5000",
        title="pipelined, 100 B, 5,000 topics known, runs of 100 records to one after the other",
        records=100_000,
        quick_records=50_000,
        value_size=100,
        tasks=0,
        linger_ms=5,
        partitions=1,
        stamped=True,
        topics=5_000,
        run_length=100,
        brokers=(MOCK,),
        # aiokafka asks for topic after topic, and is not done with knowing them in a minute.
        clients=(OURS, CONFLUENT),
    ),
)


WIRE = Shape(
    name="wire",
    title="pipelined, 100 B, through a proxy that counts",
    records=100_000,
    quick_records=20_000,
    value_size=100,
    tasks=0,
    linger_ms=5,
    # None, for its requests would be counted.
    warm_up=0,
    brokers=(REAL,),
    clients=(*EVERYBODY[:3], JAVA),
)
FIRST = Shape(
    name="first-acknowledgement",
    title="from start() to the first acknowledgement",
    records=6,
    quick_records=5,
    value_size=100,
    tasks=1,
    linger_ms=0,
    # The other two start as that with callback does.
    clients=EVERYBODY[:3],
)
STEADY = Shape(
    name="steady",
    title="a steady stream of 1 KiB values",
    records=0,
    quick_records=0,
    value_size=1024,
    tasks=0,
    linger_ms=5,
    brokers=(MOCK,),
    clients=EVERYBODY[:2],
)
FOR_MEASURES: tuple[Shape, ...] = (WIRE, FIRST, STEADY)
"""Loads of measures that are more than one client sending a shape."""


def shape_named(name: str) -> Shape:
    """The shape of that name; ValueError lists the names there are."""
    for shape in (*SHAPES, *FOR_MEASURES):
        if shape.name == name:
            return shape
    raise ValueError(f"no shape is called {name!r}; there are: {', '.join(shape.name for shape in SHAPES)}")
