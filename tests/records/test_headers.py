"""Headers as bytes: the usual way says what the careful one does, or nothing; what is remembered of them is bounded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka.record.default_records import DefaultRecordBatch as AiokafkaBatch
from hypothesis import given
from hypothesis import strategies as st

from aioproducer.models import Headers
from aioproducer.records import headers as module
from aioproducer.records.batch import encode_header
from aioproducer.records.builder import RecordsBuilder
from aioproducer.records.headers import NO_HEADERS, encode_headers, encode_usual_headers

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(["h", "ключ", "h" * 300])
CONTENTS = st.none() | st.binary(max_size=70) | st.sampled_from([b"x" * 8191, b"x" * 8192])


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    forget()
    yield
    forget()


def forget() -> None:
    known_keys().clear()
    known_headers().clear()


def known_keys() -> dict[str, bytes]:
    known: dict[str, bytes] = vars(module)["_known_keys"]
    return known


def known_headers() -> dict[tuple[Any, ...], bytes]:
    known: dict[tuple[Any, ...], bytes] = vars(module)["_known_headers"]
    return known


def read(tail: bytes) -> list[tuple[str, bytes | None]]:
    """What a foreign reader finds."""
    builder = RecordsBuilder()
    builder.append(None, b"v", tail, 1000, 1 << 40)
    section = builder.build()
    header = encode_header(records=section, codec_id=0, count=1, base_timestamp=1000, max_timestamp=1000)
    (record,) = AiokafkaBatch(header + section)
    return [*record.headers]


def test_no_headers() -> None:
    assert encode_headers(()) == encode_usual_headers([]) == NO_HEADERS
    assert read(NO_HEADERS) == []


@given(st.lists(st.tuples(NAMES, CONTENTS), max_size=5))
def test_both_ways_say_the_same(headers: list[tuple[str, bytes | None]]) -> None:
    forget()
    careful = encode_headers(headers)
    assert read(careful) == headers
    # The keys are known now. Twice, for the second time they are all known together.
    for _ in range(2):
        for given_as in (headers, tuple(headers)):
            assert encode_usual_headers(given_as) in (careful, None)
    if all(len(name) < 200 // 4 and len(content or b"") < 8192 for name, content in headers):
        assert encode_usual_headers(headers) == careful


def test_keys_that_have_not_come_before_are_looked_at() -> None:
    assert encode_usual_headers([("new", b"1")]) is None
    encode_headers([("new", b"1")])
    assert encode_usual_headers([("new", b"2")]) == b"\2\6new\2" + b"2"


@pytest.mark.parametrize(
    "headers",
    [
        {("a", b"1"): 1},
        iter([("a", b"1")]),
        "a",
        5,
        [("a", "1")],
        [("a", bytearray(b"1"))],
        [("a", memoryview(b"2"))],
        [["a", b"1"]],
        [("a", b"1", b"2")],
        [("a",)],
        [(b"a", b"1")],
        [(["a"], b"1")],
        [None],
        [("a", 1)],
    ],
)
def test_what_is_not_usual_is_looked_at(headers: Any) -> None:
    encode_headers([("a", b"1")])
    assert encode_usual_headers([("a", b"1")]) is not None
    assert encode_usual_headers(headers) is None


def test_headers_are_taken_as_they_are_now() -> None:
    headers: list[tuple[str, bytes | None]] = [("a", b"1")]
    encode_headers(headers)
    first = encode_usual_headers(headers)
    headers.append(("a", b"2"))
    assert encode_usual_headers(headers) == encode_headers([("a", b"1"), ("a", b"2")])
    assert encode_usual_headers([("a", b"1")]) == first == encode_headers([("a", b"1")])


def test_more_than_the_tables_hold() -> None:
    headers: Headers = [("h", b"")] * 8193
    assert read(encode_headers(headers)) == headers
    assert encode_usual_headers(headers) is None


def test_what_is_remembered_of_keys_is_bounded() -> None:
    for number in range(2500):
        encode_headers([(f"key-{number}", b""), ("k" * 300, b"")])
        assert len(known_keys()) <= 1024
    assert "key-2499" in known_keys()
    assert "k" * 300 not in known_keys()


def test_what_is_remembered_of_headers_is_bounded() -> None:
    encode_headers([("id", b""), ("large", b"")])
    encode_usual_headers([("large", b"x" * 600)])
    assert known_headers() == {}
    for number in range(600):
        headers = [("id", b"%d" % number)]
        assert encode_usual_headers(headers) == encode_headers(headers)
    assert len(known_headers()) == 256
    assert (("id", b"0"),) in known_headers()


def test_a_key_that_is_no_text() -> None:
    with pytest.raises(UnicodeEncodeError):
        encode_headers([("fine", b""), ("\ud800", b"")])
    assert encode_usual_headers([("fine", b""), ("\ud800", b"")]) is None


def test_a_key_that_is_more_than_text_is_not_remembered() -> None:
    class Name(str):
        __slots__ = ("ballast",)

    encode_headers([("h", b"x")])
    usual = encode_usual_headers([(Name("h"), b"x")])
    assert usual == encode_headers([("h", b"x")])
    encode_headers([(Name("other"), b"x")])
    assert not known_headers()
    assert list(known_keys()) == ["h"]
