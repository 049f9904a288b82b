from __future__ import annotations

import pytest

from aioproducer.errors import UnsupportedVersionError
from aioproducer.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse


@pytest.mark.parametrize(
    ("version", "octets"),
    [
        (0, "ffff 0000ea60"),
        (2, "00 0000ea60 00"),
        (5, "00 0000ea60 ffffffffffffffff ffff 00"),
    ],
)
def test_a_producer_without_transactions(version: int, octets: str) -> None:
    assert b"".join(InitProducerIdRequest(transaction_timeout_ms=60000).encode(version)) == bytes.fromhex(octets)


def test_a_new_epoch_needs_version_3() -> None:
    request = InitProducerIdRequest(producer_id=7, producer_epoch=2)
    assert b"".join(request.encode(3)) == bytes.fromhex("00 00000000 0000000000000007 0002 00")
    with pytest.raises(UnsupportedVersionError, match="v2 has no field producer_id"):
        request.encode(2)


@pytest.mark.parametrize(
    ("version", "octets"),
    [(1, "00000001 0000 00000000000003e8 0005"), (2, "00000001 0000 00000000000003e8 0005 00")],
)
def test_response(version: int, octets: str) -> None:
    response = InitProducerIdResponse(throttle_time_ms=1, producer_id=1000, producer_epoch=5)
    assert InitProducerIdResponse.decode(bytes.fromhex(octets), version) == response
