"""The outcome of a batch: who is called, in which order, what each record is told, and what is logged."""

from __future__ import annotations

import asyncio
import copy
import gc
import logging
from contextvars import ContextVar, copy_context

import pytest

from aioproducer import errors
from aioproducer.errors import KafkaError, NotEnoughReplicasError, RecordTooLargeError
from aioproducer.models import NO_OFFSET, RecordMetadata, TimestampType
from aioproducer.outcome import Outcome, Owed
from aioproducer.turns import Turn
from aioproducer.waiting import Countdown, Place
from tests.support.batching import CollectingLoop
from tests.support.virtual_time import virtual_time


def outcome(loop: asyncio.AbstractEventLoop | None = None, *, count: int = 3, owed: Owed | None = None) -> Outcome:
    return Outcome(
        loop or CollectingLoop(), "orders", 1, 1000, [7 * n for n in range(count)], {} if owed is None else owed
    )


def test_each_record_has_its_own_offset_and_timestamp() -> None:
    settled = outcome()
    settled.succeed(40)
    assert [settled.metadata_of(index) for index in range(3)] == [
        RecordMetadata("orders", 1, 40, 1000),
        RecordMetadata("orders", 1, 41, 1007),
        RecordMetadata("orders", 1, 42, 1014),
    ]


def test_the_leaders_timestamp_is_that_of_all() -> None:
    settled = outcome()
    settled.succeed(40, 5000)
    assert settled.metadata_of(2) == RecordMetadata("orders", 1, 42, 5000, TimestampType.LOG_APPEND_TIME)


def test_an_unknown_offset_is_unknown_for_all() -> None:
    settled = outcome()
    settled.succeed(NO_OFFSET)
    assert [settled.metadata_of(index).offset for index in range(3)] == [-1, -1, -1]


def test_records_have_the_error_of_the_batch_or_their_own() -> None:
    failed = outcome()
    failed.fail(NotEnoughReplicasError("all"), {1: RecordTooLargeError("this one")})
    assert [str(failed.error_of(index)) for index in range(3)] == ["all", "this one", "all"]
    assert type(failed.error_of(1)) is RecordTooLargeError


def test_everybody_gets_an_error_of_his_own() -> None:
    failed = outcome()
    cause = OSError("why")
    error = KafkaError("no")
    error.__cause__ = cause
    failed.fail(error)
    first, second = failed.error_of(0), failed.error_of(0)
    assert first is not second
    assert first is not None
    with pytest.raises(KafkaError) as raised:
        raise first
    assert raised.value.__cause__ is cause
    assert second is not None
    assert second.__traceback__ is None
    assert error.__traceback__ is None


@pytest.mark.parametrize(
    "error_class",
    [
        error_class
        for error_class in map(errors.__dict__.__getitem__, errors.__all__)
        if issubclass(error_class, KafkaError) and error_class is not errors.ConfigurationError
    ],
)
def test_an_errors_copy_says_the_same(error_class: type[KafkaError]) -> None:
    error = error_class("what went wrong")
    error.persisted = errors.Persisted.MAYBE
    twin = copy.copy(error)
    assert type(twin) is error_class
    assert str(twin) == "what went wrong"
    assert twin.persisted is errors.Persisted.MAYBE
    assert twin.retriable is error.retriable


def test_waiters_are_called_once_and_in_their_context() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="loop")
    loop = CollectingLoop()
    pending = outcome(loop)
    heard: list[object] = []
    context = copy_context()
    context.run(variable.set, "mine")
    pending.subscribe((lambda argument: heard.append((argument, variable.get())), "a", context))
    pending.subscribe((lambda argument: heard.append((argument, variable.get())), "b", None))
    pending.succeed(0)
    assert heard == []
    loop.turn()
    assert heard == [("a", "mine"), ("b", "loop")]
    loop.turn()
    assert len(heard) == 2


def test_unsubscribing_takes_this_callback_with_this_argument() -> None:
    place = Place(CollectingLoop())
    assert place.unsubscribe(print, "a") == 0
    for argument in ("a", "b", "a"):
        place.subscribe((print, argument, None))
    place.subscribe((repr, "a", None))
    assert place.unsubscribe(print, "a") == 2
    assert place.unsubscribe(print, "a") == 0
    assert sorted(entry[1] for entry in place.take_entries()) == ["a", "b"]
    assert place.take_entries() == []


def test_thousands_of_waiters_are_cancelled_one_by_one_in_linear_time() -> None:
    class Argument:
        compared = 0

        def __hash__(self) -> int:
            return id(self) >> 4

        def __eq__(self, other: object) -> bool:
            Argument.compared += 1
            return self is other

    def comparisons(count: int) -> int:
        place = Place(CollectingLoop())
        arguments = [Argument() for _ in range(count)]
        Argument.compared = 0
        for argument in arguments:
            place.subscribe((print, argument, None))
        for argument in reversed(arguments):
            assert place.unsubscribe(print, argument) == 1
        return Argument.compared

    assert comparisons(8000) < 8000  # a list would need 32 millions


def test_waiting_is_told_to_the_batch() -> None:
    wanted: list[object] = []
    pending = outcome()
    pending.on_wanted = wanted.append
    for _ in range(2):
        pending.subscribe((print, None, None))
    assert wanted == [pending, pending]
    pending.succeed(0)
    assert pending.on_wanted is None


def test_reports_of_a_partition_come_in_the_order_of_the_sends() -> None:
    loop = CollectingLoop()
    owed: Owed = {}
    first, second, third = (outcome(loop, owed=owed) for _ in range(3))
    heard: list[tuple[object, object]] = []
    for number, batch in enumerate((first, second, third)):
        for index in (0, 2):
            batch.report(index, lambda metadata, error, number=number: heard.append((number, metadata or error)))  # type: ignore[misc]
    third.succeed(30)
    error = NotEnoughReplicasError("no")
    second.fail(error)
    loop.turn()
    assert heard == []
    first.succeed(10)
    loop.turn()
    assert [number for number, _ in heard] == [0, 0, 1, 1, 2, 2]
    assert [metadata.offset for _, metadata in heard if isinstance(metadata, RecordMetadata)] == [10, 12, 30, 32]
    assert [str(error) for _, error in heard[2:4]] == ["no", "no"]
    assert not owed, "what is owed no more takes no memory"


def test_partitions_do_not_wait_for_each_others_reports() -> None:
    loop = CollectingLoop()
    owed: Owed = {}
    places = [("orders", 0), ("orders", 1), ("payments", 1)]
    batches = [Outcome(loop, topic, partition, 1000, [0], owed) for topic, partition in places]
    heard: list[tuple[str, int]] = []
    for batch, place in zip(batches, places, strict=True):
        batch.report(0, lambda _metadata, _error, place=place: heard.append(place))  # type: ignore[misc]
    for batch in reversed(batches):
        batch.succeed(0)
    loop.turn()
    assert heard == places[::-1]
    assert not owed


@pytest.mark.parametrize("raised", [ValueError("mine"), asyncio.CancelledError()])
def test_an_on_delivery_that_raises_harms_nobody(raised: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    loop = CollectingLoop()
    owed: Owed = {}
    first, second = outcome(loop, owed=owed), outcome(loop, owed=owed)
    heard: list[object] = []

    def bad(_metadata: object, _error: object) -> None:
        raise raised

    first.report(0, bad)
    first.report(1, lambda metadata, _error: heard.append(metadata))
    second.report(0, lambda metadata, _error: heard.append(metadata))
    first.succeed(0)
    second.succeed(10)
    loop.turn()
    assert [metadata.offset for metadata in heard if isinstance(metadata, RecordMetadata)] == [1, 10]
    [record] = caplog.records
    assert "on_delivery" in record.message
    assert "orders[1]" in record.message
    assert record.exc_info is not None


def test_exits_pass_through_on_delivery() -> None:
    def leave(_metadata: object, _error: object) -> None:
        raise SystemExit(3)

    loop = CollectingLoop()
    batch = outcome(loop)
    batch.report(0, leave)
    batch.succeed(0)
    with pytest.raises(SystemExit):
        loop.turn()


def test_an_error_nobody_looked_at_is_logged_once_per_batch(caplog: pytest.LogCaptureFixture) -> None:
    failed = outcome(count=5)
    failed.fail(NotEnoughReplicasError("not enough replicas", code=19))
    failed.error_of(1)
    failed.error_of(1)
    assert not caplog.records
    del failed
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.message == (
        "4 of 5 records to orders[1] failed and nobody looked at it (await the delivery, or give on_delivery): "
        "NotEnoughReplicasError: not enough replicas"
    )


@pytest.mark.parametrize("looked", ["all", "reported", "succeeded", "pending"])
def test_nothing_else_is_logged(looked: str, caplog: pytest.LogCaptureFixture) -> None:
    loop = CollectingLoop()
    batch = outcome(loop, count=2)
    if looked == "reported":
        for index in range(2):
            batch.report(index, lambda _metadata, _error: None)
    if looked == "succeeded":
        batch.succeed(0)
    elif looked != "pending":
        batch.fail(KafkaError("no"))
    if looked == "all":
        assert all(batch.error_of(index) for index in range(2))
    loop.turn()
    del batch
    assert not caplog.records


def test_a_settled_outcome_needs_no_garbage_collector() -> None:
    gc.disable()
    try:
        before = {id(thing) for thing in gc.get_objects() if type(thing) is Outcome}
        loop = CollectingLoop()
        failed = outcome(loop)
        failed.on_wanted = repr
        failed.report(0, lambda _metadata, _error: None)
        failed.fail(KafkaError("no"))
        for index in range(3):
            error = failed.error_of(index)
            assert error is not None
            try:
                raise error
            except KafkaError:
                pass
            finally:
                del error
        loop.turn()
        del failed
        assert {id(thing) for thing in gc.get_objects() if type(thing) is Outcome} <= before
    finally:
        gc.enable()


def test_repr_says_the_state() -> None:
    batch = outcome()
    assert repr(batch) == "<Outcome of 3 records to orders[1], pending>"
    batch.succeed(5)
    assert repr(batch) == "<Outcome of 3 records to orders[1], at 5>"
    refused = Outcome(CollectingLoop(), "orders", -1, 0, [1], {})
    refused.fail(KafkaError("no"))
    refused.error_of(0)
    assert repr(refused) == "<Outcome of 1 records to orders, failed: KafkaError('no')>"


@virtual_time
async def test_a_countdown_ends_when_all_have_settled() -> None:
    loop = asyncio.get_running_loop()
    batches = [outcome(loop) for _ in range(3)]
    countdown = Countdown(loop)
    await countdown.finished()
    for batch in batches:
        countdown.wait_for(batch)
    waiting = loop.create_task(countdown.finished())
    for left, batch in zip((2, 1), batches, strict=False):
        batch.succeed(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert countdown.left == left
        assert not waiting.done()
    batches[2].fail(KafkaError("no"))
    assert batches[2].error_of(0)
    await waiting
    assert countdown.left == 0
    batches[2].error_of(1)
    batches[2].error_of(2)


@virtual_time
async def test_a_countdown_that_is_cancelled_leaves_nothing_behind() -> None:
    loop = asyncio.get_running_loop()
    batch = outcome(loop)
    countdown = Countdown(loop)
    countdown.wait_for(batch)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await countdown.finished()
    assert countdown.left == 1
    assert batch.take_entries() == []


def test_a_callback_comes_after_the_report_of_its_record_wherever_reports_are_made() -> None:
    loop, heard = CollectingLoop(), list[str]()
    turn = Turn(loop, quiet=lambda: False)
    pending = Outcome(loop, "orders", 1, 0, [0], {}, turn.soon)
    pending.report(0, lambda _metadata, _error: heard.append("report"))
    pending.subscribe((lambda _argument: heard.append("callback"), None, None))
    turn.begin()
    pending.succeed(5)
    turn.end()
    for _ in range(3):
        loop.turn()
    assert heard == ["report", "callback"]
