"""Two brokers with the partitions of one topic, and all that is on its way to them: the other side of `test_machine`.

They are the model of `tests.support.partition_log` with what may go wrong around it. Here is also what is to hold of
the logs in the end. When something goes wrong, and what the producer does then, is not decided here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from aioproducer.batching.batch import Batch
from aioproducer.batching.partition_queue import PartitionQueue
from aioproducer.errors import KafkaError, Persisted
from aioproducer.models import NO_OFFSET, RecordMetadata
from aioproducer.outcome import Outcome
from aioproducer.protocol.messages.produce import PartitionProduceResponse
from tests.support.partition_log import PartitionLog, Stamp

NODES = (1, 2)
NOT_LEADER, TOO_LARGE, UNKNOWN_TOPIC_ID = 6, 10, 100


Answers: TypeAlias = dict[tuple[str, int], PartitionProduceResponse]
Fates: TypeAlias = list[tuple[str, int]]
"""What is done with the next batches that a broker looks at; those after them go well."""


@dataclass
class Record:
    number: int
    outcome: Outcome
    index: int
    settled: list[RecordMetadata | KafkaError] = field(default_factory=list)


@dataclass
class Partition:
    """`leader` is the one that the brokers agree on, `logs` has the topic's incarnations, the last is the present one.

    told: the incarnation that the producer has heard of. accepted: the leader that has acknowledged something since the
    producer heard of it, and since its connection was made. given: the record of each sequence, by producer id and
    epoch; starts: the first sequences of the batches that got them, in order.
    """

    index: int
    queue: PartitionQueue
    leader: int
    logs: list[PartitionLog] = field(default_factory=lambda: [PartitionLog()])
    records: list[Record] = field(default_factory=list)
    excused: set[int] = field(default_factory=set)
    accepted: int | None = None
    given: dict[tuple[int, int], dict[int, int]] = field(default_factory=dict)
    starts: list[tuple[tuple[int, int], int]] = field(default_factory=list)
    reported: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.told = self.log

    @property
    def log(self) -> PartitionLog:
        return self.logs[-1]


@dataclass(frozen=True)
class Piece:
    """A batch as it was written: what becomes of the batch afterwards does not change it."""

    partition: Partition
    log: PartitionLog
    stamp: Stamp
    numbers: tuple[int, ...]
    size: int


@dataclass
class Request:
    batches: list[Batch]
    pieces: list[Piece]
    answers: Answers | None = None


class TwoBrokers:
    """`live` are the requests of each broker's connection, oldest first; `ghosts` those of lost connections that the
    broker has not handled, but may. largest: bytes of a batch that they take.
    """

    def __init__(self) -> None:
        self.partitions: list[Partition] = []
        self.live: dict[int, deque[Request]] = {node: deque() for node in NODES}
        self.ghosts: dict[int, list[deque[Request]]] = {node: [] for node in NODES}
        self.topic_ids = False
        self.largest = 10_000

    def handle(self, node: int, times: int, fates: Fates) -> None:
        """The broker handles the oldest requests that it has not."""
        left = fates.copy()
        waiting = [request for request in self.live[node] if request.answers is None]
        for request in waiting[:times]:
            request.answers = self._answers_to(node, request, left)

    def haunt(self, node: int, oldest: bool, times: int, fates: Fates) -> None:
        """A broker handles requests of a connection that is long lost."""
        connections = [ghosts for ghosts in self.ghosts[node] if ghosts]
        if not connections:
            return
        left = fates.copy()
        ghosts = connections[0 if oldest else -1]
        for _ in range(min(times, len(ghosts))):
            self._answers_to(node, ghosts.popleft(), left)

    def _answers_to(self, node: int, request: Request, fates: Fates) -> Answers:
        answers = {}
        for piece in request.pieces:
            code, offset = self._append(node, piece, fates.pop(0) if fates else ("well", 0))
            answers["t", piece.partition.index] = PartitionProduceResponse(
                index=piece.partition.index, error_code=code, base_offset=offset
            )
        return answers

    def _append(self, node: int, piece: Piece, fate: tuple[str, int]) -> tuple[int, int]:
        partition = piece.partition
        if self.topic_ids and piece.log is not partition.log:
            return UNKNOWN_TOPIC_ID, -1
        if partition.leader != node:
            return NOT_LEADER, -1
        if fate[0] == "before":
            return fate[1], -1
        if piece.size > self.largest:
            return TOO_LARGE, -1
        answer = partition.log.produce(piece.stamp, piece.numbers)
        if answer.forgotten:
            partition.excused.update(piece.numbers, self._underway(partition))
        if answer.code:
            return answer.code, -1
        if fate[0] == "after":
            return fate[1], -1
        partition.log.commit()
        return 0, answer.offset

    def _underway(self, partition: Partition) -> Iterable[int]:
        """The records of the partition that have a sequence, or are somewhere between the producer and a log."""
        for identity in partition.given.values():
            settled = {record.number for record in partition.records if record.outcome.done}
            yield from (number for number in identity.values() if number not in settled)
        for node in NODES:
            for request in (*self.live[node], *(late for ghosts in self.ghosts[node] for late in ghosts)):
                yield from (
                    number for piece in request.pieces if piece.partition is partition for number in piece.numbers
                )

    def disconnect(self, node: int, *, late: bool) -> list[Request]:
        """The connection is lost with these requests; if `late`, what was not handled may be, later."""
        lost, self.live[node] = self.live[node], deque()
        if late:
            self.ghosts[node].append(deque(request for request in lost if request.answers is None))
        return list(lost)

    def restart(self, node: int) -> None:
        """The broker was stopped in order and came back: what it had not handled is gone with its process."""
        self.ghosts[node].clear()
        for partition in self.partitions:
            if partition.leader == node:
                partition.log.restart()

    def move(self, partition: Partition, *, whole: bool) -> None:
        """The other broker leads; without `whole` it has only what was committed."""
        if not whole:
            partition.log.cut(partition.log.committed)
        partition.leader = NODES[0] + NODES[1] - partition.leader

    def make_again(self) -> None:
        """The topic is deleted, and made again under its name."""
        for partition in self.partitions:
            partition.logs.append(PartitionLog() if self.topic_ids else partition.log.made_again())


def check(partition: Partition) -> None:
    """Everybody was told the truth, and the logs have what they are to have, in order and once."""
    fate = {record.number: record.settled[0] for record in partition.records}
    acknowledged = {number for number, outcome in fate.items() if isinstance(outcome, RecordMetadata)}
    stored = {number for log in partition.logs for number in log.records}
    for number, outcome in fate.items():
        if isinstance(outcome, KafkaError):
            assert outcome.persisted is not Persisted.NO or number not in stored, f"{number} is said not to be stored"
        elif outcome.offset == NO_OFFSET:
            assert number in stored, f"{number} is lost"
        else:
            places = (log.records[outcome.offset : outcome.offset + 1] for log in partition.logs)
            assert [number] in places, f"{number} is not where it is said to be"
    for log in partition.logs:
        entries = [(number, batch.stamp.producer_id) for batch in log.batches for number in batch.numbers]
        for at, (number, producer_id) in enumerate(entries):
            for earlier, earlier_id in entries[:at]:
                if earlier < number or {earlier, number} & partition.excused:
                    continue
                assert earlier != number, f"{number} is stored twice"
                unfenced = producer_id < earlier_id and number not in acknowledged
                assert unfenced, f"{number} is stored behind {earlier}"
