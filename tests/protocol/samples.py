"""One message of each class and version in which every field says something: what hostile bytes are made from."""

from __future__ import annotations

from aioproducer.protocol.fields import UUID_BYTES, Array, Blob, Kind, Scalar, Text, wire_fields
from aioproducer.protocol.requests import REQUESTS
from aioproducer.protocol.schema import Message
from aioproducer.protocol.structs import Struct

CLASSES: tuple[type[Message], ...] = tuple(
    message for request in REQUESTS.values() for message in (request, request.response)
)
VERSIONS: tuple[tuple[type[Message], int], ...] = tuple(
    (message, version) for message in CLASSES for version in range(message.min_version, message.max_version + 1)
)


def sample(message: type[Message], version: int) -> Message:
    made = _value(message, version, 1)
    assert isinstance(made, message)
    return made


def body(message: type[Message], version: int) -> bytes:
    return b"".join(sample(message, version).encode(version))


def _value(kind: Kind, version: int, seed: int) -> object:
    if isinstance(kind, Scalar):
        return (seed + 1000).to_bytes(16) if kind is UUID_BYTES else True if kind.letter == "?" else seed % 100 + 1
    if isinstance(kind, Text):
        return f"text-{seed}"
    if isinstance(kind, Blob):
        return b"records %d" % seed
    if isinstance(kind, Array):
        return tuple(_value(kind.element, version, seed + number) for number in (1, 2))
    return _struct(kind, version, seed)


def _struct(struct: type[Struct], version: int, seed: int) -> Struct:
    present = (field for field in wire_fields(struct) if field.present(version))
    return struct(**{field.name: _value(field.kind, version, seed + number) for number, field in enumerate(present)})
