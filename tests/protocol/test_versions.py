from __future__ import annotations

import pytest

from aioproducer.errors import UnsupportedVersionError
from aioproducer.protocol.messages.api_versions import ApiVersion, ApiVersionsResponse
from aioproducer.protocol.messages.init_producer_id import InitProducerIdRequest
from aioproducer.protocol.messages.metadata import MetadataRequest
from aioproducer.protocol.messages.produce import ProduceRequest
from aioproducer.protocol.requests import REQUESTS
from aioproducer.protocol.schema import api_name
from aioproducer.protocol.versions import BrokerVersions, api_name_of


def broker(**ranges: tuple[int, int]) -> BrokerVersions:
    keys = {api_name_of(key): key for key in REQUESTS}
    return BrokerVersions(
        ApiVersionsResponse(
            api_keys=[
                ApiVersion(api_key=keys[name], min_version=first, max_version=last)
                for name, (first, last) in ranges.items()
            ]
        )
    )


@pytest.mark.parametrize(
    ("offered", "picked"),
    [((0, 13), 13), ((0, 7), 7), ((3, 3), 3), ((13, 20), 13), ((0, 99), 13), ((5, 9), 9)],
)
def test_the_highest_version_in_common(offered: tuple[int, int], picked: int) -> None:
    assert broker(Produce=offered).pick(ProduceRequest) == picked


@pytest.mark.parametrize(("at_most", "picked"), [(12, 12), (7, 7), (99, 13)])
def test_not_above_what_is_asked(at_most: int, picked: int) -> None:
    assert broker(Produce=(0, 13)).pick(ProduceRequest, at_most) == picked


@pytest.mark.parametrize("offered", [(0, 2), (14, 20), (5, 4)])
def test_nothing_in_common(offered: tuple[int, int]) -> None:
    with pytest.raises(UnsupportedVersionError, match="no version of Produce in common"):
        broker(Produce=offered).pick(ProduceRequest)


def test_the_error_names_both_ranges() -> None:
    with pytest.raises(UnsupportedVersionError, match=r"broker offers 0-2, this client speaks 3-13; use a broker of"):
        broker(Produce=(0, 2)).pick(ProduceRequest)
    with pytest.raises(UnsupportedVersionError, match=r"InitProducerId in common: the broker offers none, this client"):
        broker(Produce=(0, 2)).pick(InitProducerIdRequest)
    with pytest.raises(UnsupportedVersionError, match=r"offers 13-13, this client speaks 3-13, at most 12 for what is"):
        broker(Produce=(13, 13)).pick(ProduceRequest, 12)


def test_a_broker_that_still_lists_what_it_refuses() -> None:
    # Brokers since 4.0 list Produce from 0 for the sake of one old client, yet refuse versions below 3.
    with pytest.raises(UnsupportedVersionError):
        broker(Produce=(0, 13)).pick(ProduceRequest, 2)


def test_what_a_broker_offers() -> None:
    versions = broker(Metadata=(0, 12), Produce=(5, 4))
    assert versions.offers(MetadataRequest.api_key) == range(13)
    assert not versions.offers(ProduceRequest.api_key)
    assert versions.offers(99) is None
    assert "Metadata 0-12" in repr(versions)
    assert "Produce none" in repr(versions)


def test_names_of_apis() -> None:
    assert [api_name_of(key) for key in (0, 1, 2, 3, 10, 18, 19, 22)] == [
        "Produce",
        "Fetch",
        "ListOffsets",
        "Metadata",
        "FindCoordinator",
        "ApiVersions",
        "CreateTopics",
        "InitProducerId",
    ]
    assert api_name_of(42) == "API 42"
    assert {key: api_name_of(key) for key in REQUESTS} == {key: api_name(REQUESTS[key]) for key in REQUESTS}
