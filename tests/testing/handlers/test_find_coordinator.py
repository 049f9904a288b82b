from __future__ import annotations

import pytest

from aioproducer.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from aioproducer.testing import Code, EmbeddedCluster
from tests.testing.wire import RawClient


@pytest.mark.parametrize("version", range(7))
async def test_there_is_no_coordinator_in_any_version(client: RawClient, version: int) -> None:
    request = FindCoordinatorRequest(coordinator_keys=("a", "b")) if version >= 4 else FindCoordinatorRequest(key="a")
    answer = await client.ask(request, FindCoordinatorResponse, version)
    codes = [c.error_code for c in answer.coordinators] if version >= 4 else [answer.error_code]
    assert codes == [Code.COORDINATOR_NOT_AVAILABLE] * (2 if version >= 4 else 1)


async def test_ordered_errors(cluster: EmbeddedCluster, client: RawClient) -> None:
    cluster.fail("find_coordinator", 53)
    answer = await client.ask(FindCoordinatorRequest(key="a"), FindCoordinatorResponse, 3)
    assert answer.error_code == 53
