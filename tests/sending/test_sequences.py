"""The gate of idempotence: sequences given once, retries alone, gaps closed by an epoch, numbers that wrap."""

from __future__ import annotations

from aioproducer.batching.batch import Batch
from tests.sending.bench import BACKOFF, Bench, error_of

LAST_EPOCH = 32767
OUT_OF_ORDER = 45


def stamp(batch: Batch) -> tuple[int, int, int]:
    return batch.producer_id, batch.producer_epoch, batch.base_sequence


def given(identity: tuple[int, int]) -> tuple[int, int] | None:
    return identity


def accepted(bench: Bench, partition: int = 0) -> Batch:
    """A batch of one record that its leader has acknowledged, so that more may be in flight from now on."""
    queue = bench.queue(partition)
    batch = bench.batch(queue)
    assert bench.write() == [batch]
    bench.answer(batch)
    return batch


def test_the_repr_says_what_it_stamps_with() -> None:
    assert repr(Bench().sequencer) == "<Sequencer of (7, 0)>"
    assert repr(Bench(idempotent=False).sequencer) == "<Sequencer without idempotence>"


def test_without_idempotence_nothing_is_stamped_and_only_the_number_counts() -> None:
    bench = Bench(idempotent=False, max_in_flight=2)
    queue = bench.queue()
    batches = [bench.batch(queue) for _ in range(3)]
    assert [bench.write(), bench.write(), bench.write()] == [[batches[0]], [batches[1]], []]
    assert not batches[0].sequenced
    bench.answer(batches[0])
    assert bench.write() == [batches[2]]


def test_nothing_goes_before_there_is_a_producer_id() -> None:
    bench = Bench()
    bench.sequencer.identity = None
    queue = bench.queue()
    batch = bench.batch(queue)
    assert bench.write() == []
    bench.sequencer.identity = (8, 3)
    bench.accumulator.look_at_all()
    assert bench.write() == [batch]
    assert stamp(batch) == (8, 3, 0)


def test_sequences_count_the_records_of_each_partition() -> None:
    bench = Bench()
    first, second = bench.queue(0), bench.queue(1)
    for queue in (first, second):
        for count in (3, 2, 5):
            bench.batch(queue, count)
    seen: dict[int, list[int]] = {0: [], 1: []}
    for _ in range(3):
        for batch in bench.write():
            seen[batch.queue.partition].append(batch.base_sequence)
            bench.answer(batch)
    assert seen == {0: [0, 3, 5], 1: [0, 3, 5]}


def test_sequences_wrap_to_zero_at_two_to_the_31() -> None:
    bench = Bench()
    queue = accepted(bench).queue
    queue.next_sequence = 2**31 - 2
    batches = [bench.batch(queue, 3), bench.batch(queue, 2)]
    assert [bench.write(), bench.write()] == [[batches[0]], [batches[1]]]
    assert [batch.base_sequence for batch in batches] == [2**31 - 2, 1]
    # Also where the wrapped one is refused behind the other: the order is that of the calls, not of the numbers.
    bench.answer(batches[0], 19)
    bench.answer(batches[1], OUT_OF_ORDER)
    bench.now += 1
    assert bench.write_one() is batches[0]


def test_one_in_flight_until_the_leader_has_accepted_one_then_up_to_five() -> None:
    bench = Bench()
    queue = bench.queue()
    batches = [bench.batch(queue) for _ in range(8)]
    assert bench.write() == batches[:1]
    assert bench.write() == []
    bench.answer(batches[0])
    taken = [bench.write() for _ in range(6)]
    assert taken == [[batch] for batch in batches[1:6]] + [[]]
    assert queue.in_flight == 5


def test_a_new_leader_has_to_accept_one_again() -> None:
    bench = Bench()
    queue = accepted(bench).queue
    batches = [bench.batch(queue) for _ in range(4)]
    assert [bench.write(), bench.write()] == [batches[:1], batches[1:2]]
    bench.accumulator.lead(queue, 2)
    assert bench.write(2) == [], "two are on their way to the old leader"
    bench.answer(batches[0])
    assert bench.write(2) == []
    bench.answer(batches[1])
    assert queue.accepted_by is None, "it was the old leader that accepted them"
    assert bench.write(2) == [batches[2]]
    assert bench.write(2) == []
    bench.answer(batches[2], node_id=2)
    assert bench.write(2) == [batches[3]]


def test_a_retry_keeps_its_sequence_and_goes_alone_before_anything_younger() -> None:
    bench = Bench()
    queue = accepted(bench).queue
    batches = [bench.batch(queue) for _ in range(4)]
    for _ in range(3):
        bench.write()
    stamps = [stamp(batch) for batch in batches[:3]]
    bench.answer(batches[0], 19)
    bench.now += 1
    assert bench.write() == [], "younger ones are still in flight"
    bench.answer(batches[1], OUT_OF_ORDER)
    bench.answer(batches[2], OUT_OF_ORDER)
    bench.now += 1
    for batch, before in zip(batches[:3], stamps, strict=True):
        assert bench.write_one() is batch
        assert stamp(batch) == before
        # Only what never had a sequence may follow it before its answer.
        assert bench.write() == (batches[3:] if batch is batches[2] else [])
        bench.answer(batch)
    assert bench.sequencer.epoch_bumps == 0


def test_a_batch_given_up_leaves_a_gap_that_a_new_epoch_closes() -> None:
    bench = Bench(delivery_timeout=10)
    queue = accepted(bench).queue
    lost = bench.batch(queue)
    bench.write()
    bench.expire(9)
    later = bench.batch(queue)
    bench.expire(1)
    error_of(lost)
    assert bench.write() == [], "nothing new passes a gap whose fate is open"
    bench.lose(lost)
    assert bench.write() == [later]
    assert stamp(later) == (7, 1, 0)
    assert bench.sequencer.epoch_bumps == 1


def test_a_late_acknowledgement_shows_that_there_is_no_gap() -> None:
    bench = Bench(delivery_timeout=10)
    queue = accepted(bench).queue
    lost = bench.batch(queue)
    bench.write()
    bench.expire(10)
    error_of(lost)
    bench.answer(lost)
    later = bench.batch(queue)
    assert bench.write() == [later]
    assert stamp(later) == (7, 0, 2)


def test_an_acknowledgement_of_a_younger_batch_shows_it_too() -> None:
    bench = Bench(delivery_timeout=10)
    queue = accepted(bench).queue
    lost = bench.batch(queue)
    bench.now += 5
    younger = bench.batch(queue)
    bench.write()
    bench.write()
    bench.expire(5)
    error_of(lost)
    bench.lose(lost)
    bench.answer(younger)
    later = bench.batch(queue)
    assert bench.write() == [later]
    assert stamp(later) == (7, 0, 3)


def test_a_gap_that_was_never_sent_is_none() -> None:
    bench = Bench(delivery_timeout=10)
    queue = accepted(bench).queue
    bench.accumulator.lead(queue, -1)
    never_sent = bench.batch(queue)
    bench.expire(10)
    error_of(never_sent)
    bench.accumulator.lead(queue, 1)
    later = bench.batch(queue)
    assert bench.write() == [later]
    assert stamp(later) == (7, 0, 1)


def test_other_partitions_come_up_to_a_new_epoch_when_nothing_of_theirs_is_in_flight() -> None:
    bench = Bench()
    other = accepted(bench, 1).queue
    queue = accepted(bench, 0).queue
    flying = bench.batch(other)
    assert bench.write() == [flying]
    refused = bench.batch(queue)
    bench.write()
    bench.answer(refused, 10)
    error_of(refused)
    assert bench.sequencer.identity == (7, 1)
    waiting = bench.batch(other)
    assert bench.write() == [], "its sequence is of the old epoch, and would follow one that is still in flight"
    bench.answer(flying)
    assert bench.write() == [waiting]
    assert stamp(waiting) == (7, 1, 0)
    assert bench.sequencer.epoch_bumps == 1


def test_behind_a_new_epoch_only_one_goes_until_it_is_accepted() -> None:
    bench = Bench()
    queue = accepted(bench).queue
    refused = bench.batch(queue)
    bench.write()
    bench.answer(refused, 10)
    error_of(refused)
    batches = [bench.batch(queue) for _ in range(3)]
    assert [bench.write(), bench.write()] == [batches[:1], []]
    bench.answer(batches[0])
    assert [bench.write(), bench.write()] == [batches[1:2], batches[2:]]


def test_after_the_last_epoch_a_new_producer_id_is_asked_for() -> None:
    bench = Bench()
    bench.sequencer.identity = given((7, LAST_EPOCH))
    queue = accepted(bench).queue
    refused = bench.batch(queue)
    bench.write()
    bench.answer(refused, 10)
    error_of(refused)
    assert bench.exhausted == 1
    assert bench.sequencer.identity is None
    batches = [bench.batch(queue) for _ in range(2)]
    assert bench.write() == []
    bench.sequencer.identity = (9, 0)
    bench.accumulator.look_at_all()
    assert [bench.write(), bench.write()] == [batches[:1], []], "the leader does not know the new producer id yet"
    assert stamp(batches[0]) == (9, 0, 0)


def test_out_of_order_at_the_head_starts_all_that_were_sent_anew_in_order() -> None:
    bench = Bench()
    queue = accepted(bench).queue
    batches = [bench.batch(queue, 2) for _ in range(3)]
    for _ in range(3):
        bench.write()
    for batch in batches:
        bench.answer(batch, OUT_OF_ORDER)
    bench.now += 3 * BACKOFF
    for number, batch in enumerate(batches):
        assert bench.write_one() is batch
        assert stamp(batch) == (7, 1, 2 * number)
        bench.answer(batch)
    assert bench.sequencer.epoch_bumps == 1


def test_one_behind_the_restarted_head_starts_anew_also_if_its_connection_is_lost() -> None:
    bench = Bench()
    queue = accepted(bench).queue
    batches = [bench.batch(queue) for _ in range(2)]
    bench.write()
    bench.write()
    bench.answer(batches[0], OUT_OF_ORDER)
    bench.lose(batches[1])
    bench.now += 1
    for number, batch in enumerate(batches):
        assert bench.write_one() is batch
        assert stamp(batch) == (7, 1, number)
        bench.answer(batch)
        assert batch.outcome.error is None
