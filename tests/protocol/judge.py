"""kio's classes as a judge of ours: random values of kio's, what kio encodes them to, and the same values as ours.

kio is generated from Apache Kafka's message definitions, independently of us. The values come from kio's annotations,
so that a field we lack, or have in a version where there is none, does not go unnoticed.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import cache
from types import NoneType
from typing import ClassVar, Protocol, get_args, get_origin
from uuid import UUID

from hypothesis import strategies as st
from kio.schema.errors import ErrorCode
from kio.serial import entity_writer

from aioproducer.protocol.fields import Array, wire_fields
from aioproducer.protocol.primitives import ZERO_UUID
from aioproducer.protocol.schema import Message, api_name
from aioproducer.protocol.structs import Struct

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Now and then a text or an array whose compact length takes two bytes.
_TEXTS = st.one_of(st.text(max_size=12), st.text(alphabet="ä-z", min_size=120, max_size=140))

_VALUES: Mapping[str, st.SearchStrategy[object]] = {
    "int8": st.integers(-(2**7), 2**7 - 1),
    "int16": st.integers(-(2**15), 2**15 - 1),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "bool": st.booleans(),
    "string": _TEXTS,
    "records": st.binary(max_size=200),
    "uuid": st.one_of(st.none(), st.uuids()),
    "error_code": st.sampled_from(list(ErrorCode)),
    "timedelta_i32": st.integers(-(2**31), 2**31 - 1).map(lambda ms: timedelta(milliseconds=ms)),
    "datetime_i64": st.integers(0, 250_000_000_000_000).map(lambda ms: _EPOCH + timedelta(milliseconds=ms)),
}

# What our fields are called where kio has another word than snake case of Kafka's own.
_RENAMED = {"timeout": "timeout_ms", "throttle_time": "throttle_time_ms", "max_wait": "max_wait_ms"}
_RENAMED |= {"transaction_timeout": "transaction_timeout_ms", "log_append_time": "log_append_time_ms"}


class KioStruct(Protocol):
    """An instance of a class of kio's, of which only its fields are looked at."""

    __dataclass_fields__: ClassVar[dict[str, Field[object]]]


@dataclass(frozen=True)
class Case:
    """A message in one version, as ours and as kio has it."""

    message: type[Message]
    version: int

    def __str__(self) -> str:
        return f"{self.message.__name__}-v{self.version}"

    @property
    def kio_type(self) -> type[KioStruct]:
        name = api_name(self.message)
        folder = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).strip("_")
        direction = "request" if self.message.__name__.endswith("Request") else "response"
        module = importlib.import_module(f"kio.schema.{folder}.v{self.version}.{direction}")
        found: type[KioStruct] = getattr(module, self.message.__name__)
        return found

    def values(self) -> st.SearchStrategy[KioStruct]:
        return _structs(self.kio_type)


def kio_bytes(value: KioStruct) -> bytes:
    write: Callable[[io.BytesIO, KioStruct], None] = entity_writer(type(value))
    buffer = io.BytesIO()
    write(buffer, value)
    return buffer.getvalue()


def ours(value: KioStruct, struct: type[Struct], version: int) -> Struct:
    """The same value as our class. Fails if kio has a field for the version that ours has not, or the other way."""
    kinds = {field.name: field.kind for field in wire_fields(struct) if field.present(version)}
    arguments: dict[str, object] = {}
    for field in fields(value):
        name = _RENAMED.get(field.name, field.name)
        kind = kinds[name]
        element = kind.element if isinstance(kind, Array) else kind
        item = getattr(value, field.name)
        if isinstance(element, type):
            arguments[name] = (
                tuple(ours(part, element, version) for part in item)
                if isinstance(item, tuple)
                else item
                if item is None
                else ours(item, element, version)
            )
        else:
            arguments[name] = _plain(item, field)
    assert arguments.keys() == kinds.keys()
    return struct(**arguments)


def _plain(item: object, field: Field[object]) -> object:
    if isinstance(item, ErrorCode):
        return item.value
    if isinstance(item, timedelta):
        return item // timedelta(milliseconds=1)
    if isinstance(item, datetime):
        return (item - _EPOCH) // timedelta(milliseconds=1)
    if item is None and field.metadata["kafka_type"] == "uuid":
        return ZERO_UUID
    if item is None and field.metadata["kafka_type"] == "datetime_i64":
        return -1
    if isinstance(item, UUID):
        return item.bytes
    assert item is None or isinstance(item, int | str | bytes | tuple)
    return item


@cache
def _structs(kio_type: type[KioStruct]) -> st.SearchStrategy[KioStruct]:
    return st.builds(kio_type, **{field.name: _values(field) for field in fields(kio_type)})


def _values(field: Field[object]) -> st.SearchStrategy[object]:
    hint: object = field.type
    nullable = NoneType in get_args(hint)
    if nullable:
        (hint,) = (choice for choice in get_args(hint) if choice is not NoneType)
    is_array = get_origin(hint) is tuple
    if is_array:
        hint = get_args(hint)[0]
    one: st.SearchStrategy[object]
    if "kafka_type" in field.metadata:
        one = _VALUES[field.metadata["kafka_type"]]
    else:
        assert isinstance(hint, type)
        one = _structs(hint)
    values = st.lists(one, max_size=3).map(tuple) if is_array else one
    return st.one_of(st.none(), values) if nullable else values
