from __future__ import annotations

import pytest

from aioproducer.testing.faults import CONNECT, WHOLE_TOPIC, Fault, Kind
from aioproducer.testing.orders import Target, aimed, api_key, code_of


@pytest.mark.parametrize(
    ("name", "key"),
    [("produce", 0), ("InitProducerId", 22), ("init_producer_id", 22), ("API_VERSIONS", 18), ("connect", CONNECT)],
)
def test_apis_have_their_names_in_any_spelling(name: str, key: int) -> None:
    assert api_key(name) == key


def test_an_unknown_api_is_answered_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"api='prodjuce'.*metadata, produce"):
        api_key("prodjuce")


def test_codes_are_numbers_or_names() -> None:
    assert (code_of(-1), code_of(4711), code_of("NOT_ENOUGH_REPLICAS")) == (-1, 4711, 19)
    with pytest.raises(ValueError, match="error_code='NO_SUCH'"):
        code_of("NO_SUCH")


@pytest.mark.parametrize(
    ("given", "stored"), [(None, None), (("t", 1), ("t", 1)), ("t", ("t", WHOLE_TOPIC))], ids=["any", "one", "topic"]
)
def test_what_is_aimed_at(given: tuple[str, int] | str | None, stored: tuple[str, int] | None) -> None:
    fault = aimed(Fault(kind=Kind.DELAY, api=0), {"partition": given, "broker": 2, "times": None, "skip": 4})
    assert (fault.partition, fault.broker, fault.times, fault.skip) == (stored, 2, None, 4)


def test_by_default_it_is_the_next_request() -> None:
    fault = aimed(Fault(kind=Kind.DELAY, api=0), {})
    assert (fault.partition, fault.broker, fault.times, fault.skip) == (None, None, 1, 0)


def test_misspelt_arguments_are_refused() -> None:
    with pytest.raises(TypeError, match=r"\['tmies'\]"):
        aimed(Fault(kind=Kind.DELAY, api=0), {"tmies": 2})  # type: ignore[typeddict-unknown-key]  # wrong on purpose


@pytest.mark.parametrize(
    ("kind", "after", "target"),
    [
        (Kind.ERROR, False, {}),
        (Kind.THROTTLE, False, {}),
        (Kind.CUT_FRAME, False, {}),
        (Kind.DELAY, True, {}),
        (Kind.DELAY, False, {"partition": "t"}),
    ],
)
def test_what_a_new_connection_can_not_suffer(kind: Kind, after: bool, target: Target) -> None:
    with pytest.raises(ValueError, match=f"{kind.value} on 'connect'"):
        aimed(Fault(kind=kind, api=CONNECT, after=after), target)
