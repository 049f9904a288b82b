from __future__ import annotations

import pytest

from aioproducer.testing.codes import Code, RefusedError
from aioproducer.testing.producers import MAX_SEQUENCE, Producers, last_sequence
from aioproducer.testing.reader import BatchHeader, read_header
from tests.testing.wire import batch


def header(sequence: int, count: int = 1, epoch: int = 0, producer: int = 9) -> BatchHeader:
    return read_header(batch(*[b"v"] * count, producer=(producer, epoch, sequence)))


class Log:
    """A partition that appends what is allowed, and counts offsets."""

    def __init__(self) -> None:
        self.producers = Producers()
        self.end = 0

    def append(self, sequence: int, count: int = 1, epoch: int = 0, producer: int = 9) -> int:
        sent = header(sequence, count, epoch, producer)
        self.producers.check(sent)
        self.producers.appended(sent, self.end, sent.max_timestamp)
        self.end += count
        return self.end - count

    def refusal(self, sequence: int, count: int = 1, epoch: int = 0) -> Code:
        with pytest.raises(RefusedError) as caught:
            self.append(sequence, count, epoch)
        return caught.value.code


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.mark.parametrize("first", [0, 5, MAX_SEQUENCE])
def test_an_unknown_producer_may_begin_anywhere(log: Log, first: int) -> None:
    assert log.append(first) == 0


def test_sequences_have_to_follow(log: Log) -> None:
    log.append(0, count=3)
    assert log.refusal(2) is Code.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert log.refusal(4) is Code.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert log.append(3) == 3


def test_sequences_wrap_to_zero(log: Log) -> None:
    log.append(MAX_SEQUENCE)
    assert log.refusal(1) is Code.OUT_OF_ORDER_SEQUENCE_NUMBER
    log.append(0)


def test_a_batch_may_wrap_in_its_middle(log: Log) -> None:
    assert last_sequence(MAX_SEQUENCE - 1, 5) == 2
    log.append(MAX_SEQUENCE - 1, count=5)
    found = log.producers.duplicate_of(header(MAX_SEQUENCE - 1, count=5))
    assert found is not None
    assert log.append(3) == 5


def test_only_the_last_five_are_known_again(log: Log) -> None:
    for sequence in range(0, 12, 2):
        log.append(sequence, count=2)
    assert log.producers.duplicate_of(header(0, 2)) is None
    offsets = [found.first_offset for s in range(2, 12, 2) if (found := log.producers.duplicate_of(header(s, 2)))]
    assert offsets == [2, 4, 6, 8, 10]
    assert log.refusal(0, 2) is Code.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_a_duplicate_has_exactly_the_same_range_and_epoch(log: Log) -> None:
    log.append(0, count=3)
    assert log.producers.duplicate_of(header(0, 2)) is None
    assert log.producers.duplicate_of(header(1, 2)) is None
    assert log.producers.duplicate_of(header(0, 3, epoch=1)) is None
    assert log.producers.duplicate_of(header(0, 3, producer=8)) is None


def test_a_new_epoch_begins_at_zero_and_forgets_the_old_batches(log: Log) -> None:
    log.append(0, count=3)
    assert log.refusal(3, epoch=1) is Code.OUT_OF_ORDER_SEQUENCE_NUMBER
    log.append(0, epoch=1)
    assert log.producers.duplicate_of(header(0, 3, epoch=0)) is None
    assert log.refusal(3, epoch=0) is Code.INVALID_PRODUCER_EPOCH
    log.append(1, epoch=1)


def test_producers_do_not_see_each_other(log: Log) -> None:
    log.append(0, producer=1)
    log.append(7, producer=2)
    log.append(1, producer=1)
    log.append(8, producer=2)


def test_a_forgotten_producer_may_begin_anywhere_again(log: Log) -> None:
    log.append(0)
    log.append(0, producer=1)
    log.producers.forget(9)
    log.append(5)
    assert set(log.producers.entries) == {9, 1}
    log.producers.forget()
    assert not log.producers.entries


def test_repr_says_where_the_producer_is(log: Log) -> None:
    log.append(0, count=3)
    assert repr(log.producers.entries[9]) == "<ProducerEntry epoch=0 batches=1 last_sequence=2>"
