"""FindCoordinator (10): there are no groups and no transactions here, so no coordinator is available. Versions 0 to 6.

A consumer that assigns its partitions itself does not need one. The fault `fail("find_coordinator", ...)` gives other
codes.
"""

from __future__ import annotations

from aioproducer.protocol.messages.find_coordinator import (
    Coordinator,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
)
from aioproducer.testing.codes import Code
from aioproducer.testing.handlers.base import Call, Outcome, handler

FIRST_VERSION_WITH_KEYS = 4
NOBODY = -1
REASON = "the embedded cluster has no coordinators"


def handle(request: FindCoordinatorRequest, call: Call) -> Outcome:
    code = call.refused("") or call.spoilt("") or Code.COORDINATOR_NOT_AVAILABLE
    if call.version < FIRST_VERSION_WITH_KEYS:
        return FindCoordinatorResponse(error_code=code, error_message=REASON, node_id=NOBODY, port=NOBODY)
    return FindCoordinatorResponse(
        coordinators=tuple(
            Coordinator(key=key, node_id=NOBODY, port=NOBODY, error_code=code, error_message=REASON)
            for key in request.coordinator_keys
        )
    )


FIND_COORDINATOR = handler(FindCoordinatorRequest, handle)
