"""Accumulator, window, sequences and settlement with two brokers, by Hypothesis: exactly once, in call order.

What the brokers do is the model of `tests.support.partition_log`, with everything around it that can go wrong: answers
of all kinds before and after the append, connections lost with requests that a broker handles all the same, much later
(a `ghost`), leaders that move and lack the end of the log, brokers that are restarted, topics that are made again,
producer ids that are forgotten or used up, sequences that wrap.

There are two things that Kafka can not promise, and they are told apart exactly. A leader that had forgotten the
producer (or leads a topic that was made again, and requests name it by name alone) takes any batch as its first: what
had a sequence and was not settled, or was on its way as a ghost, when it did so may be stored twice or in another order
(`excused`). And a ghost is not fenced by another producer id: it may still be stored behind younger records, if it was
never acknowledged.
"""

from __future__ import annotations

import re
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from aioproducer.batching.batch import Batch, State
from aioproducer.errors import ConnectionFailedError, KafkaError
from aioproducer.models import RecordMetadata
from aioproducer.records.headers import NO_HEADERS
from tests.sending.bench import FOREVER, Bench
from tests.sending.two_brokers import NODES, Fates, Partition, Piece, Record, Request, TwoBrokers, check
from tests.support.batching import CollectingLoop
from tests.support.partition_log import LIMIT, REMEMBERED, Stamp

PARTITIONS = 2
DELIVERY_TIMEOUT = 30.0
LAST_EPOCH = 32767
# Retriable and not, as a broker says them before it has appended anything, and after it has.
BEFORE = (2, 3, 5, 19, 19, 56, 87)
AFTER = (-1, 6, 7, 20, 56)

# The first partition gets most of what happens, so that enough of it meets.
PLACE = st.sampled_from((0, 0, 0, 1))
NODE = st.sampled_from((1, 1, 1, 2))

FAULTS = [*(("before", code) for code in BEFORE), *(("after", code) for code in AFTER)]
FATES: st.SearchStrategy[Fates] = st.just([]) | st.lists(
    st.sampled_from([("well", 0)] * 10 + FAULTS), min_size=1, max_size=5
)
SOME = st.sampled_from((5, 5, 2, 1, 0))

# What a step can be: how often, and what its method is called with.
STEPS: dict[str, tuple[int, st.SearchStrategy[tuple[Any, ...]]]] = {
    "send": (6, st.tuples(PLACE, st.lists(st.integers(1, 2), min_size=3, max_size=6), st.integers(0, 60))),
    "linger": (1, st.tuples(PLACE)),
    "serve": (8, st.tuples(NODE, SOME, FATES, SOME)),
    "lose": (2, st.tuples(NODE, SOME, FATES, st.booleans())),
    "haunt": (2, st.tuples(NODE, st.booleans(), SOME, FATES)),
    "wait": (1, st.tuples(st.sampled_from((5.0, 10.0, 20.0)))),
    "move": (1, st.tuples(PLACE, st.booleans(), st.booleans())),
    "tell": (1, st.tuples(PLACE, st.booleans())),
    "restart": (1, st.tuples(NODE, SOME)),
    "rare": (1, st.tuples(PLACE)),
}
NAMES = [name for name, (weight, _) in STEPS.items() for _ in range(weight)]
# Rules of their own would be switched off by turns (Hypothesis has each example do without some), and there is nothing
# to see without the first few.
ACTIONS = st.sampled_from(NAMES).flatmap(lambda name: st.tuples(st.just(name), STEPS[name][1]))


class SendingMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = CollectingLoop()
        self.brokers = TwoBrokers()
        self.partitions = self.brokers.partitions
        self.sent = 0

    @initialize(
        max_in_flight=st.sampled_from((5, 5, 5, 5, 2, 1)),
        retries=st.sampled_from((FOREVER, FOREVER, FOREVER, 2)),
        sequence=st.sampled_from((0, LIMIT - 7)),
        epoch=st.sampled_from((0, 0, 0, LAST_EPOCH)),
        late=st.sampled_from((False, False, False, True)),
        topic_ids=st.booleans(),
        rare=st.sampled_from(("nothing", "nothing", "nothing", "forget", "make_again", "limit")),
    )
    def begin(
        self, max_in_flight: int, retries: int, sequence: int, epoch: int, late: bool, topic_ids: bool, rare: str
    ) -> None:
        self.bench = Bench(
            max_in_flight=max_in_flight, retries=retries, delivery_timeout=DELIVERY_TIMEOUT, loop=self.loop
        )
        self.max_in_flight = max_in_flight
        self.brokers.topic_ids = topic_ids
        self.on_rare = rare
        for index in range(PARTITIONS):
            leader = NODES[index % len(NODES)]
            self.partitions.append(Partition(index, self.bench.queue(index, leader), leader))
        sequencer = self.bench.sequencer
        sequencer.identity = identity = None if late else (7, epoch)
        if identity is not None:
            for partition in self.partitions:
                partition.queue.identity, partition.queue.next_sequence = identity, sequence
                partition.given[identity] = {(sequence - 1) % LIMIT: -1}

    @rule(action=ACTIONS, prompt=st.sampled_from((True, True, True, False)))
    def step(self, action: tuple[str, tuple[Any, ...]], prompt: bool) -> None:
        """Something happens, and a second passes. If all is prompt, the producer hears of what it has asked for, and
        its senders write what is ready.
        """
        name, arguments = action
        stale = self.bench.stale
        getattr(self, name)(*arguments)
        self.wait(1.0)
        if prompt:
            self.identify()
            if self.bench.stale > stale:
                for place in range(PARTITIONS):
                    self.tell(place, True)
            self.write()

    # What callers and time do

    def send(self, place: int, counts: list[int], size: int) -> None:
        """As many batches as there are counts of records, the first with what is in the open one."""
        partition = self.partitions[place]
        for count in counts:
            for _ in range(count):
                self.send_one(partition, size)
            self.bench.accumulator.seal(partition.queue)

    def linger(self, place: int) -> None:
        """A record in a batch that stays open until it is taken."""
        self.send_one(self.partitions[place], 1)

    def send_one(self, partition: Partition, size: int) -> None:
        accumulator, queue = self.bench.accumulator, partition.queue
        value = b"#%d." % self.sent + b"x" * size
        if not accumulator.append(queue, None, value, NO_HEADERS, 1):
            assert accumulator.open_batch(queue, None, value, NO_HEADERS, 1, self.bench.now)
        batch = queue.open
        assert batch is not None
        record = Record(self.sent, batch.outcome, batch.count - 1)

        def report(metadata: RecordMetadata | None, error: KafkaError | None) -> None:
            outcome = metadata or error
            assert outcome is not None
            record.settled.append(outcome)
            partition.reported.append(record.number)

        batch.outcome.report(record.index, report)
        partition.records.append(record)
        self.sent += 1

    def wait(self, seconds: float) -> None:
        self.bench.expire(seconds)

    def identify(self) -> None:
        """A broker gives the producer id that is asked for."""
        if self.bench.sequencer.identity is None:
            self.bench.sequencer.identity = (8 + self.bench.exhausted, 0)
            self.bench.accumulator.look_at_all()

    # What travels

    def write(self) -> None:
        for node, requests in self.brokers.live.items():
            while len(requests) < self.max_in_flight and (batches := self.bench.write(node)):
                requests.append(Request(batches, [self.piece(batch) for batch in batches]))

    def piece(self, batch: Batch) -> Piece:
        """The batch as it goes out, which has to be by the rules of `sequences`."""
        queue, stamp = batch.queue, Stamp.of(batch)
        partition = self.partitions[queue.partition]
        assert batch.records is not None
        numbers = tuple(int(number) for number in re.findall(rb"#(\d+)\.", batch.records))
        assert len(numbers) == batch.count
        identity = (stamp.producer_id, stamp.epoch)
        if identity not in partition.given:
            partition.given[identity] = {LIMIT - 1: -1}
            partition.accepted = None
        given = partition.given[identity]
        again = stamp.sequence in given
        for index, number in enumerate(numbers):
            sequence = (stamp.sequence + index) % LIMIT
            if again:
                assert given[sequence] == number, "a sequence for two records"
            else:
                assert (sequence - 1) % LIMIT == next(reversed(given)), "a sequence is left out"
                assert number not in given.values(), "two sequences for a record in one epoch"
                given[sequence] = number
        if again:
            assert queue.in_flight == 1, "a retry does not go alone"
        else:
            partition.starts.append((identity, stamp.sequence))
        oldest = Stamp.of(queue.taken[0])
        start = (oldest.producer_id, oldest.epoch), oldest.sequence
        # A piece of a batch that was split is not among them, and goes alone.
        assert start not in partition.starts[:-REMEMBERED], "more than a broker knows a duplicate by"
        if queue.in_flight > 1:
            assert partition.accepted == queue.leader, "several, before the leader has accepted one"
        older = [other for other in self.bench.accumulator.unsettled if other.queue is queue and other is not batch]
        assert all(other.number > batch.number or other in queue.taken for other in older), "not the oldest"
        return Piece(partition, partition.told, stamp, numbers, batch.wire_size)

    def serve(self, node: int, handled: int, fates: Fates, answered: int) -> None:
        """The broker handles requests, and some answers arrive."""
        self.brokers.handle(node, handled, fates)
        requests = self.brokers.live[node]
        while answered and requests and (answers := requests[0].answers) is not None:
            request = requests.popleft()
            answered -= 1
            for piece in request.pieces:
                if not answers["t", piece.partition.index].error_code and node == piece.partition.queue.leader:
                    piece.partition.accepted = node
            self.bench.settlement.answered(request.batches, answers, node, self.bench.now)

    def lose(self, node: int, handled: int, fates: Fates, late: bool) -> None:
        """The connection is lost, some of its requests are handled, and some may be `late`, or never are."""
        self.brokers.handle(node, handled, fates)
        lost = self.brokers.disconnect(node, late=late)
        for request in lost:
            for piece in request.pieces:
                piece.partition.accepted = None
            self.bench.lose(*request.batches, node_id=node, error=ConnectionFailedError("cut"))

    # What brokers do

    def rare(self, place: int) -> None:
        """What there is in some examples only, for it makes all others harder to reach."""
        if self.on_rare == "forget":
            self.partitions[place].log.forget()
        elif self.on_rare == "make_again":
            self.brokers.make_again()
        elif self.on_rare == "limit":
            self.brokers.largest = 10_100 - self.brokers.largest

    def haunt(self, node: int, oldest: bool, times: int, fates: Fates) -> None:
        self.brokers.haunt(node, oldest, times, fates)

    def move(self, place: int, whole: bool, told: bool) -> None:
        self.brokers.move(self.partitions[place], whole=whole)
        if told:
            self.tell(place, True)

    def tell(self, place: int, known: bool) -> None:
        """The metadata says who leads, or that nobody does."""
        partition = self.partitions[place]
        leader = partition.leader if known else -1
        if leader != partition.queue.leader:
            partition.accepted = None
        if known and self.brokers.topic_ids and partition.told is not partition.log:
            # What `Topic.update` does when it is told another topic id.
            partition.told = partition.log
            partition.queue.accepted_by = partition.accepted = None
        self.bench.accumulator.lead(partition.queue, leader)

    def restart(self, node: int, handled: int) -> None:
        self.lose(node, handled, [], False)
        self.brokers.restart(node)

    # What holds after each step

    @invariant()
    def the_window_is_kept(self) -> None:
        for requests in self.brokers.live.values():
            assert len(requests) <= self.max_in_flight
        flying = [batch for requests in self.brokers.live.values() for request in requests for batch in request.batches]
        for partition in self.partitions:
            mine = [batch for batch in flying if batch.queue is partition.queue]
            assert partition.queue.in_flight == len(mine) <= self.max_in_flight
            assert set(partition.queue.taken) == set(mine)

    @invariant()
    def nothing_is_in_two_places_and_bytes_are_exact(self) -> None:
        accumulator = self.bench.accumulator
        queued = [batch for partition in self.partitions for batch in partition.queue.batches()]
        taken = [batch for partition in self.partitions for batch in partition.queue.taken]
        assert len({*queued, *taken}) == len(queued) + len(taken)
        assert set(accumulator.unsettled) == {*queued, *(b for b in taken if b.state is State.IN_FLIGHT)}
        assert all(batch.state is State.ABANDONED for batch in taken if batch not in accumulator.unsettled)
        assert accumulator.buffered == sum(batch.reserved for batch in (*queued, *taken))
        for partition in self.partitions:
            numbers = [batch.number for batch in partition.queue.batches()]
            assert numbers == sorted(numbers)

    @invariant()
    def each_is_told_of_once_and_in_order(self) -> None:
        self.loop.turn()
        for partition in self.partitions:
            assert partition.reported == [record.number for record in partition.records[: len(partition.reported)]]
            for record in partition.records:
                assert len(record.settled) == (record in partition.records[: len(partition.reported)])

    # What holds in the end

    def teardown(self) -> None:
        """With all faults over everything settles, and goes well from then on."""
        if not hasattr(self, "bench"):
            return
        self.brokers.largest = 10_000
        self.settle_all()
        for place in range(PARTITIONS):
            self.send(place, [1], 1)
        self.settle_all()
        for node in NODES:
            while any(self.brokers.ghosts[node]):
                self.brokers.haunt(node, True, 5, [])
        for partition in self.partitions:
            last = partition.records[-1].settled[0]
            assert isinstance(last, RecordMetadata), f"the producer does not work again: {last}"
            check(partition)

    def settle_all(self) -> None:
        for _ in range(500):
            if not self.bench.accumulator.unsettled and not self.bench.accumulator.buffered:
                break
            self.identify()
            for place in range(PARTITIONS):
                self.tell(place, True)
            self.write()
            for node in NODES:
                self.serve(node, 5, [], 5)
            self.wait(0.5)
        assert not self.bench.accumulator.unsettled, "something hangs"
        assert self.bench.accumulator.buffered == 0
        self.the_window_is_kept()
        self.each_is_told_of_once_and_in_order()


TestSending = SendingMachine.TestCase
TestSending.settings = settings(max_examples=60, stateful_step_count=50)
