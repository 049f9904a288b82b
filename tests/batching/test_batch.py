"""One batch: the moves of its life, its sizes, and its bytes on the wire."""

from __future__ import annotations

import itertools

import pytest

from aioproducer.batching.batch import MOVES, NO_SEQUENCE, Batch, State
from aioproducer.errors import Persisted
from aioproducer.records.batch import HEADER_SIZE, encode_header
from tests.support.batching import TIMESTAMP, Core


def opened() -> Batch:
    core = Core()
    core.know("orders", 0)
    core.send(value=b"one")
    core.send(value=b"two")
    batch = core.queue().open
    assert batch is not None
    return batch


@pytest.mark.parametrize(("start", "end"), list(itertools.product(State, State)))
def test_moves_are_those_of_the_table(start: State, end: State) -> None:
    batch = opened()
    batch.state = start
    if end in MOVES[start]:
        batch.move(end)
        assert batch.state is end
    else:
        with pytest.raises(RuntimeError, match=f"can not become {end.name}"):
            batch.move(end)
        assert batch.state is start


def test_every_life_ends_settled() -> None:
    assert MOVES[State.SETTLED] == frozenset()
    for state in State:
        reached, new = {state}, {state}
        while new:
            new = {end for start in new for end in MOVES[start]} - reached
            reached |= new
        assert State.SETTLED in reached


def test_sizes() -> None:
    batch = opened()
    assert batch.count == 2
    assert batch.reserved == batch.wire_size == HEADER_SIZE + batch.builder.size
    batch.load(b"short", 3)
    assert batch.reserved == HEADER_SIZE + batch.builder.size, "the buffer counts what was encoded"
    assert batch.wire_size == HEADER_SIZE + 5


def test_the_wire_has_the_header_of_the_moment() -> None:
    batch = opened()
    with pytest.raises(RuntimeError, match="not encoded"):
        batch.wire_chunks()
    records = batch.builder.build()
    batch.load(records, 0)
    assert not batch.sequenced
    plain, section = batch.wire_chunks()
    assert section is records
    assert plain == encode_header(
        records=records, codec_id=0, count=2, base_timestamp=TIMESTAMP, max_timestamp=TIMESTAMP
    )
    batch.producer_id, batch.producer_epoch, batch.base_sequence = 7, 1, 40
    assert batch.sequenced
    assert batch.wire_chunks()[0] == encode_header(
        records=records,
        codec_id=0,
        count=2,
        base_timestamp=TIMESTAMP,
        max_timestamp=TIMESTAMP,
        producer_id=7,
        producer_epoch=1,
        base_sequence=40,
    )
    batch.unstamp()
    assert batch.base_sequence == NO_SEQUENCE
    assert batch.wire_chunks()[0] == plain


def test_what_is_known_of_the_log() -> None:
    batch = opened()
    known = [batch.persisted]
    for written, possibly in ((True, False), (False, False), (False, True)):
        batch.written, batch.possibly_persisted = written, possibly
        known.append(batch.persisted)
    assert known == [Persisted.NO, Persisted.MAYBE, Persisted.NO, Persisted.MAYBE]


def test_repr_says_the_state() -> None:
    assert repr(opened()) == "<Batch 0 of 2 records to orders[0], OPEN, 0 attempts>"
