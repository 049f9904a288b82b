"""From the call to a batch: every record is appended, or parked in the line where it waits for its turn.

It decides who waits for what, how long, and who is next. It does not block, and it does not know the loop: the
producer tells it the time, and that metadata came or bytes were given back.

1. A record goes straight into a batch if nobody who was earlier has to wait: for its topic, or for room.
2. Records for a topic, or a partition, that the metadata does not know wait in the topic's line; when it comes they go
   on in call order. Records for partitions that are known pass them by, for order is a matter of one partition.
3. Records without room wait in one line for all topics, first in, first out; those that fit are let in when bytes are
   given back.
4. Who has waited `max_block_ms` in all, or `delivery_timeout_ms` if that is less, gets an error that says for what.
5. Who stops waiting leaves every line at once, and nothing of him is kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from aioproducer.batching.accumulator import Accumulator
from aioproducer.batching.partition_queue import PartitionQueue
from aioproducer.batching.topic import Layout, Placement, Topic
from aioproducer.delivery import Delivery, Parked
from aioproducer.errors import BufferFullError, KafkaError, MetadataTimeoutError, PartitionerError
from aioproducer.outcome import OnDelivery, Outcome
from aioproducer.partitioning.murmur2 import KEY_HASHES
from aioproducer.partitioning.sticky import longest_visit


class Park(Protocol):
    """Makes a parked record; the loop is the maker's."""

    def __call__(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        tail: bytes,
        partition: int | None,
        timestamp_ms: int,
        on_delivery: OnDelivery | None,
    ) -> Parked: ...


class Refuse(Protocol):
    """Makes the outcome of records that never were in a batch."""

    def __call__(self, topic: str, timestamps: Sequence[int]) -> Outcome: ...


class Intake:
    """`parked` are the records that are not in a batch yet, in call order."""

    def __init__(
        self,
        accumulator: Accumulator,
        placement: Placement,
        *,
        max_block: float,
        delivery_timeout: float,
        park: Park,
        refuse: Refuse,
        on_unknown_topic: Callable[[str], None],
        on_new_partition: Callable[[str], None],
        on_grown: Callable[[str, int, int], None],
        on_parked: Callable[[], None],
        on_all_accepted: Callable[[], None],
    ) -> None:
        """`on_unknown_topic` has the metadata asked for; `on_grown` is told of a topic that has more partitions than
        before, how many before and now; `on_parked` has `expire` called, now and at the `deadline`,
        for others wait than before; `on_all_accepted` ends `drain()`.
        """
        self.topics: dict[str, Topic] = {}
        self._accumulator = accumulator
        self._placement = placement
        self._longest_visit = longest_visit(placement.batch_size)
        self._patience = min(max_block, delivery_timeout)
        self._patience_of = "max_block_ms" if max_block <= delivery_timeout else "delivery_timeout_ms"
        self._park = park
        self._refuse = refuse
        self._on_unknown_topic = on_unknown_topic
        self._on_new_partition = on_new_partition
        self._on_grown = on_grown
        self._on_parked = on_parked
        self._on_all_accepted = on_all_accepted
        self.parked: OrderedDict[Parked, None] = OrderedDict()
        self._line: OrderedDict[Parked, None] = OrderedDict()
        self._resting: dict[str, Topic] = {}
        self._hurried = False

    def __repr__(self) -> str:
        return f"<Intake of {len(self.topics)} topics: {len(self.parked)} records wait, {len(self._line)} for room>"

    @property
    def deadline(self) -> float | None:
        """When the first of those that wait has waited too long, in loop seconds."""
        for parked in self.parked:
            return parked.deadline
        return None

    def topic(self, name: str) -> Topic:
        """The topic, known or not."""
        topic = self.topics.get(name)
        if topic is None:
            topic = self._resting.pop(name, None) or Topic(name, self._accumulator, self._placement)
            self.topics[name] = topic
        return topic

    # In

    def append(
        self,
        topic: Topic,
        key: bytes | None,
        value: bytes | None,
        tail: bytes,
        partition: int | None,
        timestamp_ms: int,
    ) -> Outcome | None:
        """Add a record as the last of a batch that is open already, which is the way of nearly all, and return the
        batch's outcome; None if that can not be, and `accept` has to look closer.
        """
        sticky = partition is None and (key is None or topic.ignores_keys)
        # What `Topic.place` does where a hash decides, and for an open batch `Accumulator.append` and
        # `Topic.appended`, without the calls: 200 ns with a key, 150 without.
        if sticky:
            queue = topic.sticky_queue
        elif partition is None:
            spread = topic.spread
            queue = topic.queues[KEY_HASHES[key] % spread] if spread and key is not None else None
        else:
            queue = topic.queue(partition) if topic.knows(partition) else None
        if queue is None or self._line:
            return None
        batch = queue.open
        if batch is None:
            return None
        accumulator = self._accumulator
        size = batch.builder.append(key, value, tail, timestamp_ms, accumulator.available)
        if not size:
            return None
        accumulator.available -= size
        if sticky:
            topic.produced += size
            if topic.produced >= self._longest_visit:
                topic.end_visit()
        return batch.outcome

    def accept(
        self,
        topic: Topic,
        key: bytes | None,
        value: bytes | None,
        tail: bytes,
        partition: int | None,
        timestamp_ms: int,
        on_delivery: OnDelivery | None,
        now: float,
    ) -> Delivery:
        """Add a record that `append` did not take to a new batch, or park it.

        Raises PartitionerError, and nothing is kept then; for a record that has to wait it is in the delivery.
        """
        if topic.partitions is None and not topic.parked:
            # The first who waits; if there were others, they have given up, and so has the metadata.
            self._on_unknown_topic(topic.name)
        known = topic.knows(partition)
        if known and not self._line:
            queue, size = self._put(topic, key, value, tail, partition, timestamp_ms, now)
            if size:
                batch = queue.open
                assert batch is not None
                index = batch.builder.count - 1
                if on_delivery is not None:
                    batch.outcome.report(index, on_delivery)
                return Delivery(batch.outcome, index)
            partition = self._settled_on(topic, key, partition, queue)
        parked = self._park(topic.name, key, value, tail, partition, timestamp_ms, on_delivery)
        parked.on_withdrawn = self._withdrawn
        parked.since = now
        parked.deadline = now + self._patience
        self.parked[parked] = None
        if known:
            self._wait_for_room(topic, parked)
        else:
            topic.parked[parked] = None
            if topic.partitions is not None:
                self._on_new_partition(topic.name)
        self._on_parked()
        return parked.delivery

    def _let_in(self, topic: Topic, parked: Parked, now: float) -> bool:
        """Move a record into a batch, a new one if need be; False if there is no room. Raises PartitionerError."""
        key, partition = parked.key, parked.partition
        queue, size = self._put(topic, key, parked.value, parked.tail, partition, parked.timestamp_ms, now)
        if not size:
            parked.partition = self._settled_on(topic, key, partition, queue)
            return False
        batch = queue.open
        assert batch is not None
        parked.move_to(batch.outcome, batch.builder.count - 1)
        return True

    def _put(
        self,
        topic: Topic,
        key: bytes | None,
        value: bytes | None,
        tail: bytes,
        partition: int | None,
        timestamp_ms: int,
        now: float,
    ) -> tuple[PartitionQueue, int]:
        """Add a record to the open batch of its partition, or to a new one. Returns the partition, and the bytes taken:
        0 if there is no room. Raises PartitionerError.
        """
        accumulator = self._accumulator
        sticky = partition is None and topic.is_sticky(key)
        queue = topic.place(key, value, now) if partition is None else topic.queue(partition)
        size = accumulator.append(queue, key, value, tail, timestamp_ms)
        rest = 0 if size or queue.open is None else queue.open.builder.limit - queue.open.builder.size
        # Its batch is full, for memory there is; or it was sent before it was, which ends no visit of ours.
        full = queue.open is not None and rest <= accumulator.available
        sent = queue.open is None and queue.sealed > 0 and not sticky
        if not size and partition is None and (full or sent):
            # The moment to go to another partition.
            if sticky:
                # What is left of the batch counts as produced, so that the visit to a partition ends with a batch.
                moved = topic.appended(rest, batch_open=False)
                if moved:
                    topic.end_visit()
            else:
                moved = topic.new_batch(queue.partition)
            if moved:
                accumulator.ripen(queue)
                queue = topic.place(key, value, now)
                size = accumulator.append(queue, key, value, tail, timestamp_ms)
        if not size:
            size = accumulator.grow(queue, key, value, tail, timestamp_ms, now) or accumulator.open_batch(
                queue, key, value, tail, timestamp_ms, now
            )
        if size and sticky and topic.appended(size, batch_open=True):
            topic.end_visit()
        return queue, size

    def _settled_on(self, topic: Topic, key: bytes | None, partition: int | None, queue: PartitionQueue) -> int | None:
        """The partition of a record that has to wait for room: a partitioner is not asked again at each attempt."""
        return None if partition is None and topic.is_sticky(key) else queue.partition

    def _wait_for_room(self, topic: Topic, parked: Parked) -> None:
        self._line[parked] = None
        topic.in_line += 1
        if not self._hurried:
            self._hurried = True
            self._accumulator.hurry()

    # On

    def forget(self, name: str) -> None:
        """The topic has not been used for long; the next record for it asks for its metadata again."""
        topic = self.topics.get(name)
        if topic is None or topic.busy:
            return
        del self.topics[name]
        if topic.sequenced:
            topic.rest()
            self._resting[name] = topic

    def topic_known(self, name: str, layout: Layout, now: float) -> None:
        """The metadata has told of the topic."""
        topic = self.topics.get(name)
        if topic is None:
            return
        before = topic.width
        topic.update(layout)
        if 0 < before < topic.width:
            self._on_grown(name, before, topic.width)
        joining = False
        for parked in tuple(topic.parked):
            if topic.knows(parked.partition) and (self._line or not self._let_in_or_fail(topic, parked, now)):
                del topic.parked[parked]
                self._wait_for_room(topic, parked)
                joining = True
        if joining:
            # Younger ones of the topic may have been in the line already, and may be for the same partition.
            self._line = OrderedDict.fromkeys(parked for parked in self.parked if parked in self._line)
        self._tell()

    def advance(self, now: float) -> None:
        """Bytes were given back: let in those that wait for room, in their order, as far as they fit."""
        line = self._line
        while line:
            parked = next(iter(line))
            if not self._let_in_or_fail(self.topics[parked.topic], parked, now):
                return
        self._tell()

    def _let_in_or_fail(self, topic: Topic, parked: Parked, now: float) -> bool:
        try:
            if not self._let_in(topic, parked, now):
                return False
        except PartitionerError as error:
            self._fail([parked], error)
        else:
            self._leave(parked)
        return True

    def _leave(self, parked: Parked) -> None:
        """This record does not wait any more."""
        topic = self.topics[parked.topic]
        del self.parked[parked]
        if parked in self._line:
            del self._line[parked]
            topic.in_line -= 1
        else:
            del topic.parked[parked]

    def _withdrawn(self, parked: Parked) -> None:
        self._leave(parked)
        self._tell()
        self._on_parked()

    def _tell(self) -> None:
        if not self._line and self._hurried:
            self._hurried = False
            self._accumulator.relax()
        if not self.parked:
            self._on_all_accepted()

    # Out

    def expire(self, now: float, cause: Callable[[str], KafkaError | None]) -> None:
        """Fail those that have waited too long. `cause` tells what the metadata last said of a topic."""
        late: dict[str, list[Parked]] = {}
        for parked in self.parked:
            if parked.deadline > now:
                break
            late.setdefault(parked.topic, []).append(parked)
        for name, group in late.items():
            topic = self.topics[name]
            for_metadata = [parked for parked in group if not topic.knows(parked.partition)]
            for_room = [parked for parked in group if topic.knows(parked.partition)]
            if for_metadata:
                error = self._unknown_error(topic, for_metadata[0], now, cause(name))
                error.__cause__ = cause(name)
                self._fail(for_metadata, error)
            if for_room:
                self._fail(for_room, self._full_error(for_room[0], now))
        self.advance(now)

    def fail_topic(self, name: str, error: KafkaError) -> None:
        """The metadata refuses the topic for good: nobody waits for it any longer."""
        topic = self.topics.get(name)
        if topic is not None:
            self._fail(tuple(topic.parked), error)
            self._tell()

    def fail_all(self, error: KafkaError) -> None:
        """Fail everybody who waits."""
        self._fail(tuple(self.parked), error)
        self._tell()

    def _fail(self, group: Iterable[Parked], error: KafkaError) -> None:
        by_topic: dict[str, list[Parked]] = {}
        for parked in group:
            by_topic.setdefault(parked.topic, []).append(parked)
        for name, members in by_topic.items():
            outcome = self._refuse(name, [parked.timestamp_ms for parked in members])
            for index, parked in enumerate(members):
                self._leave(parked)
                parked.move_to(outcome, index)
            outcome.fail(error)

    def _full_error(self, parked: Parked, now: float) -> KafkaError:
        return BufferFullError(
            f"no room for a record to {parked.topic} within {now - parked.since:.3f} s ({self._patience_of}): "
            f"{self._accumulator.buffered} of {self._accumulator.buffer_memory} bytes of buffer_memory are in use "
            "by records that no broker has acknowledged yet; look at the brokers, await drain() while sending, or "
            "raise buffer_memory"
        )

    def _unknown_error(self, topic: Topic, parked: Parked, now: float, cause: KafkaError | None) -> KafkaError:
        waited = f"for {now - parked.since:.3f} s ({self._patience_of})"
        last = f"; the last answer was: {cause}" if cause is not None else "; no broker has answered for it"
        if topic.partitions is None:
            return MetadataTimeoutError(
                f"topic {topic.name!r} stayed unknown {waited}{last}; create it, or check its name and the brokers"
            )
        if cause is not None:
            return MetadataTimeoutError(
                f"topic {topic.name!r} has not come back {waited}{last}; it had {len(topic.partitions)} partitions: "
                "create it again, or send to another topic"
            )
        return MetadataTimeoutError(
            f"topic {topic.name!r} has no partition {parked.partition}, {waited}: it has {len(topic.partitions)}, "
            "from 0 on; send to one of these, or add partitions to the topic"
        )
