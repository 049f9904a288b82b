"""One topic as the producer writes to it: its partitions' queues, and which partition a record goes to.

The order of the choice is Kafka's (KafkaProducer.partition): the partition of the call, the user's partitioner, the
hash of the key, the sticky partition. The partitioners themselves are in `partitioning`; what is known of the topic
comes from the metadata.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from aioproducer.batching.accumulator import Accumulator
from aioproducer.batching.partition_queue import NO_LEADER, PartitionQueue
from aioproducer.errors import PartitionerError
from aioproducer.partitioning.base import Partitioner, Partitions, all_available, choose
from aioproducer.partitioning.murmur2 import partition_for_key
from aioproducer.partitioning.sticky import Chances, visit_ends, weigh
from aioproducer.protocol.primitives import ZERO_UUID

if TYPE_CHECKING:
    from aioproducer.delivery import Parked


_PARTITIONS_PER_CHOICE = 64


class Placement(NamedTuple):
    """The options that say where records go. `random` returns any int from 0 up, evenly distributed; a broker
    that did not take what was ready for longer than `patience` seconds, if that is not 0, gets no records without
    a key.
    """

    partitioner: Partitioner | None
    ignore_keys: bool
    adaptive: bool
    patience: float
    batch_size: int
    random: Callable[[], int]


class Layout(NamedTuple):
    """What the metadata tells of a topic: the leaders of its partitions, -1 for none; its id, all zeros where the
    brokers are too old to tell; and which partitions are `near`, for their leader is in the producer's own rack.
    """

    leaders: Sequence[int]
    topic_id: bytes = ZERO_UUID
    near: Sequence[int] = ()


class Topic:
    """`partitions` is None until the metadata has told of the topic. `parked` are the records that wait for that, in
    call order; `in_line` counts those that wait for room. A key's hash goes by the number `spread` where that alone
    decides, else that is 0. `queues`: by partition, None for those that have not been used. `sticky_queue` is where
    records without a key go now, `produced` the bytes of this visit, whoever counts them.

    Thousands may be idle, each with what the garbage collector has to walk. So what one has in common with others is
    the same object, and what is easily made again is not kept.
    """

    __slots__ = (
        "_accumulator",
        "_chances",
        "_chances_left",
        "_leaders",
        "_near",
        "_placement",
        "_topic_id",
        "_unused",
        "ignores_keys",
        "in_line",
        "name",
        "parked",
        "partitions",
        "produced",
        "queues",
        "spread",
        "sticky_queue",
    )

    def __init__(self, name: str, accumulator: Accumulator, placement: Placement) -> None:
        self.name = name
        self.partitions: Partitions | None = None
        self.parked: dict[Parked, None] = {}
        self.in_line = 0
        self.sticky_queue: PartitionQueue | None = None
        self.produced = 0
        self.spread = 0
        self.queues: list[PartitionQueue | None] = []
        self.ignores_keys = placement.ignore_keys
        self._accumulator = accumulator
        self._placement = placement
        self._leaders: Sequence[int] = ()
        self._topic_id = ZERO_UUID
        self._near: Sequence[int] = ()
        self._unused = 0
        self._chances: Chances | None = None
        self._chances_left = 0

    def __repr__(self) -> str:
        return f"<Topic {self.name}: {self.partitions!r}, {len(self.parked)} records wait for metadata>"

    @property
    def width(self) -> int:
        """How many partitions the topic has had at most, 0 before the metadata has told of it."""
        return len(self.queues)

    def update(self, layout: Layout) -> None:
        """What the metadata tells now. A partition that is gone, for the topic was made again with fewer, has no
        leader: records that are there already end with their delivery time.

        With another id than before the topic was deleted and made again: a log that knows nothing of this producer.
        """
        leaders = layout.leaders
        made_again = ZERO_UUID not in (layout.topic_id, self._topic_id) and layout.topic_id != self._topic_id
        self._topic_id = layout.topic_id
        self._near = layout.near
        count, known = len(leaders), len(self.queues)
        if count < known:
            leaders = (*leaders, *(NO_LEADER for _ in range(known - count)))
            self.end_visit()
        self._leaders = leaders
        self.queues.extend(None for _ in range(len(leaders) - known))
        self._unused += len(leaders) - known
        self._chances_left = 0
        if NO_LEADER in leaders:
            available = tuple(partition for partition, leader in enumerate(leaders) if leader != NO_LEADER)
            self.partitions = Partitions(count, available)
        else:
            self.partitions = all_available(count)
        self.spread = count if self._placement.partitioner is None and not self.ignores_keys else 0
        for queue in self.queues:
            if queue is not None:
                if made_again:
                    queue.accepted_by = None
                self._accumulator.lead(queue, leaders[queue.partition])
        if self.sticky_queue is not None and self.sticky_queue.leader == NO_LEADER:
            self.end_visit()

    def rest(self) -> None:
        """The topic is not used any more, for now: know nothing of it until `update`, but where its sequences are."""
        self.partitions = None
        self.spread = 0
        self.end_visit()
        for queue in self.queues:
            if queue is not None:
                # Who led it meanwhile is not known, nor whether the broker still remembers this producer.
                queue.accepted_by = None

    @property
    def sequenced(self) -> bool:
        """Whether a broker may know this producer by sequences of this topic, which have to go on."""
        return any(queue is not None and queue.identity is not None for queue in self.queues)

    def queue(self, partition: int) -> PartitionQueue:
        queue = self.queues[partition]
        if queue is None:
            queue = self._accumulator.new_queue(self.name, partition, self._leaders[partition])
            self.queues[partition] = queue
            self._unused -= 1
        return queue

    @property
    def busy(self) -> bool:
        """Whether records of it are on their way."""
        if self.parked or self.in_line:
            return True
        return any(queue is not None and not queue.idle for queue in self.queues)

    def knows(self, partition: int | None) -> bool:
        """Whether a record for this partition, None for any, can go on."""
        partitions = self.partitions
        return partitions is not None and (partition is None or partition < len(partitions))

    def is_sticky(self, key: bytes | None) -> bool:
        """Whether a record that names no partition, with this key, goes where the last one went."""
        return self._placement.partitioner is None and (key is None or self.ignores_keys)

    def place(self, key: bytes | None, value: bytes | None, now: float) -> PartitionQueue:
        """The queue of a record that names no partition. Raises PartitionerError; needs the metadata."""
        partitions = self.partitions
        assert partitions is not None
        partitioner = self._placement.partitioner
        if partitioner is not None:
            return self.queue(choose(partitioner, self.name, key, value, partitions))
        if key is not None and not self.ignores_keys:
            return self.queue(partition_for_key(key, len(partitions)))
        if self.sticky_queue is None:
            self.sticky_queue = self.queue(self._weighed(partitions, now).pick(self._placement.random()))
            self.produced = 0
        return self.sticky_queue

    def appended(self, size: int, *, batch_open: bool) -> bool:
        """Count bytes of records without a key; true means that they are enough for one partition."""
        self.produced += size
        return visit_ends(self.produced, self._placement.batch_size, batch_open=batch_open)

    def end_visit(self) -> None:
        """Enough for this partition: the next record without a key goes to another."""
        self.sticky_queue = None

    def new_batch(self, previous: int) -> bool:
        """A record does not fit the batch on `previous`: whether the user's partitioner wants to choose again.

        Raises PartitionerError.
        """
        partitioner = self._placement.partitioner
        hook = getattr(partitioner, "on_new_batch", None)
        if hook is None:
            return False
        try:
            hook(self.name, self.partitions, previous)
        except Exception as error:
            raise PartitionerError(
                f"on_new_batch of the partitioner {partitioner!r} raised {error!r} for topic {self.name!r}"
            ) from error
        return True

    def _weighed(self, partitions: Partitions, now: float) -> Chances:
        """The partitions' chances. With very many partitions one look at their loads serves for several choices, or
        these would cost the more the more there are.
        """
        if self._chances is not None and self._chances_left:
            self._chances_left -= 1
            return self._chances
        loads = self._loads(now)
        chances = weigh(partitions, loads, self._near)
        self._chances_left = 0 if loads is None else len(loads) // _PARTITIONS_PER_CHOICE
        self._chances = chances if self._chances_left else None
        return chances

    def _loads(self, now: float) -> Sequence[int] | None:
        """Batches queued per partition, as many as they would be if none had grown, -1 where the broker has stalled;
        None, all alike, until each was used (KIP-794).
        """
        placement = self._placement
        if not placement.adaptive or self._unused:
            return None
        patience = placement.patience
        return [
            -1 if patience and queue.stalled(now, patience) else queue.fills
            for queue in self.queues
            if queue is not None
        ]
