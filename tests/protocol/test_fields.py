from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import pytest

from aioproducer.protocol.fields import (
    BLOB,
    INT32,
    TEXT,
    Array,
    Int32,
    Records,
    String,
    between,
    nullable_since,
    since,
    tagged,
    until,
    wire_fields,
)
from aioproducer.protocol.structs import Struct


class Leader(Struct):
    leader_id: Int32 = -1


class Example(Struct):
    always: Int32 = 0
    name: Annotated[String | None, between(2, 4), nullable_since(3)] = ""
    records: Annotated[Records | None, until(5, ignorable=True)] = None
    nodes: Annotated[Sequence[Int32] | None, since(1)] = ()
    leaders: Sequence[Leader] = ()
    leader: Annotated[Leader, since(4), tagged(7)] = Leader()


def test_the_declaration_is_read_in_order() -> None:
    assert [field.name for field in wire_fields(Example)] == [
        "always",
        "name",
        "records",
        "nodes",
        "leaders",
        "leader",
    ]
    assert [field.kind for field in wire_fields(Example)] == [
        INT32,
        TEXT,
        BLOB,
        Array(INT32),
        Array(Leader),
        Leader,
    ]
    assert [field.tag for field in wire_fields(Example)] == [None] * 5 + [7]
    assert [field.default for field in wire_fields(Example)] == [0, "", None, (), (), Leader()]
    assert [field.ignorable for field in wire_fields(Example)] == [False, False, True, False, False, False]


def test_versions_of_fields() -> None:
    present = {
        field.name: [version for version in range(7) if field.present(version)] for field in wire_fields(Example)
    }
    assert present == {
        "always": [0, 1, 2, 3, 4, 5, 6],
        "name": [2, 3, 4],
        "records": [0, 1, 2, 3, 4, 5],
        "nodes": [1, 2, 3, 4, 5, 6],
        "leaders": [0, 1, 2, 3, 4, 5, 6],
        "leader": [4, 5, 6],
    }


def test_nullable_fields() -> None:
    nullable = {
        field.name: [version for version in range(5) if field.nullable(version)] for field in wire_fields(Example)
    }
    assert nullable == {
        "always": [],
        "name": [3, 4],
        "records": [0, 1, 2, 3, 4],
        "nodes": [0, 1, 2, 3, 4],
        "leaders": [],
        "leader": [],
    }


def test_a_type_without_a_form_on_the_wire() -> None:
    class Wrong(Struct):
        share: float = 0.0

    with pytest.raises(TypeError, match=r"Wrong\.share: .*float.* has no form on the wire"):
        wire_fields(Wrong)
