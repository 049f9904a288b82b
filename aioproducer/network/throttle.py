"""For how long a broker's answer asks its client to be silent (KIP-219). Pure.

A broker that is older than KIP-219 holds the answer back itself, and then tells how long it did; waiting once more
would be waiting twice. So the time counts from a version of each API on.
"""

from __future__ import annotations

from aioproducer.protocol.schema import Response

# By API key: Produce, Fetch, ListOffsets, Metadata, FindCoordinator, ApiVersions, CreateTopics, InitProducerId.
_CLIENT_WAITS_FROM = {0: 6, 1: 8, 2: 3, 3: 6, 10: 2, 18: 2, 19: 3, 22: 1}


def throttle_seconds(response: Response, version: int) -> float:
    """How long, in seconds, nothing should be sent to the broker that gave `response`; 0.0 mostly."""
    milliseconds: int = getattr(response, "throttle_time_ms", 0)
    if milliseconds <= 0 or version < _CLIENT_WAITS_FROM.get(response.api_key, 0):
        return 0.0
    return milliseconds / 1000
