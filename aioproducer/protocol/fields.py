"""The vocabulary in which messages are declared, and its reading: a `Struct` in, a tuple of `WireField` out.

A message is a `Struct` whose annotations say how each field lies on the wire:

    error_code: Int16 = 0                                                   in every version
    log_start_offset: Annotated[Int64, since(5, ignorable=True)] = -1       from version 5
    name: Annotated[String, until(12, ignorable=True)] = ""                 up to version 12
    topics: Annotated[Sequence[Topic] | None, nullable_since(1)] = ()       an array that may be null from version 1
    current_leader: Annotated[LeaderIdAndEpoch, since(10), tagged(0)] = LeaderIdAndEpoch()

The order of the fields is their order on the wire. The default is what a field has when its version lacks it. A field
that is not `ignorable` may not be given another value for a version that lacks it, because the peer would act
differently from what was meant. `| None` makes a field nullable. These are the rules and the words of Apache Kafka's
own message definitions. Nothing is encoded here.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import NoneType, UnionType
from typing import Annotated, Literal, NamedTuple, TypeAlias, Union, get_args, get_origin

from aioproducer.protocol.primitives import RecordsLike
from aioproducer.protocol.structs import Struct


class Scalar(NamedTuple):
    """A value of a fixed number of bytes: its name in Kafka, its letter in `struct`, its size in bytes."""

    name: str
    letter: str
    size: int


class Text:
    """UTF-8 behind its length in bytes: int16, or an unsigned varint of one more where the version is flexible."""


class Blob:
    """Record batches behind their length in bytes: int32, or an unsigned varint of one more where flexible."""


class Array(NamedTuple):
    """Elements behind their number: int32, or an unsigned varint of one more where the version is flexible."""

    element: Kind


Kind: TypeAlias = Scalar | Text | Blob | Array | type[Struct]

INT8 = Scalar("int8", "b", 1)
INT16 = Scalar("int16", "h", 2)
INT32 = Scalar("int32", "i", 4)
INT64 = Scalar("int64", "q", 8)
BOOLEAN = Scalar("bool", "?", 1)
UUID_BYTES = Scalar("uuid", "16s", 16)
TEXT = Text()
BLOB = Blob()

Int8: TypeAlias = Annotated[int, INT8]
Int16: TypeAlias = Annotated[int, INT16]
Int32: TypeAlias = Annotated[int, INT32]
Int64: TypeAlias = Annotated[int, INT64]
Boolean: TypeAlias = Annotated[bool, BOOLEAN]
Uuid: TypeAlias = Annotated[bytes, UUID_BYTES]
"""As its sixteen bytes. Nobody does more with one than compare it, and of a `uuid.UUID` for each of thousands of topics
the garbage collector would have to take care."""
String: TypeAlias = Annotated[str, TEXT]
Records: TypeAlias = Annotated[RecordsLike, BLOB]
"""Bytes, or pieces of bytes sent one after another. Decoded, it is always one `bytes`."""


class _Versions(NamedTuple):
    first: int
    last: int | None
    ignorable: bool


class _Mark(NamedTuple):
    # The word is a part of it, since `Annotated` takes marks that compare as equal for one and the same.
    meaning: Literal["tag", "nullable"]
    number: int


def since(first: int, *, ignorable: bool = False) -> _Versions:
    """The field is there from version `first` on."""
    return _Versions(first, None, ignorable)


def until(last: int, *, ignorable: bool = False) -> _Versions:
    """The field is there up to version `last`."""
    return _Versions(0, last, ignorable)


def between(first: int, last: int, *, ignorable: bool = False) -> _Versions:
    """The field is there from version `first` to version `last`."""
    return _Versions(first, last, ignorable)


def tagged(number: int) -> _Mark:
    """The field is optional on the wire, in the tagged section behind its struct, under `number`."""
    return _Mark("tag", number)


def nullable_since(version: int) -> _Mark:
    """The field, whose type says `| None`, may be null from `version` on only."""
    return _Mark("nullable", version)


class WireField(NamedTuple):
    """One field as its declaration has it. `last` is None where it goes on; `tag` is None for an ordinary field."""

    name: str
    kind: Kind
    default: object
    first: int = 0
    last: int | None = None
    ignorable: bool = False
    nullable_from: int | None = None
    tag: int | None = None

    def present(self, version: int) -> bool:
        return self.first <= version and (self.last is None or version <= self.last)

    def nullable(self, version: int) -> bool:
        return self.nullable_from is not None and version >= self.nullable_from


_WIRE_FIELDS: dict[type[Struct], tuple[WireField, ...]] = {}


def wire_fields(struct: type[Struct]) -> tuple[WireField, ...]:
    """The fields of `struct` in the order of the wire. Raises TypeError for a declaration that makes no sense."""
    if struct in _WIRE_FIELDS:
        return _WIRE_FIELDS[struct]
    # What `typing.get_type_hints` does, in one evaluation per class: the first acknowledgement waits for it.
    texts = [struct.__annotations__[name] for name in struct.declared]
    hints = eval(f"({''.join(f'{text}, ' for text in texts)})", vars(sys.modules[struct.__module__]))
    made = _WIRE_FIELDS[struct] = tuple(
        _wire_field(f"{struct.__name__}.{name}", name, hint, default)
        for (name, default), hint in zip(struct.declared.items(), hints, strict=True)
    )
    return made


def _wire_field(where: str, name: str, hint: object, default: object) -> WireField:
    kind: Kind | None = None
    versions = _Versions(0, None, False)
    nullable_from: int | None = None
    tag: int | None = None
    while kind is None:
        origin = get_origin(hint)
        if origin is Annotated:
            hint, *marks = get_args(hint)
            for mark in marks:
                if isinstance(mark, _Versions):
                    versions = mark
                elif isinstance(mark, _Mark):
                    if mark.meaning == "tag":
                        tag = mark.number
                    else:
                        nullable_from = mark.number
                elif isinstance(mark, Scalar | Text | Blob):
                    kind = mark
        elif origin in (Union, UnionType):
            (hint,) = (choice for choice in get_args(hint) if choice is not NoneType)
            nullable_from = nullable_from or 0
        elif origin is Sequence:
            (element,) = get_args(hint)
            kind = Array(_wire_field(where, name, element, None).kind)
        elif isinstance(hint, type) and issubclass(hint, Struct):
            kind = hint
        else:
            raise TypeError(f"{where}: {hint!r} has no form on the wire")
    return WireField(
        name=name,
        kind=kind,
        default=default,
        first=versions.first,
        last=versions.last,
        ignorable=versions.ignorable,
        nullable_from=nullable_from,
        tag=tag,
    )
