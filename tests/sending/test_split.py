"""A batch that a broker finds too large goes out in halves: in order, each record once, at the offset that is told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from aioproducer import Delivery, EventKind, Producer, ProducerEvent, RecordMetadata
from aioproducer.batching.batch import Batch, State
from aioproducer.configuration.arguments import CompressionType
from aioproducer.errors import Persisted, RecordTooLargeError
from aioproducer.records.batch import HEADER_SIZE
from aioproducer.records.headers import NO_HEADERS
from aioproducer.testing import EmbeddedCluster
from tests.sending.bench import Bench, error_of

TOO_LARGE = 10


def pieces_of(bench: Bench) -> list[Batch]:
    return list(bench.accumulator.unsettled)


def test_halves_in_the_place_of_the_whole_with_the_sequences_it_had() -> None:
    bench = Bench()
    queue = bench.queue()
    first, whole, behind = (bench.batch(queue, count) for count in (1, 5, 2))
    bench.answer(bench.write_one())
    assert bench.write() == [whole]
    assert bench.write() == [behind]
    bench.now += 1.0
    bench.answer(whole, TOO_LARGE)
    bench.answer(behind, 45)
    one, two, three = pieces_of(bench)[:3]
    assert [piece.count for piece in (one, two, three)] == [2, 2, 1]
    assert [piece.base_sequence for piece in (one, two, three)] == [1, 3, 5]
    assert (behind.base_sequence, behind.state) == (6, State.QUEUED)
    assert list(queue.batches()) == [one, two, three, behind]
    assert {piece.created_at for piece in (one, two, three)} == {whole.created_at}
    assert (whole.state, whole.outcome.done) == (State.SETTLED, False)
    bench.now += 1.0
    for offset, batch in ((1, one), (3, two), (5, three), (6, behind)):
        assert bench.write() == [batch]
        bench.answer(batch, offset=offset)
    assert [whole.outcome.metadata_of(index).offset for index in range(5)] == [1, 2, 3, 4, 5]
    assert (bench.sequencer.epoch_bumps, bench.accumulator.buffered, first.outcome.done) == (0, 0, True)
    assert [event.kind for event in bench.events] == [EventKind.SPLIT, EventKind.RETRY]


def test_again_and_again_until_a_record_is_alone() -> None:
    bench = Bench(retries=0)
    whole = bench.batch(bench.queue(), 6)
    sizes = []
    while bench.accumulator.unsettled:
        batch = bench.write_one()
        sizes.append(batch.count)
        bench.answer(batch, TOO_LARGE if batch.count > 1 else 0, offset=sizes.count(1) - 1)
        bench.now += 1.0
    assert [whole.outcome.metadata_of(index).offset for index in range(6)] == list(range(6))
    assert sizes.count(1) == 6
    with pytest.raises(IndexError):
        whole.outcome.metadata_of(6)


def test_a_record_that_is_too_large_alone_fails_alone() -> None:
    bench = Bench()
    queue = bench.queue()
    bench.accumulator.open_batch(queue, None, b"small", NO_HEADERS, 1, bench.now)
    for value in (b"x" * 1000, b"small"):
        assert bench.accumulator.append(queue, None, value, NO_HEADERS, 1)
    whole = queue.open
    assert whole is not None
    bench.accumulator.seal(queue)
    offset = 0
    while bench.accumulator.unsettled:
        batch = bench.write_one()
        refused = batch.wire_size > 500
        bench.answer(batch, TOO_LARGE if refused else 45 if batch.base_sequence == 2 else 0, offset=offset)
        offset += not refused
        bench.now += 1.0
    assert whole.outcome.error_of(0) is None
    error = whole.outcome.error_of(1)
    assert isinstance(error, RecordTooLargeError)
    assert error.persisted is Persisted.NO
    assert whole.outcome.error_of(2) is None
    assert whole.outcome.metadata_of(2).offset > whole.outcome.metadata_of(0).offset


def test_what_may_be_stored_as_a_whole_is_not_taken_apart() -> None:
    bench = Bench()
    whole = bench.batch(bench.queue(), 4)
    bench.lose(bench.write_one())
    bench.now += 1.0
    bench.answer(bench.write_one(), TOO_LARGE)
    assert error_of(whole).persisted is Persisted.MAYBE
    assert not bench.accumulator.unsettled


def test_without_idempotence_the_halves_have_no_sequence() -> None:
    bench = Bench(idempotent=False)
    whole = bench.batch(bench.queue(), 4)
    bench.answer(bench.write_one(), TOO_LARGE)
    assert [(piece.count, piece.sequenced) for piece in pieces_of(bench)] == [(2, False), (2, False)]
    for offset in (0, 2):
        [batch] = bench.write()[:1]
        bench.answer(batch, offset=offset)
    assert [whole.outcome.metadata_of(index).offset for index in range(4)] == [0, 1, 2, 3]


def test_the_halves_expire_with_the_whole_and_before_what_is_younger() -> None:
    bench = Bench(delivery_timeout=10)
    whole = bench.batch(bench.queue(), 2)
    bench.now += 5
    younger = bench.batch(bench.queue(1), 2)
    bench.answer(next(batch for batch in bench.write() if batch is whole), TOO_LARGE)
    bench.expire(5)
    assert whole.outcome.done
    assert "delivery_timeout_ms" in str(error_of(whole))
    assert younger.state is State.IN_FLIGHT


def test_a_batch_split_behind_a_restart_gets_new_sequences() -> None:
    bench = Bench()
    queue = bench.queue()
    bench.batch(queue)
    bench.answer(bench.write_one())
    head, behind = bench.batch(queue), bench.batch(queue, 2)
    assert bench.write() + bench.write() == [head, behind]
    bench.answer(head, 45)
    bench.answer(behind, TOO_LARGE)
    assert not any(batch.sequenced for batch in queue.batches())
    bench.now += 1.0
    for sequence in range(3):
        batch = bench.write_one()
        assert (batch.producer_epoch, batch.base_sequence) == (1, sequence)
        bench.answer(batch, offset=sequence)


def test_the_next_batches_are_no_larger_than_the_halves() -> None:
    bench = Bench(compressing=True)
    queue = bench.queue()
    for _ in range(100):
        bench.accumulator.sizes.observe("t", 0.1)
    whole = bench.batch(queue, 100, b"x" * 100)
    bench.answer(bench.write_one(), TOO_LARGE)
    assert bench.accumulator.sizes.estimate("t") == 1.0
    half = (whole.builder.size + 1) // 2
    assert bench.accumulator.sizes.step("t") == int(whole.builder.size // 2 / 1.05)
    while bench.accumulator.append(queue, None, b"x" * 100, NO_HEADERS, 1):
        pass
    bench.batch(queue)
    opened = list(queue.batches())[-1]
    assert opened.builder.limit <= half


SIZES = [10, 3000, 50, 700, 9000, 10, 10, 2500, 4000, 1] * 6


async def send_all(producer: Producer, sizes: Sequence[int]) -> list[Delivery]:
    return [producer.send("t", number.to_bytes(2, "big") + bytes(size)) for number, size in enumerate(sizes)]


@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("idempotent", [True, False])
async def test_a_topic_that_takes_less_than_a_batch(codec: CompressionType, idempotent: bool) -> None:
    told: list[ProducerEvent] = []
    async with (
        asyncio.timeout(20),
        EmbeddedCluster() as cluster,
        Producer(
            cluster.bootstrap_servers,
            linger_ms=1,
            batch_size=100_000,
            compression_type=codec,
            enable_idempotence=idempotent,
            max_in_flight_requests_per_connection=5 if idempotent else 1,
            on_event=told.append,
        ) as producer,
    ):
        cluster.create_topic("t", max_message_bytes=5000 if codec == "none" else 150)
        deliveries = await send_all(producer, SIZES)
        results = await asyncio.gather(*deliveries, return_exceptions=True)
        stored = cluster.records("t", 0)
        by_offset = {record.offset: int.from_bytes((record.value or b"")[:2], "big") for record in stored}
        acknowledged = {
            result.offset: number for number, result in enumerate(results) if isinstance(result, RecordMetadata)
        }
        assert acknowledged == by_offset
        assert list(by_offset.values()) == sorted(by_offset.values())
        refused = [number for number, result in enumerate(results) if isinstance(result, RecordTooLargeError)]
        assert len(refused) + len(acknowledged) == len(SIZES)
        if codec == "none":
            assert [SIZES[number] for number in refused] == [9000] * 6
        assert any(event.kind is EventKind.SPLIT for event in told)
        assert producer.metrics().batch_split_total == sum(event.kind is EventKind.SPLIT for event in told)
        assert producer.metrics().buffered_bytes == 0
    assert HEADER_SIZE == 61
