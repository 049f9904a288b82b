from __future__ import annotations

import pytest

from aioproducer.protocol.requests import REQUESTS
from aioproducer.testing.releases import (
    API_VERSIONS,
    INIT_PRODUCER_ID,
    LATEST,
    METADATA,
    PRODUCE,
    RELEASES,
    release_named,
)

SPOKEN = {key: (request.min_version, request.max_version) for key, request in REQUESTS.items()}


@pytest.mark.parametrize(
    ("name", "newest"),
    [
        ("2.1", (7, 7, 2, 1)),
        ("2.8", (9, 11, 3, 4)),
        ("3.9", (11, 12, 4, 5)),
        ("4.0", (12, 13, 4, 5)),
        ("4.3", (13, 13, 4, 5)),
    ],
)
def test_the_table_is_read_by_column(name: str, newest: tuple[int, ...]) -> None:
    versions = release_named(name, SPOKEN).versions
    assert tuple(versions[key][1] for key in (PRODUCE, METADATA, API_VERSIONS, INIT_PRODUCER_ID)) == newest


@pytest.mark.parametrize("name", RELEASES)
def test_every_release_serves_every_api_in_versions_that_are_spoken(name: str) -> None:
    offered = release_named(name, SPOKEN)
    assert offered.versions.keys() == REQUESTS.keys()
    for key, (first, last) in offered.versions.items():
        assert SPOKEN[key][0] <= first <= last <= SPOKEN[key][1]
        assert offered.serves(key, last)
        assert not offered.serves(key, last + 1)
        assert not offered.serves(key, first - 1)


def test_what_no_release_serves() -> None:
    assert not release_named(LATEST, SPOKEN).serves(999, 0)


def test_releases_know_their_order() -> None:
    assert [name for name in RELEASES if release_named(name, SPOKEN).at_least("4.0")] == ["4.0", "4.1", "4.2", "4.3"]


def test_an_unknown_release_is_refused_with_the_ones_there_are() -> None:
    with pytest.raises(ValueError, match=r"release='1.0'.*2\.1.*4\.3"):
        release_named("1.0", SPOKEN)
