"""One row of the configuration table, and how a dataclass field carries it. The rows are in `aioproducer.config`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, fields
from typing import Any, NamedTuple

from aioproducer.configuration.kinds import Kind
from aioproducer.models import Acks

_ROW = "option"


class Required:
    """The default of an option that has none."""


class Option(NamedTuple):
    """One row: Kafka's dotted name, the kind of its values, the default, what it means in one line.

    generated: what takes the place of a default, in words, where one is made for each producer; the default is None.
    """

    kafka_name: str
    kind: Kind
    default: object
    meaning: str
    generated: str = ""

    @property
    def default_text(self) -> str:
        if self.generated:
            return self.generated
        if self.default is Required:
            return "required"
        if self.default == "":
            return '""'
        return self.default.name.lower() if isinstance(self.default, Acks) else str(self.default)


class OptionDescription(NamedTuple):
    """One row in words, for documentation and the command line."""

    name: str
    kafka_name: str
    type: str
    default: str
    bounds: str
    unit: str
    meaning: str


def option(kafka_name: str, kind: Kind, *, default: object, meaning: str, generated: str = "") -> Any:
    """A dataclass field that carries its row. Any, as `dataclasses.field` is: the annotation says the type."""
    row = Option(kafka_name=kafka_name, kind=kind, default=default, meaning=meaning, generated=generated)
    return field(metadata={_ROW: row})


def table_of(config_class: type) -> dict[str, Option]:
    """The rows of a dataclass by field name, in the order of declaration; fields that are no options left out."""
    return {each.name: each.metadata[_ROW] for each in fields(config_class) if _ROW in each.metadata}


def describe(table: Mapping[str, Option]) -> tuple[OptionDescription, ...]:
    return tuple(
        OptionDescription(
            name=name,
            kafka_name=row.kafka_name,
            type=row.kind.type_text,
            default=row.default_text,
            bounds=row.kind.bounds_text,
            unit=row.kind.unit,
            meaning=row.meaning,
        )
        for name, row in table.items()
    )
