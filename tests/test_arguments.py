"""What `send()` may be given, and what is said of the rest."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioproducer.arguments import (
    check_callback,
    check_headers,
    check_partition,
    check_size,
    check_timeout,
    check_timestamp,
    check_topic,
)
from aioproducer.errors import ArgumentTypeError, InvalidArgumentError, InvalidTopicError, RecordTooLargeError
from aioproducer.records.batch import HEADER_SIZE
from aioproducer.records.builder import RecordsBuilder
from aioproducer.records.headers import NO_HEADERS


class Bytes(bytes):
    pass


@pytest.mark.parametrize("topic", ["a", "A.b_c-9", "x" * 249, "...", "__consumer_offsets"])
def test_topics(topic: str) -> None:
    check_topic(topic)


@pytest.mark.parametrize("topic", ["", ".", "..", "x" * 250, "a b", "a/b", "ä", "a\n", "a:b"])
def test_topics_that_kafka_refuses(topic: str) -> None:
    with pytest.raises(InvalidTopicError, match="1 to 249 of a-z"):
        check_topic(topic)


@pytest.mark.parametrize("topic", [None, b"orders", 5])
def test_topics_of_the_wrong_type(topic: object) -> None:
    with pytest.raises(ArgumentTypeError, match=r"topic=.* give a str"):
        check_topic(topic)


def test_a_topic_that_is_far_too_long_is_not_repeated_in_full() -> None:
    with pytest.raises(InvalidTopicError) as raised:
        check_topic("x" * 100_000)
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize("partition", [0, 7, 2**31 - 1])
def test_partitions(partition: int) -> None:
    check_partition(partition)


@pytest.mark.parametrize("partition", [-1, 2**31])
def test_partitions_out_of_range(partition: int) -> None:
    with pytest.raises(InvalidArgumentError, match=f"partition={partition}"):
        check_partition(partition)


@pytest.mark.parametrize("partition", [True, 1.0, "1"])
def test_partitions_of_the_wrong_type(partition: object) -> None:
    with pytest.raises(ArgumentTypeError, match=r"partition=.* give an int"):
        check_partition(partition)


@pytest.mark.parametrize("timestamp", [0, 1_700_000_000_000, 2**63 - 1])
def test_timestamps(timestamp: int) -> None:
    check_timestamp(timestamp)


@pytest.mark.parametrize("timestamp", [-1, 2**63])
def test_timestamps_out_of_range(timestamp: int) -> None:
    with pytest.raises(InvalidArgumentError, match=f"timestamp_ms={timestamp}"):
        check_timestamp(timestamp)


@pytest.mark.parametrize("timestamp", [True, 1.7e12, "now"])
def test_timestamps_of_the_wrong_type(timestamp: object) -> None:
    with pytest.raises(ArgumentTypeError, match="milliseconds since the epoch"):
        check_timestamp(timestamp)


def test_headers_are_copied_as_bytes() -> None:
    value = bytearray(b"later changed")
    headers: list[Any] = [("a", value), ["a", memoryview(b"view")], ("ü", None), ("", b""), ("s", Bytes(b"sub"))]
    checked = check_headers(headers)
    value[:] = b"!"
    headers.clear()
    assert checked == [("a", b"later changed"), ("a", b"view"), ("ü", None), ("", b""), ("s", b"sub")]
    assert all(type(content) in (bytes, type(None)) for _, content in checked)


def test_headers_from_a_generator() -> None:
    assert check_headers((name, b"1") for name in "ab") == [("a", b"1"), ("b", b"1")]


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"a": b"1"}, r"dict.*list\(headers\.items\(\)\)"),
        ("ab", "str"),
        (b"ab", "bytes"),
        (5, "int"),
        ([("a",)], "pair"),
        (["ab"], "pair"),
        ([(b"a", b"1")], "give a str"),
        ([("a", "1")], "encode it to bytes"),
        ([("a", 1)], "encode it to bytes"),
    ],
)
def test_headers_of_the_wrong_type(headers: Any, says: str) -> None:
    with pytest.raises(ArgumentTypeError, match=says):
        check_headers(headers)


def test_a_header_key_that_is_no_text() -> None:
    with pytest.raises(InvalidArgumentError, match="UTF-8"):
        check_headers([("\ud800", b"")])


class AsyncCallable:
    async def __call__(self, _metadata: object, _error: object) -> None: ...


async def coroutine_function(_metadata: object, _error: object) -> None: ...


@pytest.mark.parametrize("callback", [print, lambda _metadata, _error: None, [].append, partial(print, 1)])
def test_callbacks(callback: object) -> None:
    check_callback(callback)


@pytest.mark.parametrize("callback", [None, 5, "print"])
def test_callbacks_that_can_not_be_called(callback: object) -> None:
    with pytest.raises(ArgumentTypeError, match="can not be called"):
        check_callback(callback)


@pytest.mark.parametrize("callback", [coroutine_function, partial(coroutine_function, None), AsyncCallable()])
def test_callbacks_that_nobody_would_await(callback: object) -> None:
    with pytest.raises(ArgumentTypeError, match="coroutine function"):
        check_callback(callback)


@pytest.mark.parametrize("option", ["max_request_size", "buffer_memory"])
def test_sizes(option: str) -> None:
    limits = {"max_request_size": 10_000, "buffer_memory": 10_000, option: 1000}
    # 61 + 21, no key: 1, no headers: 1, and the value with two bytes of its length.
    check_size("orders", None, b"x" * (1000 - 86), NO_HEADERS, **limits)
    with pytest.raises(RecordTooLargeError, match=f"'orders' takes 1001 bytes .* {option}=1000") as raised:
        check_size("orders", None, b"x" * (1000 - 85), NO_HEADERS, **limits)
    assert raised.value.code == 10


@given(st.none() | st.binary(max_size=200), st.none() | st.binary(max_size=20_000))
def test_what_passes_fits(key: bytes | None, value: bytes | None) -> None:
    builder = RecordsBuilder()
    size = builder.append(key, value, NO_HEADERS, 0, 1 << 20)
    limit = size + HEADER_SIZE - 1
    with pytest.raises(RecordTooLargeError):
        check_size("orders", key, value, NO_HEADERS, 1 << 20, limit)


@pytest.mark.parametrize("timeout", [None, 0, 1, 0.5, float("inf")])
def test_timeouts(timeout: float | None) -> None:
    check_timeout("flush()", timeout)


@pytest.mark.parametrize("timeout", [-1, -0.001, float("nan")])
def test_timeouts_out_of_range(timeout: float) -> None:
    with pytest.raises(InvalidArgumentError, match=r"flush\(\): timeout="):
        check_timeout("flush()", timeout)


@pytest.mark.parametrize("timeout", [True, "1"])
def test_timeouts_of_the_wrong_type(timeout: Any) -> None:
    with pytest.raises(ArgumentTypeError, match=r"flush\(\): timeout=.* give seconds"):
        check_timeout("flush()", timeout)
