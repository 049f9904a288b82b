"""The interface of user's partitioners, and what is said to one that returns nonsense."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from enum import IntEnum
from fractions import Fraction
from typing import cast

import pytest

from aioproducer.errors import PartitionerError
from aioproducer.partitioning.base import Partitioner, Partitions, all_available, choose


class Numbered(IntEnum):
    ONE = 1


def returning(value: object) -> Partitioner:
    """A partitioner that breaks its promise of an int."""

    def misbehaving(topic: str, key: bytes | None, value_: bytes | None, partitions: Partitions) -> int:
        return cast("int", value)

    return misbehaving


def test_partitions_are_a_sequence() -> None:
    partitions = Partitions(4, (0, 2))
    assert isinstance(partitions, Sequence)
    assert [*partitions] == [0, 1, 2, 3]
    assert len(partitions) == 4
    assert partitions[1] == 1
    assert partitions[-1] == 3
    assert [*partitions[1:3]] == [1, 2]
    assert 3 in partitions
    assert 4 not in partitions
    assert -1 not in partitions
    assert [*reversed(partitions)] == [3, 2, 1, 0]
    assert partitions.available == (0, 2)
    assert repr(partitions) == "<Partitions: 4, 2 available>"


def test_topics_that_look_alike_share_one() -> None:
    assert all_available(4) is all_available(4)
    assert [*all_available(4).available] == [*all_available(4)] == [0, 1, 2, 3]


def test_all_are_available_unless_told() -> None:
    assert [*Partitions(3).available] == [0, 1, 2]
    assert [*Partitions(3, ()).available] == []


def test_partition_outside() -> None:
    with pytest.raises(IndexError):
        Partitions(3)[3]


def test_choose_passes_everything_on() -> None:
    seen: list[object] = []
    partitions = Partitions(3)

    def partitioner(topic: str, key: bytes | None, value: bytes | None, parts: Partitions) -> int:
        seen.extend((topic, key, value, parts))
        return parts[-1]

    assert choose(partitioner, "orders", b"k", None, partitions) == 2
    assert seen == ["orders", b"k", None, partitions]


@pytest.mark.parametrize("partition", [0, 1, 2])
def test_every_partition_may_be_chosen(partition: int) -> None:
    # Also one without a leader: the record waits for it.
    assert choose(returning(partition), "orders", None, None, Partitions(3, (0,))) == partition


@pytest.mark.parametrize("value", [3, -1, True, False, None, "1", b"1", 1.0, Fraction(1), Numbered.ONE, [1], 1 << 80])
def test_no_partition(value: object) -> None:
    with pytest.raises(PartitionerError) as caught:
        choose(returning(value), "orders", None, None, Partitions(3))
    message = str(caught.value)
    assert "misbehaving" in message
    assert repr(value) in message
    assert "'orders'" in message
    assert "int from 0 to 2" in message


class Indexed:
    """What libraries of numbers return: as good as an int, and none."""

    def __index__(self) -> int:
        return 1


@pytest.mark.parametrize("value", [True, Numbered.ONE, Indexed()])
def test_what_is_almost_an_int_has_to_be_made_one(value: object) -> None:
    with pytest.raises(
        PartitionerError, match=rf"; {type(value).__name__} is not quite that, so convert it by int\(\)$"
    ):
        choose(returning(value), "orders", None, None, Partitions(3))
    with pytest.raises(PartitionerError, match=r"from 0 to 2$"):
        choose(returning(3), "orders", None, None, Partitions(3))


@pytest.mark.filterwarnings("error")
def test_a_function_that_would_have_to_be_awaited_is_told_so() -> None:
    async def later(topic: str, key: bytes | None, value: bytes | None, partitions: Partitions) -> int:
        return 0

    # What passes for a plain function when the options are checked.
    def hidden(topic: str, key: bytes | None, value: bytes | None, partitions: Partitions) -> int:
        return cast("int", later(topic, key, value, partitions))

    with pytest.raises(PartitionerError, match=r"returned <coroutine .*not awaited, so give a plain function"):
        choose(hidden, "orders", None, None, Partitions(3))
    gc.collect()


@pytest.mark.parametrize("error", [ValueError("no idea"), KeyError("x"), ZeroDivisionError()])
def test_an_exception_becomes_the_cause(error: Exception) -> None:
    def broken(topic: str, key: bytes | None, value: bytes | None, partitions: Partitions) -> int:
        raise error

    with pytest.raises(PartitionerError, match=r"broken.* raised .*'orders'") as caught:
        choose(broken, "orders", None, None, Partitions(3))
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_passes(kind: type[BaseException]) -> None:
    def ends(topic: str, key: bytes | None, value: bytes | None, partitions: Partitions) -> int:
        raise kind

    with pytest.raises(kind):
        choose(ends, "orders", None, None, Partitions(3))


def test_objects_and_functions_are_partitioners() -> None:
    class First:
        def __call__(self, topic: str, key: bytes | None, value: bytes | None, partitions: Partitions) -> int:
            return partitions.available[0]

    partitioners: list[Partitioner] = [First(), returning(1)]
    function: Callable[..., int] = lambda *args: 1  # noqa: E731
    partitions = Partitions(3, (1, 2))
    assert [choose(partitioner, "orders", None, None, partitions) for partitioner in (*partitioners, function)] == [
        1
    ] * 3
