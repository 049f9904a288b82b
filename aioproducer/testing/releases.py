"""Which versions of which API a release of Kafka offers. A table; what the versions mean is in `aioproducer.protocol`.

Releases between two columns offer what the older one does. Bounds are cut to what this package can speak.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PRODUCE, FETCH, LIST_OFFSETS, METADATA, FIND_COORDINATOR = 0, 1, 2, 3, 10
API_VERSIONS, CREATE_TOPICS, INIT_PRODUCER_ID = 18, 19, 22

RELEASES = ("2.1", "2.4", "2.5", "2.7", "2.8", "3.3", "3.7", "3.9", "4.0", "4.1", "4.2", "4.3")
LATEST = "4.3"

_NEWEST: Mapping[int, tuple[int, ...]] = {
    PRODUCE: (7, 8, 8, 8, 9, 9, 10, 11, 12, 13, 13, 13),
    FETCH: (10, 11, 11, 12, 12, 13, 16, 17, 17, 17, 18, 18),
    LIST_OFFSETS: (4, 5, 5, 5, 6, 7, 8, 9, 10, 10, 11, 11),
    METADATA: (7, 9, 9, 9, 11, 12, 12, 12, 13, 13, 13, 13),
    FIND_COORDINATOR: (2, 3, 3, 3, 3, 4, 4, 6, 6, 6, 6, 6),
    API_VERSIONS: (2, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4),
    CREATE_TOPICS: (3, 5, 5, 6, 7, 7, 7, 7, 7, 7, 7, 7),
    INIT_PRODUCER_ID: (1, 2, 3, 4, 4, 4, 4, 5, 5, 5, 5, 5),
}

ADVERTISED_FROM = {PRODUCE: 0}
"""Brokers go on listing Produce 0, because clients of librdkafka look for it, and refuse what is older than 3."""

FIRST_WITH_KRAFT = "3.3"
FIRST_WITH_TIMESTAMP_LIMIT = "4.0"


@dataclass(frozen=True, slots=True)
class Release:
    """`versions` is, per API key, the range (first, last) that is served."""

    name: str
    versions: Mapping[int, tuple[int, int]]

    def serves(self, api_key: int, version: int) -> bool:
        bounds = self.versions.get(api_key)
        return bounds is not None and bounds[0] <= version <= bounds[1]

    def at_least(self, name: str) -> bool:
        """Whether this is the release `name` of the table, or a later one."""
        return RELEASES.index(self.name) >= RELEASES.index(name)


def release_named(name: str, spoken: Mapping[int, tuple[int, int]]) -> Release:
    """The table's column, cut to the ranges that are `spoken` here. Raises ValueError for a release it has not."""
    if name not in RELEASES:
        raise ValueError(f"release={name!r}: give one of {', '.join(RELEASES)}")
    column = RELEASES.index(name)
    versions = {}
    for api_key, newest in _NEWEST.items():
        first, last = spoken[api_key]
        versions[api_key] = (first, min(last, newest[column]))
    return Release(name, versions)
