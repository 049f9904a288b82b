"""Kinds of values, where the table does not reach: what is kept, and what text is taken for."""

from __future__ import annotations

import enum
from collections import UserString

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioproducer.configuration.addresses import Address
from aioproducer.configuration.kinds import (
    LONG_MAX,
    AcksKind,
    Boolean,
    Choice,
    Integer,
    Kind,
    Milliseconds,
    Servers,
    Text,
    shown,
)
from aioproducer.models import Acks

INTEGER = Integer(unit="bytes", at_least=-1, at_most=100, also=-7)


class Size(enum.IntEnum):
    SMALL = 5


def test_a_number_of_an_enum_is_kept_as_a_plain_one() -> None:
    assert type(INTEGER.read(Size.SMALL)) is int


@pytest.mark.parametrize("value", [-1, 0, 100, -7])
def test_whole_numbers_within_their_bounds(value: int) -> None:
    assert INTEGER.read(value) == value
    assert INTEGER.parse(str(value)) == value


@pytest.mark.parametrize("value", [-2, 101, -8, -6])
def test_whole_numbers_out_of_their_bounds(value: int) -> None:
    wanted = r"^give a whole number from -1 to 100, or -7 \(bytes\)$"
    with pytest.raises(ValueError, match=wanted):
        INTEGER.read(value)
    with pytest.raises(ValueError, match=wanted):
        INTEGER.parse(str(value))


@given(st.floats(0, 1e6))
def test_milliseconds_keep_fractions(value: float) -> None:
    assert Milliseconds(at_least=0).read(value) == value


@pytest.mark.parametrize(("text", "value"), [("5", 5.0), ("0.5", 0.5), ("+5", 5.0), (str(LONG_MAX), float(LONG_MAX))])
def test_milliseconds_from_text(text: str, value: float) -> None:
    parsed = Milliseconds(at_least=0).parse(text)
    assert (type(parsed), parsed) == (float, value)


@pytest.mark.parametrize("text", ["", "-0.1", "5 ms", "inf", ".5", "5.", str(LONG_MAX + 1), "0x5"])
def test_text_that_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="give a number of milliseconds from 0 to"):
        Milliseconds(at_least=0).parse(text)


@pytest.mark.parametrize(
    ("value", "acks"),
    [
        (Acks.ALL, Acks.ALL),
        ("all", Acks.ALL),
        ("-1", Acks.ALL),
        (-1, Acks.ALL),
        ("0", Acks.NONE),
        (0, Acks.NONE),
        ("1", Acks.LEADER),
        (1, Acks.LEADER),
        (Acks.NONE, Acks.NONE),
    ],
)
def test_acks_in_all_their_spellings(value: object, acks: Acks) -> None:
    assert AcksKind().read(value) is acks


@pytest.mark.parametrize("value", [True, False, None, 2, -2, 1.0, "All", "", " all", b"all"])
def test_what_is_not_acks(value: object) -> None:
    with pytest.raises(ValueError, match="give 'all'"):
        AcksKind().read(value)


def test_a_word_in_any_case_is_kept_in_its_own() -> None:
    assert Choice(words=("none", "rebootstrap"), any_case=True).read("ReBootstrap") == "rebootstrap"
    with pytest.raises(ValueError, match="give one of 'none', 'zstd'"):
        Choice(words=("none", "zstd")).read("ZSTD")


@pytest.mark.parametrize("value", [None, 5, b"a:1", {"a:1": 1}, ["a:1", 5], [b"a:1"], UserString("a:1")])
def test_what_is_not_servers(value: object) -> None:
    with pytest.raises(ValueError, match="give a str as"):
        Servers().read(value)


def test_servers_from_any_sequence() -> None:
    assert Servers().read(("a:1", "b:2")) == Servers().parse("a:1,b:2") == (Address("a", 1), Address("b", 2))


@pytest.mark.parametrize("value", [None, 5, b"x"])
def test_text_is_a_str(value: object) -> None:
    with pytest.raises(ValueError, match="give a str"):
        Text().read(value)


@pytest.mark.parametrize(
    ("kind", "bounds"),
    [
        (INTEGER, "-1 to 100, or -7"),
        (Integer(unit="bytes", at_least=0), ">= 0"),
        (Integer(unit="bytes", at_least=0, at_most=LONG_MAX), ">= 0"),
        (Milliseconds(at_least=5000), ">= 5000"),
        (Choice(words=("a", "b")), "a, b"),
        (Boolean(), ""),
    ],
)
def test_bounds_in_words(kind: Kind, bounds: str) -> None:
    assert kind.bounds_text == bounds


def test_long_values_are_shortened() -> None:
    assert shown("x") == "'x'"
    assert len(shown("x" * 1000)) == 100
