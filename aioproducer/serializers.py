"""From the user's keys and values to bytes: what a serializer is, three of them, and how one is called.

Which serializer a producer uses is an option; how the bytes are laid out in a batch is `aioproducer.records`.

1. Without a serializer a key or a value is bytes-like or None.
2. None is never handed to a serializer: a record without key has no key, and a value of None is a tombstone. Else a
   serializer that writes None as some text would give all records without key the same key, and one partition.
3. A serializer may return None, which is Kafka's null.
4. What is mutable is copied: the caller may change its bytearray as soon as `send()` returns.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from aioproducer.errors import ArgumentTypeError, InvalidArgumentError, SerializationError
from aioproducer.models import BytesLike

T_contra = TypeVar("T_contra", contravariant=True)


class Serializer(Protocol[T_contra]):
    """Any callable of a topic and a value: a plain function, or an object with `__call__`."""

    def __call__(self, topic: str, value: T_contra, /) -> BytesLike | None:
        """The bytes of `value`, or None for Kafka's null. Called in `send()`, on the loop: it has to be quick."""


class BytesSerializer:
    """Bytes as they are."""

    def __call__(self, _topic: str, value: BytesLike, /) -> BytesLike:
        return value

    def __repr__(self) -> str:
        return "BytesSerializer()"


class StringSerializer:
    """Text in an encoding of Python's (UTF-8 if not said otherwise). Raises LookupError for an unknown encoding."""

    __slots__ = ("encoding",)

    def __init__(self, encoding: str = "utf-8") -> None:
        "".encode(encoding)
        self.encoding = encoding

    def __call__(self, _topic: str, value: str, /) -> bytes:
        if not isinstance(value, str):
            raise TypeError(f"a str is needed, not {type(value).__name__}")
        return value.encode(self.encoding)

    def __repr__(self) -> str:
        return f"StringSerializer({self.encoding!r})"


class JsonSerializer:
    """What `json.dumps` can write, as compact UTF-8. NaN and infinities, which are not JSON, are refused.

    default: called with an object that JSON has no word for; returns one that it has, or raises TypeError.
    sort_keys: equal mappings give equal bytes whatever their order, which a key needs.
    """

    __slots__ = ("_encode", "default", "sort_keys")

    def __init__(self, *, default: Callable[[Any], object] | None = None, sort_keys: bool = False) -> None:
        import json  # 1.3 ms, which others are spared

        self.default = default
        self.sort_keys = sort_keys
        # `json.dumps` with arguments of its own builds an encoder at each call.
        self._encode = json.JSONEncoder(
            ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=default, sort_keys=sort_keys
        ).encode

    def __call__(self, _topic: str, value: object, /) -> bytes:
        return self._encode(value).encode()

    def __repr__(self) -> str:
        return f"JsonSerializer(default={self.default!r}, sort_keys={self.sort_keys})"


def serialize(serializer: Serializer[Any] | None, topic: str, value: object, what: str) -> bytes | None:
    """`value` as the bytes of a record, or None for null. `what` is "key" or "value", for messages.

    Raises SerializationError with the serializer's own error as the cause, or if it returned something else than
    bytes; ArgumentTypeError if there is no serializer and `value` is not bytes-like.
    """
    if value is None:
        return None
    if serializer is None:
        if type(value) is bytes:
            return value
        try:
            copied = _copied(value)
        except ValueError as error:
            raise InvalidArgumentError(f"{what} of a record for {topic!r} can not be read: {error}") from error
        if copied is None:
            raise ArgumentTypeError(
                f"{what} of a record for {topic!r} is {_article(value)}; encode it to bytes, "
                f"or give the producer a {what}_serializer (aioproducer.serializers has some)"
            )
        return copied
    try:
        result = serializer(topic, value)
        if result is None or type(result) is bytes:
            return result
        copied = _copied(result)
    except Exception as error:
        raise SerializationError(
            f"{what}_serializer {_name(serializer)} could not serialize {_article(value)} for {topic!r}: "
            f"{type(error).__name__}: {error}"
        ) from error
    if copied is not None:
        return copied
    if inspect.iscoroutine(result):
        result.close()  # it will never be awaited, and would warn of it
    raise SerializationError(
        f"{what}_serializer {_name(serializer)} returned {_article(result)} for {topic!r}; return bytes or None"
    )


def _article(value: object) -> str:
    return f"an object of type {type(value).__name__}"


def _name(serializer: object) -> str:
    return getattr(serializer, "__qualname__", None) or type(serializer).__qualname__


__all__ = ["BytesSerializer", "JsonSerializer", "Serializer", "StringSerializer", "serialize"]


def _copied(value: object) -> bytes | None:
    """The bytes of anything bytes-like, None for what is not. Raises ValueError for a view that was released."""
    try:
        return memoryview(value).tobytes()  # type: ignore[arg-type]  # whether it is bytes-like is the question
    except TypeError:
        return None
