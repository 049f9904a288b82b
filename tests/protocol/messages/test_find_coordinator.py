from __future__ import annotations

import pytest

from aioproducer.errors import UnsupportedVersionError
from aioproducer.protocol.messages.find_coordinator import (
    Coordinator,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
)


def test_one_key_until_version_3_and_several_from_version_4() -> None:
    assert b"".join(FindCoordinatorRequest(key="a").encode(0)) == bytes.fromhex("0001 61")
    assert b"".join(FindCoordinatorRequest(key="a", key_type=1).encode(3)) == bytes.fromhex("0261 01 00")
    request = FindCoordinatorRequest(key_type=1, coordinator_keys=["a", "bc"])
    assert b"".join(request.encode(4)) == bytes.fromhex("01 03 0261 036263 00")
    assert FindCoordinatorRequest.decode(bytes.fromhex("01 03 0261 036263 00"), 4).coordinator_keys == ("a", "bc")


def test_a_key_in_the_wrong_place() -> None:
    with pytest.raises(UnsupportedVersionError, match="v4 has no field key:"):
        FindCoordinatorRequest(key="a").encode(4)
    with pytest.raises(UnsupportedVersionError, match="v3 has no field coordinator_keys"):
        FindCoordinatorRequest(coordinator_keys=["a"]).encode(3)
    with pytest.raises(UnsupportedVersionError, match="v0 has no field key_type"):
        FindCoordinatorRequest(key="a", key_type=1).encode(0)


def test_response() -> None:
    coordinator = Coordinator(key="a", node_id=1, host="b1", port=9092, error_message=None)
    octets = bytes.fromhex("00000000 02 0261 00000001 036231 00002384 0000 00 00 00")
    assert FindCoordinatorResponse.decode(octets, 6) == FindCoordinatorResponse(coordinators=(coordinator,))
