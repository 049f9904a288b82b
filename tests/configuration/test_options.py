"""How a dataclass carries the rows of the table."""

# ruff: noqa: RUF009 - `option` makes a dataclass field, as `dataclasses.field` does.

from __future__ import annotations

from dataclasses import dataclass, field

from aioproducer.configuration.kinds import AcksKind, Integer, Text
from aioproducer.configuration.options import OptionDescription, Required, describe, option, table_of
from aioproducer.models import Acks


@dataclass(init=False)
class Example:
    size: int = option("the.size", Integer(unit="bytes", at_least=1), default=5, meaning="How large.")
    acks: Acks = option("acks", AcksKind(), default=Acks.LEADER, meaning="Who.")
    name: str = option("name", Text(), default=None, generated="example-<n>", meaning="Called so.")
    where: str = option("where", Text(), default=Required, meaning="At.")
    other: int = field(default=0)


def test_rows_are_those_of_the_fields_that_are_options() -> None:
    table = table_of(Example)
    assert list(table) == ["size", "acks", "name", "where"]
    assert table["size"].kafka_name == "the.size"


def test_rows_in_words() -> None:
    rows = describe(table_of(Example))
    assert rows[0] == OptionDescription("size", "the.size", "int", "5", ">= 1", "bytes", "How large.")
    assert [row.default for row in rows] == ["5", "leader", "example-<n>", "required"]
