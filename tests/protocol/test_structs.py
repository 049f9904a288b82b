"""What a declaration becomes: a class with slots, whose instances behave as those of a dataclass would."""

from __future__ import annotations

import copy
import pickle
from typing import ClassVar

import pytest

from aioproducer.protocol.fields import Int32, String
from aioproducer.protocol.structs import Struct, replaced


class Base(Struct):
    number: ClassVar[int] = 7


class Leader(Base):
    leader_id: Int32 = -1
    host: String = "none"


class Other(Base):
    leader_id: Int32 = -1
    host: String = "none"


class Empty(Struct):
    pass


def test_fields_are_given_by_name_or_have_their_defaults() -> None:
    first, second = Leader(leader_id=3), Leader(host="b", leader_id=4)
    assert (first.leader_id, first.host, second.leader_id, second.host) == (3, "none", 4, "b")
    assert list(Leader.declared.items()) == [("leader_id", -1), ("host", "none")]
    assert (Leader.number, first.number, Empty.declared) == (7, 7, {})


def test_what_is_no_field_is_refused() -> None:
    # The first instance of a class and a later one are made in different ways.
    for _ in range(2):
        with pytest.raises(TypeError, match="leader"):
            Other(leader=1)  # type: ignore[call-arg]
        Other()
    with pytest.raises(TypeError):
        Leader(1)  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        Leader().leader = 1  # type: ignore[attr-defined]
    assert Empty() == Empty()


def test_they_compare_and_show_themselves_by_their_fields() -> None:
    assert Leader(leader_id=1) == Leader(leader_id=1, host="none")
    assert Leader(leader_id=1) != Leader(leader_id=2)
    assert Leader() != Other()
    assert len({Leader(), Leader(), Leader(leader_id=2)}) == 2
    assert repr(Leader(leader_id=1, host="b")) == "Leader(leader_id=1, host='b')"


def test_copies() -> None:
    leader = Leader(leader_id=1, host="b")
    assert replaced(leader, leader_id=2) == Leader(leader_id=2, host="b")
    assert leader == copy.copy(leader) == pickle.loads(pickle.dumps(leader)) == Leader(leader_id=1, host="b")
    with pytest.raises(TypeError, match="leader"):
        replaced(leader, leader=2)


def test_a_field_needs_a_default() -> None:
    with pytest.raises(TypeError, match=r"Wrong.share has no default: say what it is in versions without the field"):

        class Wrong(Struct):
            share: Int32
