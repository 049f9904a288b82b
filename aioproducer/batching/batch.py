"""One batch: the records of one partition that travel together, and where that batch is in its life.

It holds what later stages need to know of it and refuses moves that are not in the table. When a batch is sealed,
sent, retried or settled is decided by the accumulator and by `sending`.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from aioproducer.errors import Persisted
from aioproducer.records.batch import HEADER_SIZE, encode_header
from aioproducer.records.builder import RecordsBuilder

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioproducer.batching.partition_queue import PartitionQueue
    from aioproducer.errors import KafkaError
    from aioproducer.outcome import Outcome

NO_PRODUCER_ID = -1
NO_SEQUENCE = -1


class State(Enum):
    # By identity, as they are compared: an Enum's own hash is a call in Python, six times for each batch.
    __hash__ = object.__hash__

    OPEN = auto()
    """Takes records; the last one of its queue."""
    QUEUED = auto()
    """Takes no more records and waits to be sent, or to be sent again."""
    IN_FLIGHT = auto()
    """Taken by a sender: being compressed or written, or unanswered."""
    ABANDONED = auto()
    """Its delivery time is over while its request is unanswered: settled for the callers, its bytes still in use."""
    SETTLED = auto()
    """Over. Its bytes are given back."""


MOVES: dict[State, frozenset[State]] = {
    State.OPEN: frozenset({State.QUEUED}),
    State.QUEUED: frozenset({State.IN_FLIGHT, State.SETTLED}),
    State.IN_FLIGHT: frozenset({State.QUEUED, State.ABANDONED, State.SETTLED}),
    State.ABANDONED: frozenset({State.SETTLED}),
    State.SETTLED: frozenset(),
}


class Batch:
    """`number` is how many records of the partition came before its first, and so its place in call order.

    behind: the next younger one of its queue, of the youngest the oldest. fills: how many batches it would be if it had
    not grown. attempts: requests it has been written in.
    possibly_persisted: one of them may have reached a log, for it was written and not refused; once true it stays true.
    place: how many batches of the partition got a sequence before it. void: no log has it under its sequence, nor will.
    codec_id is meaningful once `records` is loaded.
    """

    __slots__ = (
        "attempts",
        "base_sequence",
        "behind",
        "builder",
        "codec_id",
        "created_at",
        "decompress",
        "fills",
        "last_error",
        "number",
        "outcome",
        "place",
        "possibly_persisted",
        "producer_epoch",
        "producer_id",
        "queue",
        "records",
        "state",
        "urgent",
        "void",
        "written",
    )

    def __init__(
        self,
        number: int,
        queue: PartitionQueue,
        builder: RecordsBuilder,
        outcome: Outcome,
        *,
        created_at: float,
    ) -> None:
        self.number = number
        self.queue = queue
        self.builder = builder
        self.outcome = outcome
        self.created_at = created_at
        self.behind: Batch | None = None
        self.state = State.OPEN
        self.urgent = False
        self.fills = 1
        self.attempts = 0
        self.written = False
        self.void = False
        self.possibly_persisted = False
        self.last_error: KafkaError | None = None
        self.records: bytes | None = None
        self.codec_id = 0
        self.decompress: Callable[[bytes], bytes] = bytes
        self.producer_id = NO_PRODUCER_ID
        self.producer_epoch = -1
        self.base_sequence = NO_SEQUENCE
        self.place = 0

    def __repr__(self) -> str:
        return (
            f"<Batch {self.number} of {self.count} records to {self.queue.topic}[{self.queue.partition}], "
            f"{self.state.name}, {self.attempts} attempts>"
        )

    @property
    def count(self) -> int:
        return self.builder.count

    @property
    def reserved(self) -> int:
        """The bytes of `buffer_memory` it holds: its records as encoded before compression, and its header."""
        return HEADER_SIZE + self.builder.size

    @property
    def wire_size(self) -> int:
        """The bytes it will have in a request; before it is compressed, the most it can have."""
        return HEADER_SIZE + (self.builder.size if self.records is None else len(self.records))

    @property
    def persisted(self) -> Persisted:
        """What can be said of its records if it ends now without an answer."""
        return Persisted.MAYBE if self.possibly_persisted or self.written else Persisted.NO

    @property
    def sequenced(self) -> bool:
        """Whether it has a sequence number, which a broker may know it by."""
        return self.base_sequence != NO_SEQUENCE

    def move(self, state: State) -> None:
        """Go to another state; RuntimeError where the table has no such move, for that is a bug."""
        if state not in MOVES[self.state]:
            raise RuntimeError(f"{self!r} can not become {state.name}")
        self.state = state

    def unstamp(self) -> None:
        """Forget the sequence, so that the batch gets a new one: no log has it under the old one."""
        self.producer_id, self.producer_epoch, self.base_sequence = NO_PRODUCER_ID, -1, NO_SEQUENCE
        self.void = False

    def load(self, records: bytes, codec_id: int, decompress: Callable[[bytes], bytes] = bytes) -> None:
        """Take the records section as it goes over the wire. Encoded once; every attempt sends these bytes.

        decompress: gets the section back that `records` was made of.
        """
        self.records = records
        self.codec_id = codec_id
        self.decompress = decompress

    def section(self) -> bytes:
        """The records section before it was compressed."""
        if self.records is None:
            raise RuntimeError(f"{self!r} is not encoded yet")
        return self.decompress(self.records)

    def wire_chunks(self) -> tuple[bytes, bytes]:
        """The batch as it goes over the wire: the header of this moment, with checksum and sequence, and the
        records.
        """
        records = self.records
        if records is None:
            raise RuntimeError(f"{self!r} is not encoded yet")
        builder = self.builder
        header = encode_header(
            records=records,
            codec_id=self.codec_id,
            count=builder.count,
            base_timestamp=builder.base_timestamp,
            max_timestamp=builder.max_timestamp,
            producer_id=self.producer_id,
            producer_epoch=self.producer_epoch,
            base_sequence=self.base_sequence,
        )
        return header, records
