"""Which version of an API to speak: the highest that this library and the broker have in common.

Pure: it reads an ApiVersionsResponse and asks nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from aioproducer.errors import UnsupportedVersionError
from aioproducer.protocol.messages.api_versions import ApiVersionsResponse
from aioproducer.protocol.schema import Request, api_name

_NAMES: Mapping[int, str] = MappingProxyType(
    {
        0: "Produce",
        1: "Fetch",
        2: "ListOffsets",
        3: "Metadata",
        10: "FindCoordinator",
        18: "ApiVersions",
        19: "CreateTopics",
        22: "InitProducerId",
    }
)


def api_name_of(api_key: int) -> str:
    """The name of an API for a message to a human: `Produce`, or `API 42` for one that is not known here."""
    return _NAMES.get(api_key, f"API {api_key}")


class BrokerVersions:
    """What one broker offers, as its ApiVersions answer says. Of an API that is listed twice the last counts."""

    __slots__ = ("_ranges",)

    def __init__(self, response: ApiVersionsResponse) -> None:
        self._ranges = {api.api_key: range(api.min_version, api.max_version + 1) for api in response.api_keys}

    def __repr__(self) -> str:
        known = (f"{name} {_words(self._ranges.get(key))}" for key, name in _NAMES.items())
        return f"<BrokerVersions {', '.join(known)}>"

    def offers(self, api_key: int) -> range | None:
        """The versions of an API that the broker speaks, None if it does not know the API."""
        return self._ranges.get(api_key)

    def pick(self, request_type: type[Request], at_most: int | None = None) -> int:
        """The highest version that both speak, and not above `at_most`.

        Raises UnsupportedVersionError if there is none.
        """
        first, last = request_type.min_version, request_type.max_version
        if at_most is not None and at_most < last:
            last = at_most
        offered = self._ranges.get(request_type.api_key)
        if offered:
            version = min(last, offered[-1])
            if version >= first and version >= offered[0]:
                return version
        capped = "" if at_most is None else f", at most {at_most} for what is asked"
        raise UnsupportedVersionError(
            f"no version of {api_name(request_type)} in common: the broker offers {_words(offered)}, "
            f"this client speaks {first}-{request_type.max_version}{capped}; use a broker of Kafka 2.1 or later"
        )


def _words(versions: range | None) -> str:
    return f"{versions[0]}-{versions[-1]}" if versions else "none"
