"""ApiVersions (18): which versions of which APIs a broker speaks, the first question on a connection.

A broker that does not know the version of the request answers error 35, UNSUPPORTED_VERSION, in the form of version 0,
and some write anything behind the code: read the code with `first_error_code` before decoding the rest.

1 throttle - 3 flexible, name and version of the client, feature levels (KIP-511, KIP-584) - 4 feature minimum 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from aioproducer.errors import ProtocolError
from aioproducer.protocol.fields import Boolean, Int16, Int32, Int64, String, since, tagged
from aioproducer.protocol.schema import Api, Request, Response
from aioproducer.protocol.structs import Struct


class ApiVersions(Api):
    api_key: ClassVar[int] = 18
    min_version: ClassVar[int] = 0
    max_version: ClassVar[int] = 4
    flexible_from: ClassVar[int | None] = 3


class ApiVersion(Struct):
    api_key: Int16 = 0
    min_version: Int16 = 0
    max_version: Int16 = 0


class SupportedFeatureKey(Struct):
    name: String = ""
    min_version: Int16 = 0
    max_version: Int16 = 0


class FinalizedFeatureKey(Struct):
    name: String = ""
    max_version_level: Int16 = 0
    min_version_level: Int16 = 0


class ApiVersionsResponse(ApiVersions, Response):
    error_code: Int16 = 0
    api_keys: Sequence[ApiVersion] = ()
    throttle_time_ms: Annotated[Int32, since(1, ignorable=True)] = 0
    supported_features: Annotated[Sequence[SupportedFeatureKey], since(3, ignorable=True), tagged(0)] = ()
    finalized_features_epoch: Annotated[Int64, since(3, ignorable=True), tagged(1)] = -1
    finalized_features: Annotated[Sequence[FinalizedFeatureKey], since(3, ignorable=True), tagged(2)] = ()
    zk_migration_ready: Annotated[Boolean, since(3, ignorable=True), tagged(3)] = False


class ApiVersionsRequest(ApiVersions, Request):
    response: ClassVar[type[Response]] = ApiVersionsResponse

    client_software_name: Annotated[String, since(3, ignorable=True)] = ""
    client_software_version: Annotated[String, since(3, ignorable=True)] = ""


def first_error_code(body: bytes | memoryview) -> int:
    """The error code that the body of an ApiVersions response begins with, in every version."""
    if len(body) < 2:
        raise ProtocolError(f"ApiVersionsResponse of {len(body)} bytes: it has to begin with an error code of 2 bytes")
    return int.from_bytes(body[:2], "big", signed=True)
