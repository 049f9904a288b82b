"""Looking at what was given: unknown keys and their suggestions, keys that are no text, secrets stay unsaid."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from aioproducer.config import TABLE
from aioproducer.configuration.resolve import resolve
from aioproducer.errors import ConfigurationError

SERVERS = {"bootstrap_servers": "a:1"}


def fault(given: Mapping[str, object], *, dotted: bool = False) -> str:
    servers = {"bootstrap.servers": "a:1"} if dotted else SERVERS
    with pytest.raises(ConfigurationError) as caught:
        resolve(TABLE, {**servers, **given}, dotted=dotted)
    (only,) = caught.value.faults
    return only


@pytest.mark.parametrize(
    ("key", "suggestion"),
    [
        ("linger", "did you mean linger_ms?"),
        ("linger.ms", "did you mean linger_ms?"),
        ("lingerMs", "did you mean linger_ms?"),
        ("LINGER_MS", "did you mean linger_ms?"),
        ("max_batch_size", "did you mean batch_size?"),
        ("compression", "did you mean compression_type?"),
        ("enable_idempotance", "did you mean enable_idempotence?"),
        ("partitioner_class", "did you mean partitioner?"),
        ("bootstrap_server", "did you mean bootstrap_servers?"),
        ("group_id", "remove it"),
        ("", "remove it"),
    ],
)
def test_an_unknown_key_suggests_the_nearest(key: str, suggestion: str) -> None:
    assert fault({key: 1}) == f"{key}: unknown option; {suggestion}"


def test_among_properties_the_nearest_has_dots() -> None:
    assert fault({"linger_ms": "1"}, dotted=True) == "linger_ms: unknown option; did you mean linger.ms?"


def test_a_key_that_is_no_text_is_refused() -> None:
    keys: dict[object, object] = {5: "x"}
    assert fault(keys, dotted=True) == "5 is no option: a key is a str"  # type: ignore[arg-type] # the point of the test


@pytest.mark.parametrize("key", ["ssl.key.password", "sasl.jaas.config", "sasl_plain_password", "pasword"])
def test_values_of_keys_that_are_refused_stay_out_of_messages(key: str) -> None:
    assert "hunter2" not in fault({key: "hunter2"})


def test_a_rule_is_skipped_where_a_key_of_its_is_faulty() -> None:
    assert fault({"linger_ms": 10**7, "request_timeout_ms": 0, "delivery_timeout_ms": 5}).startswith("request_timeout")


def test_values_are_complete_and_explicit_ones_known() -> None:
    resolved = resolve(TABLE, {**SERVERS, "retries": 3}, dotted=False)
    assert resolved.values.keys() == TABLE.keys()
    assert resolved.explicit == {"bootstrap_servers", "retries"}
    assert resolved.adjustments == ()


def test_without_servers_the_remedy_is_their_meaning() -> None:
    with pytest.raises(ConfigurationError, match=r"^bootstrap_servers is missing: some brokers to learn the cluster"):
        resolve(TABLE, {}, dotted=False)
