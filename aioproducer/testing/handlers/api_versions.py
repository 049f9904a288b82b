"""ApiVersions (18): what this broker's release offers. Versions 0 to 4.

A version that it does not know is answered in version 0 with UNSUPPORTED_VERSION and the range of ApiVersions alone
(KIP-511); since 3.0 brokers name what they finalised too, which says nothing that a producer without transactions uses.
"""

from __future__ import annotations

from aioproducer.protocol.messages.api_versions import ApiVersion, ApiVersionsRequest, ApiVersionsResponse
from aioproducer.testing.codes import Code
from aioproducer.testing.handlers.base import Call, Outcome, handler
from aioproducer.testing.releases import ADVERTISED_FROM, API_VERSIONS, Release


def handle(_request: ApiVersionsRequest, call: Call) -> Outcome:
    code = call.refused("") or call.spoilt("")
    return offered(call.release, code)


def offered(release: Release, code: int = Code.NONE) -> ApiVersionsResponse:
    """The list of all APIs, as a broker gives it."""
    return ApiVersionsResponse(
        error_code=code,
        api_keys=tuple(
            ApiVersion(api_key=key, min_version=ADVERTISED_FROM.get(key, first), max_version=last)
            for key, (first, last) in sorted(release.versions.items())
        ),
    )


def unsupported(release: Release) -> ApiVersionsResponse:
    """The answer, to be sent in version 0, to a version of ApiVersions that the release does not know."""
    first, last = release.versions[API_VERSIONS]
    api = ApiVersion(api_key=API_VERSIONS, min_version=first, max_version=last)
    return ApiVersionsResponse(error_code=Code.UNSUPPORTED_VERSION, api_keys=(api,))


API_VERSIONS_HANDLER = handler(ApiVersionsRequest, handle)
