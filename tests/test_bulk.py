"""The bulk path: what it sends, how far it runs ahead, what it reports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from aioproducer.bulk import Entrance, ProducerRecord, send_all
from aioproducer.delivery import Delivery
from aioproducer.errors import ArgumentTypeError, BulkSendError, NotEnoughReplicasError, SerializationError
from aioproducer.lifecycle import Open
from aioproducer.models import Headers
from aioproducer.outcome import Outcome
from tests.support.batching import Core
from tests.support.virtual_time import virtual_time


class Sends:
    """A producer with batches of three, each settled so many seconds after it was opened."""

    def __init__(self, *, seconds: float = 1.0, bad: frozenset[int] = frozenset(), room: int = 1_000_000) -> None:
        self.sent: list[tuple[object, ...]] = []
        self.drains = 0
        self.out = 0
        self.most_out = 0
        self.wanted: list[float] = []
        self._seconds = seconds
        self._bad = bad
        self._room = room
        self._open: list[tuple[Outcome, int]] = []

    def send(
        self,
        topic: str,
        value: Any = None,
        *,
        key: Any = None,
        partition: int | None = None,
        headers: Headers = (),
        timestamp_ms: int | None = None,
    ) -> Delivery:
        if value == "refused":
            raise SerializationError("refused")
        loop = asyncio.get_running_loop()
        number = len(self.sent)
        self.sent.append((topic, value, key, partition, headers, timestamp_ms))
        if number % 3 == 0:
            outcome = Outcome(loop, topic, 0, 0, [0, 0, 0], {})
            outcome.on_wanted = lambda _place: self.wanted.append(loop.time())
            loop.call_later(self._seconds, self._settle, outcome, number // 3)
            self._open.append((outcome, number // 3))
        self.out += 1
        self.most_out = max(self.most_out, self.out)
        return Delivery(self._open[-1][0], number % 3)

    def _settle(self, outcome: Outcome, batch: int) -> None:
        self.out -= 3
        if batch in self._bad:
            outcome.fail(NotEnoughReplicasError(f"batch {batch}"))
        else:
            outcome.succeed(3 * batch)

    async def drain(self) -> None:
        self.drains += 1
        # Nothing announces it, so it is looked for.
        while self.out >= self._room:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


@virtual_time
async def test_values_and_records() -> None:
    sends = Sends()
    record = ProducerRecord(b"b", key=b"k", headers=[("h", b"1")], partition=2, timestamp_ms=5)
    assert await send_all(sends, "orders", [b"a", record, None]) == 3
    assert sends.sent == [
        ("orders", b"a", None, None, (), None),
        ("orders", b"b", b"k", 2, [("h", b"1")], 5),
        ("orders", None, None, None, (), None),
    ]
    assert sends.drains == 3


@virtual_time
async def test_what_needs_a_look_goes_the_way_of_send() -> None:
    core = Core()
    core.know("orders", 0)
    core.send()
    batch = core.queue().open
    assert batch is not None
    here = Open()
    sends = Sends()
    assert await send_all(sends, "orders", [b"abc"], Entrance(here, core.intake, 3)) == 1
    here.begin(asyncio.get_running_loop())
    assert await send_all(sends, "orders", [b"four", bytearray(b"b"), None], Entrance(here, core.intake, 3)) == 3
    assert await send_all(sends, "others", [b"ab"], Entrance(here, core.intake, 3)) == 1
    assert [value for _, value, *_ in sends.sent] == [b"abc", b"four", b"b", None, b"ab"]
    assert batch.count == 1

    def short() -> Iterator[bytes]:
        yield b"ab"
        yield b"abc"
        core.accumulator.seal_all()
        core.acknowledge(*core.drain())

    assert await send_all(sends, "orders", short(), Entrance(here, core.intake, 3)) == 2
    assert batch.count == 3
    assert len(sends.sent) == 5


@virtual_time
async def test_nothing_to_send() -> None:
    assert await send_all(Sends(), "orders", []) == 0


@virtual_time
async def test_asynchronous_iterables() -> None:
    async def values() -> AsyncIterator[int]:
        for value in range(9):
            await asyncio.sleep(0.01)
            yield value

    sends = Sends()
    assert await send_all(sends, "orders", values()) == 9
    assert [record[1] for record in sends.sent] == list(range(9))


@virtual_time
async def test_back_pressure_bounds_what_is_out() -> None:
    sends = Sends(room=30)
    assert await send_all(sends, "orders", range(300)) == 300
    assert sends.most_out == 30


@virtual_time
async def test_the_open_batches_do_not_linger_at_the_end() -> None:
    sends = Sends()
    await send_all(sends, "orders", range(9))
    assert len(sends.wanted) >= 3
    assert sends.wanted[:3] == [0.0, 0.0, 0.0]


@virtual_time
async def test_failures_are_counted_when_all_is_settled() -> None:
    sends = Sends(bad=frozenset({1, 3}))
    with pytest.raises(BulkSendError, match=r"6 of 15 records to 'orders' failed, .* number 3 .*batch 1") as raised:
        await send_all(sends, "orders", range(15))
    assert sends.out == 0
    error = raised.value
    assert (error.sent, error.failed, error.first_index) == (15, 6, 3)
    assert isinstance(error.__cause__, NotEnoughReplicasError)


@virtual_time
async def test_what_is_kept_does_not_grow_with_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioproducer.bulk._WINDOW", 60)
    kept: list[int] = []

    def values() -> Iterator[int]:
        import gc

        gc.collect()
        before = sum(type(thing) is Delivery for thing in gc.get_objects())
        for value in range(1500):
            if value % 150 == 149:
                kept.append(sum(type(thing) is Delivery for thing in gc.get_objects()) - before)
            yield value

    sends = Sends(room=30, bad=frozenset({7}))
    with pytest.raises(BulkSendError) as raised:
        await send_all(sends, "orders", values())
    assert raised.value.failed == 3
    assert raised.value.first_index == 21
    assert max(kept) <= 100


@virtual_time
async def test_an_error_of_the_call_or_of_the_input_ends_it() -> None:
    sends = Sends()
    with pytest.raises(SerializationError):
        await send_all(sends, "orders", [b"a", "refused", b"b"])
    assert len(sends.sent) == 1

    def broken() -> Iterator[bytes]:
        yield b"a"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await send_all(sends, "orders", broken())
    assert len(sends.sent) == 2
    await asyncio.sleep(2)


@virtual_time
async def test_the_callers_generator_is_its_own_to_close() -> None:
    closed: list[str] = []

    async def values() -> AsyncIterator[object]:
        try:
            yield "refused"
            yield b"a"
        finally:
            closed.append("closed")

    given = values()
    with pytest.raises(SerializationError):
        await send_all(Sends(), "orders", given)
    assert not closed
    await given.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert closed


@pytest.mark.parametrize("records", [b"abc", "abc", bytearray(b"abc"), memoryview(b"abc"), 5, None])
def test_what_nobody_means_to_send(records: Any) -> None:
    @virtual_time
    async def test() -> None:
        with pytest.raises(ArgumentTypeError, match="give an iterable of values or ProducerRecord"):
            await send_all(Sends(), "orders", records)

    test()
