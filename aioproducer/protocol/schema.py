"""What every message can do: be encoded for a version, and be made from the bytes of one.

The declarations are read in `fields` and compiled in `encoding` and `decoding`, once per class and version, at the
first use. Here it is decided what goes wrong how: what we ask for in vain is a ValueError or an
UnsupportedVersionError, what a peer sends in vain is a ProtocolError.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Generator, Sequence
from typing import ClassVar, Self

from aioproducer.errors import ProtocolError, UnsupportedVersionError
from aioproducer.protocol.decoding import SlowDecoder, Takers, decoder, slow_decoder
from aioproducer.protocol.encoding import AbsentFieldError, encoder
from aioproducer.protocol.fields import UUID_BYTES, Array, Blob, Kind, Scalar, Text, wire_fields
from aioproducer.protocol.primitives import MAX_STRING, Chunk, MalformedError, uuid_octets
from aioproducer.protocol.structs import Struct


class Api(Struct):
    """What a request and its response have in common: the number of the API and the versions spoken here."""

    api_key: ClassVar[int]
    min_version: ClassVar[int]
    max_version: ClassVar[int]
    flexible_from: ClassVar[int | None]

    @classmethod
    def is_flexible(cls, version: int) -> bool:
        """Whether `version` has compact lengths and tagged fields (KIP-482)."""
        return cls.flexible_from is not None and version >= cls.flexible_from


class Message(Api):
    """A request or a response, without its header."""

    def encode(self, version: int) -> list[Chunk]:
        """The body in `version`, as chunks that are to be sent one after another; `records` are among them, uncopied.

        Raises UnsupportedVersionError if a field that may not be ignored has a value that `version` can not say, and
        ValueError if a value does not fit into its field, or if `version` is none of this API.
        """
        encode = _ENCODERS.get((type(self), version)) or _compile_encoder(type(self), version)
        try:
            return encode(self)
        except AbsentFieldError as error:
            raise UnsupportedVersionError(
                f"{type(self).__name__} v{version} has no field {error}: leave it at its default, or use a broker "
                f"that offers another version of the API"
            ) from None
        except (struct.error, TypeError, AttributeError, OverflowError, UnicodeEncodeError) as error:
            where = _misfit(type(self), self, version) or str(error)
            raise ValueError(f"{type(self).__name__} v{version} can not be encoded: {where}") from error

    @classmethod
    def decode(cls, body: bytes | memoryview, version: int, *, exact: bool = True) -> Self:
        """The message whose body in `version` is `body`. Tagged fields that are not known here are skipped.

        Bytes behind the end of the message are a fault, unless `exact` is false: there are servers, librdkafka's mock
        cluster among them, whose flexible Metadata responses end with a zero byte too many.

        Raises ProtocolError for whatever else is in the bytes; neither time nor memory go beyond a multiple of their
        number. Raises ValueError if `version` is none of this API.
        """
        decode = _DECODERS.get((cls, version)) or _compile_decoder(cls, version)
        if type(body) is not bytes:
            body = bytes(body)
        try:
            message = decode(body, len(body), exact)
        except _MALFORMED as error:
            raise _no_message(cls, version, body, error) from error
        assert isinstance(message, cls)
        return message

    @classmethod
    def decode_in_steps(
        cls, body: bytes, version: int, *, exact: bool = True, takers: Takers | None = None
    ) -> Generator[int, None, Self]:
        """The same for a body that may take long: yields how much was done, and has the message as its value.

        takers: by their class, who gets the structs of arrays one by one, as they are decoded; the arrays stay empty.
        """
        decode = _SLOW_DECODERS.get((cls, version)) or _compile_slow_decoder(cls, version)
        try:
            message = yield from decode(body, len(body), exact, takers or {})
        except _MALFORMED as error:
            raise _no_message(cls, version, body, error) from error
        assert isinstance(message, cls)
        return message

    @classmethod
    def prepare(
        cls, version: int, *, encode: bool = False, decode: bool = False, decode_in_steps: bool = False
    ) -> None:
        """Compiles now what the first call of these in `version` would compile otherwise."""
        if encode and (cls, version) not in _ENCODERS:
            _compile_encoder(cls, version)
        if decode and (cls, version) not in _DECODERS:
            _compile_decoder(cls, version)
        if decode_in_steps and (cls, version) not in _SLOW_DECODERS:
            _compile_slow_decoder(cls, version)


class Response(Message):
    """What a broker answers."""


class Request(Message):
    """What a broker is asked. `response` is the class of its answer."""

    response: ClassVar[type[Response]]


_ENCODERS: dict[tuple[type[Message], int], Callable[[Struct], list[Chunk]]] = {}
_DECODERS: dict[tuple[type[Message], int], Callable[[bytes, int, bool], Struct]] = {}
_SLOW_DECODERS: dict[tuple[type[Message], int], SlowDecoder] = {}
_MALFORMED = (MalformedError, struct.error, IndexError, UnicodeDecodeError)


def api_name(message: type[Message]) -> str:
    """The name of the API as Kafka's documents have it: `Produce` for ProduceRequest and ProduceResponse."""
    return message.__name__.removesuffix("Request").removesuffix("Response")


def _compile_encoder(message: type[Message], version: int) -> Callable[[Struct], list[Chunk]]:
    _check_version(message, version)
    made = _ENCODERS[message, version] = encoder(message, version, flexible=message.is_flexible(version))
    return made


def _compile_decoder(message: type[Message], version: int) -> Callable[[bytes, int, bool], Struct]:
    _check_version(message, version)
    made = _DECODERS[message, version] = decoder(message, version, flexible=message.is_flexible(version))
    return made


def _compile_slow_decoder(message: type[Message], version: int) -> SlowDecoder:
    _check_version(message, version)
    made = _SLOW_DECODERS[message, version] = slow_decoder(message, version, flexible=message.is_flexible(version))
    return made


def _check_version(message: type[Message], version: int) -> None:
    if not message.min_version <= version <= message.max_version:
        raise ValueError(
            f"{message.__name__} has no version {version} here: use {message.min_version} to {message.max_version}"
        )


def _no_message(message: type[Message], version: int, body: bytes, error: Exception) -> ProtocolError:
    return ProtocolError(
        f"{len(body)} bytes are no {message.__name__} v{version}: {_reason(error)}; check that the peer is a Kafka "
        f"broker and that nothing between alters the bytes"
    )


def _reason(error: Exception) -> str:
    if isinstance(error, struct.error | IndexError):
        return "they end in the middle of a field"
    if isinstance(error, UnicodeDecodeError):
        return f"a string is not UTF-8 ({error.reason})"
    return str(error)


def _misfit(kind: Kind, value: object, version: int, *, where: str = "", nullable: bool = False) -> str | None:
    """What is wrong with a value that could not be encoded, and where; None if this does not find it."""
    if value is None:
        return None if nullable else f"{where} is None, which version {version} does not allow"
    if isinstance(kind, Scalar):
        return _scalar_misfit(kind, value, where)
    if isinstance(kind, Text):
        return _text_misfit(value, where)
    if isinstance(kind, Blob):
        if isinstance(value, bytes | bytearray | memoryview | Sequence) and not isinstance(value, str):
            return None
        return f"{where} is {type(value).__name__}, it has to be bytes or a sequence of bytes"
    if isinstance(kind, Array):
        if not isinstance(value, Sequence):
            return f"{where} is {type(value).__name__}, it has to be a sequence"
        parts = (_misfit(kind.element, item, version, where=f"{where}[{index}]") for index, item in enumerate(value))
        return next(filter(None, parts), None)
    if not isinstance(value, kind):
        return f"{where} is {type(value).__name__}, it has to be {kind.__name__}"
    parts = (
        _misfit(
            field.kind,
            getattr(value, field.name),
            version,
            where=f"{where}.{field.name}" if where else field.name,
            nullable=field.nullable(version),
        )
        for field in wire_fields(kind)
        if field.present(version)
    )
    return next(filter(None, parts), None)


def _scalar_misfit(kind: Scalar, value: object, where: str) -> str | None:
    try:
        struct.pack(">" + kind.letter, uuid_octets(value) if kind is UUID_BYTES else value)
    except (struct.error, TypeError) as error:
        return f"{where} is {value!r}, which is no {kind.name} ({error})"
    return None


def _text_misfit(value: object, where: str) -> str | None:
    if not isinstance(value, str):
        return f"{where} is {type(value).__name__}, it has to be str"
    try:
        length = len(value.encode())
    except UnicodeEncodeError as error:
        return f"{where} is no text that UTF-8 can hold ({error.reason})"
    return f"{where} takes {length} bytes, {MAX_STRING} is the most" if length > MAX_STRING else None
