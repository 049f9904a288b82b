"""The task per connection: when it connects, how much it has unanswered, and every way in which a request can go wrong
between the queue and the wire.
"""

from __future__ import annotations

import asyncio
import threading
import zlib
from collections.abc import Callable

import pytest

from aioproducer.batching.batch import State
from aioproducer.delivery import Delivery
from aioproducer.errors import (
    ConnectionFailedError,
    DeliveryTimeoutError,
    Persisted,
    UnsupportedVersionError,
)
from aioproducer.models import NO_OFFSET, Acks
from aioproducer.outcome import Outcome
from aioproducer.records.codecs import Codec, codec
from aioproducer.records.headers import NO_HEADERS
from tests.sending.bench import error_of
from tests.sending.rig import CUT, FakeConnection, Rig
from tests.support.virtual_time import virtual_time


@virtual_time
async def test_a_connection_is_made_when_there_is_something_to_send() -> None:
    rig = Rig()
    await asyncio.sleep(100)
    assert rig.link.asked == 0
    batch = rig.batch()
    await asyncio.sleep(1)
    assert repr(rig.sender) == "<Sender to broker 1, 1 requests in flight>"
    rig.connection.answer()
    assert batch.outcome.done
    assert (rig.link.asked, rig.responses, rig.sender.requests_in_flight) == (1, 1, 0)
    await rig.end()


@virtual_time
async def test_a_failed_connection_is_told_and_tried_again() -> None:
    rig = Rig(delivery_timeout=10)
    refused = ConnectionFailedError("connection refused")
    rig.link.next[:0] = [refused, refused]
    batch = rig.batch()
    await asyncio.sleep(0.25)
    assert rig.unreachable == 2
    await asyncio.sleep(1)
    assert rig.connection.sent
    rig.connection.answer()
    assert batch.outcome.error is None
    await rig.end()


@virtual_time
async def test_why_a_broker_can_not_be_reached_is_the_cause_of_the_delivery_timeout() -> None:
    rig = Rig(delivery_timeout=10)
    refused = ConnectionFailedError("connection refused")
    rig.link.next[:] = [refused] * 200
    batch = rig.batch()
    await asyncio.sleep(11)
    rig.expire()
    assert error_of(batch).__cause__ is refused
    await rig.end()


@virtual_time
async def test_a_dead_broker_is_not_dialled_for_what_was_given_up_but_is_for_what_is_new() -> None:
    rig = Rig(delivery_timeout=10)
    rig.link.next[:] = [ConnectionFailedError("connection refused")] * 500
    given_up = rig.batch()
    await asyncio.sleep(11)
    rig.expire()
    error_of(given_up)
    await asyncio.sleep(1)
    asked = rig.link.asked
    await asyncio.sleep(100)
    assert rig.link.asked == asked
    rig.link.next[:] = [rig.connection]
    batch = rig.batch()
    await asyncio.sleep(1)
    rig.connection.answer()
    assert batch.outcome.error is None
    await rig.end()


@virtual_time
async def test_a_link_that_is_closed_for_good_does_not_keep_the_loop() -> None:
    rig = Rig()
    rig.link.closed = True
    batch = rig.batch()
    for _ in range(10):
        await asyncio.sleep(0)
    assert rig.link.asked > 1
    rig.bench.settlement.fail_all(lambda _batch: CUT, 0.0)
    error_of(batch)
    await rig.end()


@virtual_time
async def test_who_awaits_goes_on_where_the_answer_arrives_and_what_all_send_then_is_one_request() -> None:
    rig = Rig()
    await rig.accepted()
    assert rig.connection.turn is rig.bench.turn
    queue = rig.queue(0)
    accumulator = rig.bench.accumulator

    def send() -> Outcome:
        if not accumulator.append(queue, None, b"v", NO_HEADERS, 1):
            accumulator.open_batch(queue, None, b"v", NO_HEADERS, 1, 0.0)
        assert queue.open is not None
        return queue.open.outcome

    async def twice() -> None:
        for _ in range(2):
            await Delivery(send(), 0)

    tasks = [asyncio.create_task(twice()) for _ in range(3)]
    await asyncio.sleep(1)
    sent = len(rig.connection.sent)

    def arrive() -> None:
        rig.bench.turn.begin()
        rig.connection.answer()
        assert len(rig.connection.sent) == sent, "not before all answers are handled"
        rig.bench.turn.end()
        assert len(rig.connection.sent) == sent + 1
        assert [batch.count for batch in queue.taken] == [3]

    asyncio.get_running_loop().call_soon(arrive)
    await asyncio.sleep(1)
    rig.connection.answer()
    await asyncio.gather(*tasks)
    await rig.end()


@pytest.mark.parametrize("most", [1, 2, 5])
def test_no_more_requests_are_unanswered_than_allowed_and_each_answer_lets_one_out(most: int) -> None:
    @virtual_time
    async def run() -> None:
        rig = Rig(max_in_flight=most)
        await rig.accepted()
        batches = [rig.batch() for _ in range(12)]
        await asyncio.sleep(1)
        assert len(rig.connection.unanswered) == most
        while rig.connection.unanswered:
            rig.connection.answer()
            await asyncio.sleep(0.01)
        assert rig.connection.most_unanswered == most
        assert all(batch.state is State.SETTLED for batch in batches)
        await rig.end()

    run()


@virtual_time
async def test_the_limit_counts_over_all_partitions() -> None:
    rig = Rig(max_in_flight=2, max_request_size=70)
    for partition in range(4):
        rig.batch(partition)
    await asyncio.sleep(1)
    assert len(rig.connection.unanswered) == 2
    rig.connection.answer()
    await asyncio.sleep(1)
    assert len(rig.connection.sent) == 3
    await rig.end()


@virtual_time
async def test_requests_respect_max_request_size_and_lead_with_one_that_is_alone_larger() -> None:
    rig = Rig(max_request_size=500)
    for partition in range(10):
        rig.batch(partition, b"v" * 100)
    rig.batch(10, b"v" * 1000)
    await asyncio.sleep(1)
    while rig.connection.unanswered:
        rig.connection.answer()
        await asyncio.sleep(1)
    sizes = []
    for request in rig.connection.sent:
        records = [data.records for topic in request.topic_data for data in topic.partition_data]
        sizes.append([sum(map(len, chunks)) for chunks in records if isinstance(chunks, tuple)])
    assert sum(map(len, sizes)) == 11
    assert all(sum(row) <= 500 or len(row) == 1 for row in sizes)
    assert max(map(len, sizes)) > 1
    await rig.end()


@virtual_time
async def test_a_throttled_broker_is_left_alone_until_its_time() -> None:
    rig = Rig()
    await rig.accepted()
    rig.connection.throttled_until = 50.0
    rig.batch()
    await asyncio.sleep(10)
    rig.batch()
    await asyncio.sleep(100)
    assert rig.connection.sent_at[1:] == [50.0, 50.0]
    await rig.end()


@virtual_time
async def test_a_lost_connection_sends_everything_again_in_order_over_the_next() -> None:
    rig = Rig()
    await rig.accepted()
    batches = [rig.batch() for _ in range(3)]
    await asyncio.sleep(1)
    again = FakeConnection()
    rig.link.next.append(again)
    rig.connection.close()
    for batch in batches:
        await asyncio.sleep(1)
        assert (batch.state, len(again.unanswered)) == (State.IN_FLIGHT, 1)
        again.answer()
        assert batch.outcome.done
    assert rig.sender.requests_in_flight == 0
    await rig.end()


@virtual_time
async def test_a_broker_without_zstd_fails_the_batch_and_the_slot_is_given_back() -> None:
    rig = Rig(codec=codec("zstd"), newest=6, max_in_flight=1)
    for _ in range(3):
        batch = rig.batch()
        await asyncio.sleep(1)
        assert isinstance(error_of(batch), UnsupportedVersionError)
    await rig.end()


@virtual_time
async def test_acks_0_is_settled_when_the_kernel_has_the_bytes_and_not_before() -> None:
    rig = Rig(acks=Acks.NONE, max_in_flight=1)
    rig.connection.gate.clear()
    batch = rig.batch()
    await asyncio.sleep(1)
    assert (len(rig.connection.sent), batch.outcome.done) == (1, False)
    rig.connection.gate.set()
    await asyncio.sleep(1)
    assert batch.outcome.metadata_of(0).offset == NO_OFFSET
    assert rig.sender.requests_in_flight == 0
    later = rig.batch()
    await asyncio.sleep(1)
    assert later.outcome.done
    await rig.end()


@virtual_time
async def test_acks_0_is_never_sent_twice() -> None:
    rig = Rig(acks=Acks.NONE)
    again = FakeConnection()
    rig.link.next.append(again)
    rig.connection.gate.clear()
    batch = rig.batch()
    await asyncio.sleep(1)
    rig.connection.close()
    await asyncio.sleep(1)
    error = error_of(batch)
    assert (type(error), error.persisted) == (ConnectionFailedError, Persisted.MAYBE)
    await asyncio.sleep(100)
    assert again.sent == []
    await rig.end()


@virtual_time
async def test_acks_0_ended_while_it_is_written_holds_nothing() -> None:
    rig = Rig(acks=Acks.NONE)
    rig.connection.gate.clear()
    batch = rig.batch()
    await asyncio.sleep(1)
    rig.bench.settlement.fail_all(lambda _batch: ConnectionFailedError("closed"), rig.bench.now)
    assert rig.bench.accumulator.buffered > 0, "the connection still has the bytes"
    await rig.end()
    assert isinstance(error_of(batch), ConnectionFailedError)
    assert (rig.bench.accumulator.buffered, rig.sender.requests_in_flight) == (0, 0)


class HeldCodec:
    """A codec whose worker threads wait for the test; `threads` are those that compressed."""

    def __init__(self, *, inline_limit: int = 0, held: bool = True) -> None:
        self.threads: list[int] = []
        self.go = threading.Event()
        if not held:
            self.go.set()
        self.codec = Codec("gzip", 1, inline_limit, self._compress, zlib.decompress)

    def _compress(self, data: bytes) -> bytes:
        self.threads.append(threading.get_ident())
        assert self.go.wait(5)
        return zlib.compress(data, wbits=31)


async def until(condition: Callable[[], object]) -> None:
    """In real time, for what a worker thread has to do with."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # threads do not announce themselves
            await asyncio.sleep(0.001)


TEXT = b"compressible " * 20


async def test_much_is_compressed_in_a_thread_and_little_is_not() -> None:
    held = HeldCodec(inline_limit=3 * len(TEXT), held=False)
    rig = Rig(codec=held.codec)
    rig.batch(0, TEXT)
    await until(lambda: rig.connection.sent)
    assert held.threads == [threading.get_ident()]
    for partition in range(1, 5):
        rig.batch(partition, TEXT)
    await until(lambda: len(rig.connection.sent) == 2)
    assert len(held.threads) == 5
    assert len(set(held.threads)) == 2, "one visit for all of a request"
    await rig.end()


async def test_what_is_compressed_without_a_thread_gives_the_loop_a_turn_between_requests() -> None:
    loop = asyncio.get_running_loop()
    turn = 0
    turns: list[int] = []

    def tick() -> None:
        nonlocal turn
        turn += 1
        if len(turns) < 4:
            loop.call_soon(tick)

    def compress(data: bytes) -> bytes:
        turns.append(turn)
        return zlib.compress(data, wbits=31)

    rig = Rig(codec=Codec("gzip", 1, 1_000_000, compress, zlib.decompress), max_request_size=len(TEXT) + 100)
    for partition in range(4):
        rig.batch(partition, TEXT)
    tick()
    await until(lambda: len(rig.connection.sent) == 4)
    assert len(set(turns)) == 4
    await rig.end()


async def test_what_does_not_get_smaller_goes_as_it_is() -> None:
    held = HeldCodec(held=False)
    rig = Rig(codec=held.codec)
    small, large = rig.batch(0, b"q"), rig.batch(1, TEXT)
    await until(lambda: rig.connection.sent)
    assert (small.codec_id, large.codec_id) == (0, 1)
    await rig.end()


async def test_the_connection_is_lost_while_a_batch_is_compressed() -> None:
    held = HeldCodec()
    rig = Rig(codec=held.codec)
    batch = rig.batch(0, TEXT)
    await until(lambda: held.threads)
    again = FakeConnection()
    rig.link.next.append(again)
    rig.connection.close()
    held.go.set()
    await until(lambda: again.unanswered)
    assert (rig.connection.sent, len(held.threads)) == ([], 1), "it is compressed once"
    assert not batch.possibly_persisted
    again.answer()
    assert batch.state is State.SETTLED
    await rig.end()


async def test_it_ends_while_a_batch_is_compressed_and_holds_nothing() -> None:
    held = HeldCodec()
    rig = Rig(codec=held.codec)
    batch = rig.batch(0, TEXT)
    await until(lambda: held.threads)
    rig.bench.settlement.fail_all(lambda _batch: CUT, 0.0)
    ending = asyncio.ensure_future(rig.end())
    await asyncio.sleep(0)
    held.go.set()
    await ending
    assert error_of(batch).persisted is Persisted.NO
    assert (rig.bench.accumulator.buffered, batch.state) == (0, State.SETTLED)


@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize("cut", [False, True])
async def test_a_batch_expires_while_it_is_compressed(others: int, cut: bool) -> None:
    held = HeldCodec()
    rig = Rig(codec=held.codec, max_in_flight=1, delivery_timeout=10.0)
    late = rig.batch(0, TEXT)
    late.created_at -= 10
    young = [rig.batch(1, TEXT) for _ in range(others)]
    await until(lambda: held.threads)
    rig.expire()
    error = error_of(late)
    assert (type(error), error.persisted) == (DeliveryTimeoutError, Persisted.NO)
    connection = rig.connection
    if cut:
        connection = FakeConnection()
        rig.link.next.append(connection)
        rig.connection.close()
    held.go.set()
    for batch in young:
        await until(lambda: connection.unanswered)
        connection.answer()
        assert batch.outcome.done
    # The slot is free again, and the partition goes on in a new epoch or at the old sequence.
    later = rig.batch(0, TEXT)
    await until(lambda: connection.unanswered)
    connection.answer()
    assert later.state is State.SETTLED
    assert (rig.bench.accumulator.buffered, rig.bench.counters.batches_failed) == (0, 1)
    await rig.end()


async def test_everything_fails_while_a_retry_and_a_new_batch_are_compressed() -> None:
    held = HeldCodec(held=False)
    rig = Rig(codec=held.codec)
    retried = rig.batch(0, TEXT)
    await until(lambda: rig.connection.unanswered)
    held.go.clear()
    rig.connection.answer(19)
    fresh = rig.batch(1, TEXT)
    await until(lambda: len(held.threads) == 2)
    rig.bench.settlement.fail_all(lambda _batch: CUT, 0.0)
    held.go.set()
    await until(lambda: fresh.state is State.SETTLED)
    await until(lambda: retried.state is State.SETTLED)
    assert (error_of(retried).persisted, error_of(fresh).persisted) == (Persisted.NO, Persisted.NO)
    assert not rig.task.done()
    await rig.end()


@pytest.mark.parametrize("moment", ["idle", "connecting", "waiting for a slot", "writing", "throttled"])
def test_it_can_be_cancelled_wherever_it_waits(moment: str) -> None:
    @virtual_time
    async def cancel() -> None:
        rig = Rig(max_in_flight=1)
        batches = []
        if moment == "throttled":
            rig.connection.throttled_until = 1000.0
        if moment == "writing":
            rig.connection.gate.clear()
        if moment != "idle":
            batches = [rig.batch(partition) for partition in range(2)]
        await asyncio.sleep(0.05 if moment == "connecting" else 1)
        rig.bench.settlement.fail_all(lambda _batch: CUT, 0.0)
        await rig.end()
        assert rig.task.cancelled()
        rig.connection.close()
        for batch in batches:
            error_of(batch)
        assert rig.bench.accumulator.buffered == 0

    cancel()
