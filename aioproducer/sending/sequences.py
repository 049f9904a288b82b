"""Idempotence: which batch of a partition may go, under which producer id, epoch and sequence (KIP-98, KIP-360).

It is the accumulator's gate. Getting a producer id from a broker is `identity`'s; what an error code asks for is
`retry`'s.

1. A sequence is given once, when a batch is first taken for sending. A retry keeps it, for the broker may know the
   batch by it.
2. A retry goes alone: nothing else of its partition is in flight when it leaves, and it is the oldest.
3. A second batch of a partition goes beside the first only if the leader has accepted one before: a broker takes any
   first sequence from a producer it does not know, so the second could be stored without the first. A new leader has
   to accept one again, and so have the old one after a connection was lost, for it may have been restarted, and a
   topic that was made again under its name.
4. From the oldest that is unanswered to the youngest there are at most five, those acknowledged between them
   included: a retry of the oldest has to be among the five that a broker knows a duplicate by.
5. A batch that is given up after it got a sequence leaves a gap that the broker may not pass. Nothing new is sent
   behind it until those that have a sequence are through; then the epoch is raised and the partition starts again at
   0. A late acknowledgement of that batch, or of a younger one, shows that there is no gap.
6. Other partitions go on under the epoch they have, until nothing of theirs is in flight.

Without idempotence, batches have no sequence, and only the number in flight is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aioproducer.batching.batch import Batch
from aioproducer.batching.partition_queue import PartitionQueue
from aioproducer.records.sequence import next_sequence

_LAST_EPOCH = 32767
_REMEMBERED = 5


class Sequencer:
    """`identity` is the producer id and its epoch, None before a broker gave one, and without idempotence."""

    __slots__ = ("_gaps", "_max_in_flight", "_on_bump", "_on_exhausted", "epoch_bumps", "idempotent", "identity")

    def __init__(
        self,
        *,
        idempotent: bool,
        max_in_flight: int,
        on_exhausted: Callable[[], None],
        on_bump: Callable[[PartitionQueue], None],
    ) -> None:
        """`on_exhausted` has a new producer id asked for: the epochs of this one are used up. `on_bump` is told that
        the epoch was raised for a partition.
        """
        self.idempotent = idempotent
        self.identity: tuple[int, int] | None = None
        self.epoch_bumps = 0
        # The number of the youngest batch that was given up, where one was with a sequence that still counts.
        self._gaps: dict[PartitionQueue, int] = {}
        self._max_in_flight = max_in_flight
        self._on_exhausted = on_exhausted
        self._on_bump = on_bump

    def __repr__(self) -> str:
        return f"<Sequencer of {self.identity}>" if self.idempotent else "<Sequencer without idempotence>"

    def may_send(self, queue: PartitionQueue) -> bool:
        """Whether the oldest batch of the queue may go now."""
        in_flight = queue.in_flight
        if in_flight >= self._max_in_flight:
            return False
        if not self.idempotent:
            return True
        if self.identity is None:
            return False
        if _was_sent(queue):
            return not in_flight
        if queue in self._gaps:
            return False
        if not in_flight:
            return True
        if queue.identity != self.identity or queue.accepted_by != queue.leader:
            return False
        return queue.places - queue.taken[0].place < _REMEMBERED

    def stamp(self, batch: Batch) -> None:
        """The batch is taken for sending: give it its sequence, if it has none."""
        if not self.idempotent or batch.sequenced:
            return
        queue = batch.queue
        if queue.identity != self.identity:
            queue.identity = self.identity
            queue.next_sequence = 0
            # Rule 3 anew: it may be a producer id that the leader does not know.
            queue.accepted_by = None
        assert queue.identity is not None
        batch.producer_id, batch.producer_epoch = queue.identity
        batch.base_sequence = queue.next_sequence
        batch.place = queue.places
        queue.places += 1
        queue.next_sequence = next_sequence(queue.next_sequence, batch.count)

    def share(self, batch: Batch, pieces: Sequence[Batch]) -> None:
        """The batch was refused, and its records go on in these pieces: what is numbered behind them stays valid."""
        if not batch.sequenced or self.restarted(batch):
            return
        queue = batch.queue
        sequence = batch.base_sequence
        for piece in pieces:
            piece.producer_id, piece.producer_epoch = batch.producer_id, batch.producer_epoch
            piece.base_sequence = sequence
            piece.place = queue.places
            queue.places += 1
            sequence = next_sequence(sequence, piece.count)

    def acknowledged(self, batch: Batch, leader: int) -> None:
        """The batch is in the log of this leader, and so is everything of its partition that had a sequence
        before it.
        """
        queue = batch.queue
        if leader == queue.leader:
            queue.accepted_by = leader
        if batch.number >= self._gaps.get(queue, batch.number):
            self._gaps.pop(queue, None)

    def given_up(self, batch: Batch) -> None:
        """The batch is settled without an acknowledgement."""
        if batch.sequenced:
            self._gaps[batch.queue] = max(self._gaps.get(batch.queue, 0), batch.number)

    def restarted(self, batch: Batch) -> bool:
        """Whether the partition has begun anew since this batch got its sequence."""
        return batch.sequenced and batch.queue.identity != (batch.producer_id, batch.producer_epoch)

    def restart(self, batch: Batch) -> list[Batch]:
        """The broker does not take the sequences of this batch's partition any more: begin anew with those queued.

        They lose their sequences and get new ones, in a new epoch; but those that may be in the log, through a request
        that was not answered, are returned, to be failed.
        """
        queue = batch.queue
        restarted = self.restarted(batch)
        doomed = []
        for other in queue.batches():
            if other.possibly_persisted:
                doomed.append(other)
            elif other.sequenced:
                other.unstamp()
        if not restarted:
            # What was sent behind this one can only be stored if this one is, by a late copy of an earlier request.
            for other in queue.taken:
                other.void = not batch.possibly_persisted
            self._bump(queue)
        return doomed

    def close_gap(self, queue: PartitionQueue) -> None:
        """Raise the epoch if a gap, and nothing else, stands in the way of this partition's new batches."""
        if queue in self._gaps and not queue.in_flight and not _was_sent(queue):
            self._bump(queue)

    def _bump(self, queue: PartitionQueue) -> None:
        # A partition that is not under the producer's epoch any more only has to come up to it.
        if queue.identity == self.identity and self.identity is not None:
            self.epoch_bumps += 1
            producer_id, epoch = self.identity
            if epoch < _LAST_EPOCH:
                self.identity = (producer_id, epoch + 1)
            else:
                self.identity = None
                self._on_exhausted()
            self._on_bump(queue)
        queue.identity = None
        queue.next_sequence = 0
        self._gaps.pop(queue, None)


def _was_sent(queue: PartitionQueue) -> bool:
    """Whether the oldest batch goes once more: it has its sequence."""
    head = queue.head
    return head is not None and head.sequenced
