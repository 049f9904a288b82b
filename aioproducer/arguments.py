"""The checks of what `send()` is given, one per argument: whether it can be used at all. What it means is decided
elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from inspect import iscoroutinefunction
from typing import Any

from aioproducer.errors import ArgumentTypeError, InvalidArgumentError, InvalidTopicError, RecordTooLargeError
from aioproducer.models import Headers
from aioproducer.records.builder import record_size_bound

_LEGAL_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}\Z")
_LAST_PARTITION = 2**31 - 1
_LAST_TIMESTAMP = 2**63 - 1


def check_topic(topic: object) -> None:
    """Kafka's rules for names (org.apache.kafka.common.internals.Topic)."""
    if not isinstance(topic, str):
        raise ArgumentTypeError(f"topic={topic!r} is {type(topic).__name__}: give a str")
    if topic in (".", "..") or not _LEGAL_TOPIC.match(topic):
        raise InvalidTopicError(
            f"topic={topic[:260]!r} is no name that Kafka allows: use 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-', "
            "and not '.' or '..' alone"
        )


def check_partition(partition: object) -> None:
    if type(partition) is not int:
        raise ArgumentTypeError(f"partition={partition!r} is {type(partition).__name__}: give an int, or None")
    if not 0 <= partition <= _LAST_PARTITION:
        raise InvalidArgumentError(f"partition={partition} is out of range: partitions count from 0")


def check_timestamp(timestamp_ms: object) -> None:
    if type(timestamp_ms) is not int:
        raise ArgumentTypeError(
            f"timestamp_ms={timestamp_ms!r} is {type(timestamp_ms).__name__}: give an int, milliseconds since the epoch"
        )
    if not 0 <= timestamp_ms <= _LAST_TIMESTAMP:
        raise InvalidArgumentError(f"timestamp_ms={timestamp_ms} is out of range: give milliseconds since the epoch")


def check_headers(headers: Iterable[Any]) -> Headers:
    """The headers as a list of (str, bytes or None), copied: the caller may change his own afterwards."""
    if isinstance(headers, dict | str | bytes) or not hasattr(headers, "__iter__"):
        raise ArgumentTypeError(
            f"headers={headers!r} is {type(headers).__name__}: give a sequence of (str, bytes) pairs"
            + (", as list(headers.items())" if isinstance(headers, dict) else "")
        )
    checked: list[tuple[str, bytes | None]] = []
    for header in headers:
        if not isinstance(header, tuple | list) or len(header) != 2:
            raise ArgumentTypeError(f"headers: {header!r} is not a pair of a str and bytes")
        name, value = header
        if not isinstance(name, str):
            raise ArgumentTypeError(f"headers: the key {name!r} is {type(name).__name__}: give a str")
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise InvalidArgumentError(f"headers: the key {name!r} can not be written as UTF-8: {error}") from error
        if value is not None and type(value) is not bytes:
            try:
                value = memoryview(value).tobytes()
            except TypeError:
                raise ArgumentTypeError(
                    f"headers: the value of {name!r} is {type(value).__name__}: encode it to bytes, or give None"
                ) from None
        checked.append((name, value))
    return checked


def check_callback(on_delivery: object) -> None:
    if not callable(on_delivery):
        raise ArgumentTypeError(f"on_delivery={on_delivery!r} can not be called: give a function of (metadata, error)")
    if iscoroutinefunction(on_delivery) or iscoroutinefunction(type(on_delivery).__call__):
        raise ArgumentTypeError(
            f"on_delivery={on_delivery!r} is a coroutine function, which nobody would await: give a plain function, or "
            "await the delivery"
        )


def check_size(
    topic: str, key: bytes | None, value: bytes | None, tail: bytes, max_request_size: int, buffer_memory: int
) -> None:
    """Java's test: the most bytes that a batch with this record alone can have, uncompressed. `tail` is its headers."""
    size = record_size_bound(key, value, tail)
    for option, limit in (("max_request_size", max_request_size), ("buffer_memory", buffer_memory)):
        if size > limit:
            raise RecordTooLargeError(
                f"a record to {topic!r} takes {size} bytes with its overhead, and {option}={limit}: send less, or "
                "raise it (a broker has a limit of its own, message.max.bytes)"
            )


def check_timeout(call: str, timeout: float | None) -> None:
    if timeout is None:
        return
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise ArgumentTypeError(f"{call}: timeout={timeout!r} is {type(timeout).__name__}: give seconds, or None")
    if not timeout >= 0:
        raise InvalidArgumentError(f"{call}: timeout={timeout!r} is out of range: give seconds from 0 up, or None")
