"""Serializers, and the one way in which they are called."""

from __future__ import annotations

import array
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioproducer.errors import ArgumentTypeError, InvalidArgumentError, SerializationError
from aioproducer.serializers import BytesSerializer, JsonSerializer, Serializer, StringSerializer, serialize

ALL: list[Serializer[Any] | None] = [None, BytesSerializer(), StringSerializer(), JsonSerializer()]


@pytest.mark.parametrize("serializer", ALL, ids=repr)
def test_none_is_null_whatever_the_serializer(serializer: Serializer[Any] | None) -> None:
    assert serialize(serializer, "orders", None, "key") is None


@pytest.mark.parametrize("serializer", [None, BytesSerializer()], ids=repr)
@pytest.mark.parametrize(
    "value", [b"", b"abc", bytearray(b"abc"), memoryview(b"abc"), memoryview(b"aXbXcX")[::2], array.array("b", b"abc")]
)
def test_bytes_like_values_are_bytes_afterwards(serializer: Serializer[Any] | None, value: bytes) -> None:
    result = serialize(serializer, "orders", value, "value")
    assert type(result) is bytes
    assert result == bytes(value)


@pytest.mark.parametrize("serializer", [None, BytesSerializer()], ids=repr)
def test_what_is_mutable_is_copied(serializer: Serializer[Any] | None) -> None:
    value = bytearray(b"abc")
    result = serialize(serializer, "orders", value, "value")
    value[:] = b"xyz"
    assert result == b"abc"


def test_bytes_are_not_copied() -> None:
    value = b"abc" * 1000
    assert serialize(None, "orders", value, "value") is value


@pytest.mark.parametrize("value", ["text", 1, 1.5, {"a": 1}, [b"a"], object()])
def test_without_a_serializer_other_values_are_refused_with_the_remedy(value: object) -> None:
    with pytest.raises(ArgumentTypeError, match="give the producer a key_serializer") as caught:
        serialize(None, "orders", value, "key")
    assert f"key of a record for 'orders' is an object of type {type(value).__name__}" in str(caught.value)


def test_a_view_that_was_released_is_refused() -> None:
    view = memoryview(b"abc")
    view.release()
    with pytest.raises(InvalidArgumentError, match=r"value of a record for 'orders' can not be read: .*released"):
        serialize(None, "orders", view, "value")


def test_a_plain_function_is_a_serializer_and_is_told_the_topic() -> None:
    def tagged(topic: str, value: int) -> bytes:
        return f"{topic}:{value}".encode()

    assert serialize(tagged, "orders", 7, "value") == b"orders:7"


def test_a_serializer_may_return_null() -> None:
    assert serialize(lambda topic, value: None, "orders", "x", "value") is None


def test_an_error_of_the_serializer_is_the_cause() -> None:
    def broken(topic: str, value: object) -> bytes:
        raise KeyError("id")

    with pytest.raises(
        SerializationError, match=r"value_serializer .*broken .* of type dict for 'orders': KeyError"
    ) as e:
        serialize(broken, "orders", {}, "value")
    assert isinstance(e.value.__cause__, KeyError)


@pytest.mark.parametrize("result", ["text", 1, [b"a"], object()])
def test_what_is_not_bytes_is_refused(result: object) -> None:
    def wrong(topic: str, value: object) -> Any:
        return result

    with pytest.raises(SerializationError, match=r"returned an object of type .*; return bytes or None"):
        serialize(wrong, "orders", "x", "key")


def test_a_coroutine_is_refused_and_does_not_warn_of_having_been_forgotten() -> None:
    async def unfit(topic: str, value: object) -> bytes:
        return b""

    wrong: Callable[..., Any] = unfit
    with pytest.raises(SerializationError, match="returned an object of type coroutine"):
        serialize(wrong, "orders", "x", "key")


def test_cancellation_and_interrupts_pass_through() -> None:
    def interrupted(topic: str, value: object) -> bytes:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        serialize(interrupted, "orders", "x", "key")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_comes_back(text: str) -> None:
    assert StringSerializer()("orders", text).decode() == text
    assert StringSerializer("utf-16-le")("orders", text).decode("utf-16-le") == text


def test_text_that_the_encoding_lacks_is_refused() -> None:
    with pytest.raises(SerializationError, match="UnicodeEncodeError"):
        serialize(StringSerializer("ascii"), "orders", "é", "value")


def test_an_unknown_encoding_is_refused_when_the_serializer_is_made() -> None:
    with pytest.raises(LookupError, match="klingon"):
        StringSerializer("klingon")


@pytest.mark.parametrize("value", [b"abc", 1])
def test_only_text_is_text(value: object) -> None:
    with pytest.raises(SerializationError, match="a str is needed, not"):
        serialize(StringSerializer(), "orders", value, "value")


def test_json_is_compact_utf8() -> None:
    assert JsonSerializer()("orders", {"b": [1, 2.5, None], "a": "é"}) == '{"b":[1,2.5,null],"a":"é"}'.encode()


def test_json_with_sorted_keys_is_the_same_for_equal_mappings() -> None:
    sort = JsonSerializer(sort_keys=True)
    assert sort("orders", {"b": 1, "a": 2}) == sort("orders", {"a": 2, "b": 1}) == b'{"a":2,"b":1}'


def test_json_asks_default_for_what_it_has_no_word_for() -> None:
    assert JsonSerializer(default=sorted)("orders", {3, 1, 2}) == b"[1,2,3]"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, "\ud800"])
def test_what_is_not_json_is_refused(value: object) -> None:
    with pytest.raises(SerializationError):
        serialize(JsonSerializer(), "orders", value, "value")


@pytest.mark.parametrize(
    ("serializer", "text"),
    [
        (BytesSerializer(), "BytesSerializer()"),
        (StringSerializer("latin-1"), "StringSerializer('latin-1')"),
        (JsonSerializer(sort_keys=True), "JsonSerializer(default=None, sort_keys=True)"),
    ],
)
def test_repr_says_how_it_was_made(serializer: object, text: str) -> None:
    assert repr(serializer) == text
