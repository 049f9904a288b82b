"""The rules between options, each with what is a fault, what gives way, and what is left alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioproducer.config import Config
from aioproducer.configuration.rules import RULES, Draft
from aioproducer.errors import ConfigurationError


def config(**options: Any) -> Config:
    return Config.from_options("localhost:9092", client_id="test", **options)


def faults(**options: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        config(**options)
    return caught.value.faults


def test_every_value_a_rule_may_change_is_read_by_a_rule() -> None:
    assert frozenset[str]().union(*(keys for _, keys in RULES)) == frozenset(Draft.__slots__)


# Racks


def test_a_rack_that_is_not_named() -> None:
    (fault,) = faults(partitioner_rack_aware=True)
    assert fault.startswith("partitioner_rack_aware=True needs client_rack: ")
    assert config(partitioner_rack_aware=True, client_rack="a").adjustments == ()


def test_a_rack_that_nothing_looks_at() -> None:
    (adjustment,) = config(client_rack="a").adjustments
    assert adjustment == "client_rack has no effect: partitioner_rack_aware=False is set"


# Idempotence


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"acks": 1}, "acks=1"),
        ({"acks": 0}, "acks=0"),
        ({"retries": 0}, "retries=0"),
        ({"acks": 1, "retries": 0}, "acks=1 and retries=0"),
    ],
)
def test_idempotence_by_default_gives_way(options: dict[str, Any], reason: str) -> None:
    made = config(**options)
    assert not made.enable_idempotence
    assert "enable_idempotence" not in made.explicit
    adjustment, of_batches = made.adjustments
    assert of_batches.startswith("batch_max_size=16384, because with enable_idempotence=False ")
    assert adjustment.startswith(f"enable_idempotence=False, because {reason} can not be had with it: ")


@pytest.mark.parametrize("options", [{"acks": 1}, {"acks": 0}, {"retries": 0}])
def test_idempotence_asked_for_does_not(options: dict[str, Any]) -> None:
    (fault,) = faults(enable_idempotence=True, **options)
    ((key, value),) = options.items()
    assert fault.startswith(f"{key}={value} contradicts enable_idempotence=True: give {key}=")


def test_idempotence_asked_for_names_everything_in_its_way() -> None:
    found = faults(enable_idempotence=True, acks=1, retries=0, max_in_flight_requests_per_connection=6)
    assert [fault.split("=")[0] for fault in found] == ["max_in_flight_requests_per_connection", "acks", "retries"]


@pytest.mark.parametrize("options", [{}, {"acks": "all"}, {"enable_idempotence": True}, {"acks": 1}])
def test_more_than_five_in_flight_are_a_fault_unless_idempotence_is_off(options: dict[str, Any]) -> None:
    (fault,) = faults(max_in_flight_requests_per_connection=6, **options)
    assert fault.startswith("max_in_flight_requests_per_connection=6 is too many with enable_idempotence=True")
    assert fault.endswith("give at most 5, or enable_idempotence=False and accept duplicates and records out of order")


def test_without_idempotence_everything_goes() -> None:
    made = config(
        enable_idempotence=False, acks=0, retries=0, max_in_flight_requests_per_connection=1000, batch_max_size=10**6
    )
    assert made.adjustments == ()


def test_five_in_flight_and_one_retry_are_enough() -> None:
    made = config(enable_idempotence=True, acks=-1, retries=1, max_in_flight_requests_per_connection=5)
    assert made.enable_idempotence
    assert made.adjustments == ()


# Delivery timeout


def test_a_delivery_timeout_that_fits_exactly_is_accepted() -> None:
    made = config(delivery_timeout_ms=1010, linger_ms=10, request_timeout_ms=1000)
    assert (made.delivery_timeout_ms, made.adjustments) == (1010.0, ())


def test_a_delivery_timeout_given_too_short_is_a_fault() -> None:
    assert faults(delivery_timeout_ms=1009, linger_ms=10, request_timeout_ms=1000) == (
        "delivery_timeout_ms=1009 is shorter than linger_ms=10 plus request_timeout_ms=1000, so that not one attempt "
        "fits in: give at least 1010, or less of the others",
    )


def test_a_delivery_timeout_by_default_is_raised() -> None:
    made = config(request_timeout_ms=200_000)
    assert made.delivery_timeout_ms == 200_005.0
    assert made.adjustments == (
        "delivery_timeout_ms=200005, raised from 120000, because linger_ms=5 plus request_timeout_ms=200000 "
        "have to fit in",
    )


def test_the_sum_ends_where_kafkas_numbers_do() -> None:
    assert config(linger_ms=2**62).delivery_timeout_ms == 2147483647.0
    assert config(linger_ms=2**62, delivery_timeout_ms=2147483647).adjustments == ()


# Sizes


@pytest.mark.parametrize("limit", ["max_request_size", "buffer_memory"])
def test_a_batch_size_by_default_is_lowered_to_what_there_is_room_for(limit: str) -> None:
    made = config(**{limit: 1000})
    assert (made.batch_size, made.batch_max_size) == (1000, 1000)
    assert made.adjustments == (
        f"batch_size=1000, lowered from 16384, because of {limit}=1000",
        f"batch_max_size=1000, lowered from 262144, because of {limit}=1000",
    )


@pytest.mark.parametrize("limit", ["max_request_size", "buffer_memory"])
def test_a_batch_size_given_larger_than_its_room_is_a_fault(limit: str) -> None:
    (fault,) = faults(batch_size=1001, **{limit: 1000})
    assert fault.startswith(f"batch_size=1001 is larger than {limit}=1000, so that ")
    (fault,) = faults(batch_max_size=1001, **{limit: 1000})
    assert fault.startswith(f"batch_max_size=1001 is larger than {limit}=1000, so that ")
    assert config(batch_size=1000, batch_max_size=1000, **{limit: 1000}).adjustments == ()


def test_batches_grow_by_default() -> None:
    made = config()
    assert (made.batch_size, made.batch_max_size, made.adjustments) == (16384, 262144, ())


@pytest.mark.parametrize("size", [0, 16384, 10**6])
def test_a_batch_size_alone_is_the_size_of_every_batch(size: int) -> None:
    made = config(batch_size=size)
    assert (made.batch_size, made.batch_max_size) == (size, size)
    assert made.adjustments == (
        f"batch_max_size={size}, because only batch_size={size} was given: batches do not grow while they can not be "
        "sent; give batch_max_size for such as do",
    )
    assert config(batch_size=262144).adjustments == ()


def test_the_most_that_a_batch_may_have_is_no_less_than_its_size() -> None:
    (fault,) = faults(batch_size=1001, batch_max_size=1000)
    assert fault == (
        "batch_size=1001 is larger than batch_max_size=1000, the most that a batch may have: give a smaller "
        "batch_size, or more batch_max_size"
    )
    made = config(batch_max_size=500, max_request_size=1000)
    assert (made.batch_size, made.batch_max_size) == (500, 500)
    assert made.adjustments == ("batch_size=500, lowered from 16384, because of batch_max_size=500",)


@pytest.mark.parametrize("options", [{"enable_idempotence": False}, {"acks": 0}, {"acks": 1}])
def test_without_idempotence_batches_grow_only_if_asked_to(options: dict[str, Any]) -> None:
    made = config(**options)
    assert (made.batch_size, made.batch_max_size) == (16384, 16384)
    assert made.adjustments[-1] == (
        "batch_max_size=16384, because with enable_idempotence=False a batch too large for its topic may be lost or "
        "out of order: batches do not grow while they can not be sent; give batch_max_size for such as do"
    )
    assert config(**options, batch_max_size=20_000).batch_max_size == 20_000


def test_batches_of_one_record_do_not_grow() -> None:
    (fault,) = faults(batch_size=0, batch_max_size=1)
    assert fault == (
        "batch_max_size=1 contradicts batch_size=0, with which each record has a batch of its own: give "
        "batch_max_size=0, or a batch_size of 1 or more"
    )
    assert config(batch_size=0, batch_max_size=0).adjustments == ()


@pytest.mark.parametrize("limit", ["max_request_size", "buffer_memory"])
def test_room_for_less_than_one_record_is_a_fault(limit: str) -> None:
    (fault,) = faults(**{limit: 84})
    assert fault.startswith(f"{limit}=84: give a whole number from 85 ")


# Backoffs


def test_a_reconnect_backoff_alone_is_constant() -> None:
    made = config(reconnect_backoff_ms=200)
    assert (made.reconnect_backoff_ms, made.reconnect_backoff_max_ms) == (200.0, 200.0)
    assert made.adjustments[0].startswith("reconnect_backoff_max_ms=200, because only reconnect_backoff_ms=200 was")


def test_a_reconnect_backoff_alone_may_be_more_than_the_default_cap() -> None:
    made = config(reconnect_backoff_ms=5000)
    assert (made.reconnect_backoff_ms, made.reconnect_backoff_max_ms) == (5000.0, 5000.0)
    assert len(made.adjustments) == 1


def test_a_reconnect_cap_alone_leaves_the_base() -> None:
    made = config(reconnect_backoff_max_ms=10_000)
    assert (made.reconnect_backoff_ms, made.reconnect_backoff_max_ms) == (50.0, 10_000.0)
    assert made.adjustments == ()


@pytest.mark.parametrize(
    ("base", "cap"),
    [
        ("retry_backoff_ms", "retry_backoff_max_ms"),
        ("reconnect_backoff_ms", "reconnect_backoff_max_ms"),
        ("socket_connection_setup_timeout_ms", "socket_connection_setup_timeout_max_ms"),
    ],
)
def test_a_base_above_its_cap_is_constant_at_the_cap(base: str, cap: str) -> None:
    made = config(**{base: 70_000, cap: 40})
    assert (getattr(made, base), getattr(made, cap)) == (40.0, 40.0)
    assert made.adjustments == (
        f"{base}=40, lowered from 70000, because {cap}=40 is the most: it stays constant; raise {cap} to let it grow",
    )
    assert config(**{base: 30, cap: 40}).adjustments == ()


# All rules together

SMALL = st.integers(0, 3000)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "acks": st.sampled_from(["all", 0, 1]),
        "retries": st.integers(0, 2),
        "max_in_flight_requests_per_connection": st.integers(1, 7),
        "enable_idempotence": st.booleans(),
        "batch_size": SMALL,
        "batch_max_size": SMALL,
        "buffer_memory": st.integers(85, 3000),
        "max_request_size": st.integers(85, 3000),
        "linger_ms": SMALL,
        "request_timeout_ms": st.integers(1, 3000),
        "delivery_timeout_ms": SMALL,
        "retry_backoff_ms": SMALL,
        "retry_backoff_max_ms": SMALL,
        "reconnect_backoff_ms": SMALL,
        "reconnect_backoff_max_ms": SMALL,
    },
)


@given(OPTIONS)
def test_what_comes_out_keeps_every_rule_and_is_a_fixed_point(options: dict[str, Any]) -> None:
    try:
        made = config(**options)
    except ConfigurationError:
        return
    for name, value in options.items():
        if name not in ("acks", "retry_backoff_ms", "reconnect_backoff_ms"):
            assert getattr(made, name) == value
    assert made.delivery_timeout_ms >= made.linger_ms + made.request_timeout_ms
    assert made.batch_size <= made.batch_max_size <= min(made.max_request_size, made.buffer_memory)
    assert made.retry_backoff_ms <= made.retry_backoff_max_ms
    assert made.reconnect_backoff_ms <= made.reconnect_backoff_max_ms
    if made.enable_idempotence:
        assert made.acks.value == -1
        assert made.retries > 0
        assert made.max_in_flight_requests_per_connection <= 5
    again = config(**{name: getattr(made, name) for name in Draft.__slots__})
    assert again == made
    assert again.adjustments == ()
