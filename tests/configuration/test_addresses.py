"""Reading `bootstrap_servers`."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioproducer.configuration.addresses import Address, parse_address, parse_addresses


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost:9092", Address("localhost", 9092)),
        ("kafka_1.internal-net:1", Address("kafka_1.internal-net", 1)),
        ("127.0.0.1:65535", Address("127.0.0.1", 65535)),
        ("[::1]:9092", Address("::1", 9092)),
        ("[fe80::1%eth0]:9092", Address("fe80::1%eth0", 9092)),
    ],
)
def test_an_address_is_read_and_written(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("localhost", "has no port; add it, as in 'localhost:9092'"),
        ("[::1]", "has no port; add it, as in '[::1]:9092'"),
        (":9092", "has no host"),
        ("a:", "has the port ''"),
        ("a:0", "a port is a number from 1 to 65535"),
        ("a:65536", "a port is a number from 1 to 65535"),
        ("a:" + "9" * 5000, "a port is a number from 1 to 65535"),
        ("a:+80", "a port is a number"),
        ("a:٣", "a port is a number"),
        ("a:90 92", "a port is a number"),
        ("::1:9092", "put an IPv6 address in brackets"),
        ("[]:9092", "no IPv6 address between its brackets"),
        ("[a]:9092", "no IPv6 address between its brackets"),
        ("PLAINTEXT://a:9092", "has a scheme; write host:port alone"),
        ("http://a:9092/x", "has a scheme"),
        ("a b:9092", "has the host 'a b'"),
        ("a/b:9092", "has the host 'a/b'"),
        ("ä:9092", "has the host 'ä'"),
    ],
)
def test_what_is_no_address_says_why(text: str, reason: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the reason is compared
        parse_address(text)
    assert reason in str(caught.value)


@given(st.text() | st.from_regex(r"[a:.\[\]0-9%-]{1,12}:[0-9]{1,5}", fullmatch=True))
def test_any_text_is_an_address_that_can_be_written_or_a_value_error(text: str) -> None:
    address = None
    with contextlib.suppress(ValueError):
        address = parse_address(text)
    assert address is None or parse_address(str(address)) == address


def test_a_list_keeps_its_order_and_drops_repetitions() -> None:
    expected = (Address("b", 1), Address("a", 2))
    assert parse_addresses(" b:1, a:2 ,b:1") == expected
    assert parse_addresses(["b:1", "a:2", "b:1"]) == expected


@pytest.mark.parametrize(
    ("servers", "reason"),
    [
        ("", "it is empty"),
        (" ", "it is empty"),
        ([], "it is empty"),
        ("a:1,", "it has an empty entry"),
        (",,", "it has an empty entry; remove it"),
        ("a,b:1,c", "'a' has no port; add it, as in 'a:9092', 'c' has no port; add it, as in 'c:9092'"),
    ],
)
def test_a_list_names_every_entry_that_is_wrong(servers: str | list[str], reason: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the reason is compared
        parse_addresses(servers)
    assert str(caught.value).startswith(reason)
