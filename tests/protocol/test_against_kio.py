"""Every API in every version we speak, byte for byte against kio, in both directions."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aioproducer.protocol.requests import REQUESTS
from aioproducer.protocol.schema import api_name
from tests.protocol.judge import Case, kio_bytes, ours

CASES = [
    Case(message, version)
    for request in REQUESTS.values()
    for message in (request, request.response)
    for version in range(message.min_version, message.max_version + 1)
]


@pytest.mark.parametrize("case", CASES, ids=str)
@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_bytes_and_values_are_those_of_kio(case: Case, data: st.DataObject) -> None:
    theirs = data.draw(case.values())
    message = ours(theirs, case.message, case.version)
    assert isinstance(message, case.message)
    body = kio_bytes(theirs)
    assert b"".join(message.encode(case.version)) == body
    assert case.message.decode(body, case.version) == message
    assert case.message.decode(memoryview(body), case.version) == message


def test_every_api_and_version_is_judged() -> None:
    counts = Counter(api_name(case.message) for case in CASES)
    assert counts == {
        "Produce": 2 * 11,
        "Fetch": 2 * 15,
        "ListOffsets": 2 * 11,
        "Metadata": 2 * 13,
        "FindCoordinator": 2 * 7,
        "ApiVersions": 2 * 5,
        "CreateTopics": 2 * 6,
        "InitProducerId": 2 * 6,
    }
