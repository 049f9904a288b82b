"""A throttle counts from the version on in which the client, not the broker, has to wait."""

from __future__ import annotations

import pytest

from aioproducer.network.throttle import throttle_seconds
from aioproducer.protocol.messages.init_producer_id import InitProducerIdResponse
from aioproducer.protocol.messages.metadata import MetadataResponse
from aioproducer.protocol.messages.produce import ProduceResponse
from aioproducer.protocol.schema import Response


@pytest.mark.parametrize(
    ("response", "version", "seconds"),
    [
        (ProduceResponse(throttle_time_ms=1500), 6, 1.5),
        (ProduceResponse(throttle_time_ms=1500), 5, 0.0),
        (MetadataResponse(throttle_time_ms=200), 6, 0.2),
        (MetadataResponse(throttle_time_ms=200), 5, 0.0),
        (InitProducerIdResponse(throttle_time_ms=10), 1, 0.01),
        (InitProducerIdResponse(throttle_time_ms=10), 0, 0.0),
        (ProduceResponse(throttle_time_ms=0), 9, 0.0),
        (ProduceResponse(throttle_time_ms=-5), 9, 0.0),
    ],
)
def test_throttle(response: Response, version: int, seconds: float) -> None:
    assert throttle_seconds(response, version) == seconds
