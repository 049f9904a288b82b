"""Which version of an API to speak: the highest that this library and the broker have in common.

Pure: it reads an ApiVersionsResponse and asks nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from aioproducer.errors import UnsupportedVersionError
from aioproducer.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from aioproducer.protocol.messages.create_topics import CreateTopicsRequest
from aioproducer.protocol.messages.fetch import FetchRequest
from aioproducer.protocol.messages.find_coordinator import FindCoordinatorRequest
from aioproducer.protocol.messages.init_producer_id import InitProducerIdRequest
from aioproducer.protocol.messages.list_offsets import ListOffsetsRequest
from aioproducer.protocol.messages.metadata import MetadataRequest
from aioproducer.protocol.messages.produce import ProduceRequest
from aioproducer.protocol.schema import Request, api_name

REQUESTS: Mapping[int, type[Request]] = MappingProxyType(
    {
        request.api_key: request
        for request in (
            ProduceRequest,
            FetchRequest,
            ListOffsetsRequest,
            MetadataRequest,
            FindCoordinatorRequest,
            ApiVersionsRequest,
            CreateTopicsRequest,
            InitProducerIdRequest,
        )
    }
)
"""The requests that are known here, by API key."""


def api_name_of(api_key: int) -> str:
    """The name of an API for a message to a human: `Produce`, or `API 42` for one that is not known here."""
    request = REQUESTS.get(api_key)
    return f"API {api_key}" if request is None else api_name(request)


class BrokerVersions:
    """What one broker offers, as its ApiVersions answer says. Of an API that is listed twice the last counts."""

    __slots__ = ("_ranges",)

    def __init__(self, response: ApiVersionsResponse) -> None:
        self._ranges = {api.api_key: range(api.min_version, api.max_version + 1) for api in response.api_keys}

    def __repr__(self) -> str:
        known = (f"{api_name_of(key)} {_words(self._ranges.get(key))}" for key in REQUESTS)
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
