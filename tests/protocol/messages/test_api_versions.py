from __future__ import annotations

import pytest

from aioproducer.errors import ProtocolError
from aioproducer.protocol.messages.api_versions import (
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
    first_error_code,
)


def test_request() -> None:
    request = ApiVersionsRequest(client_software_name="py", client_software_version="1.0")
    assert b"".join(request.encode(2)) == b""
    assert b"".join(request.encode(4)) == bytes.fromhex("03 7079 04 312e30 00")


def test_response() -> None:
    apis = (ApiVersion(api_key=0, min_version=0, max_version=13), ApiVersion(api_key=18, max_version=4))
    response = ApiVersionsResponse(api_keys=apis, throttle_time_ms=1)
    assert b"".join(response.encode(1)) == bytes.fromhex("0000 00000002 0000 0000 000d 0012 0000 0004 00000001")
    assert (
        ApiVersionsResponse.decode(bytes.fromhex("0000 03 0000 0000 000d 00 0012 0000 0004 00 00000001 00"), 3)
        == response
    )


@pytest.mark.parametrize("rest", ["", "00000000", "00000001 0012 0000 0004", "deadbeef"])
def test_the_error_code_can_be_read_whatever_follows(rest: str) -> None:
    assert first_error_code(bytes.fromhex("0023" + rest)) == 35
    assert first_error_code(memoryview(bytes.fromhex("ffff" + rest))) == -1


def test_no_error_code() -> None:
    with pytest.raises(ProtocolError, match="1 bytes: it has to begin with an error code"):
        first_error_code(b"\x00")
