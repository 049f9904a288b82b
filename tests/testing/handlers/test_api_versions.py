from __future__ import annotations

import pytest

from aioproducer.protocol.headers import encode_request
from aioproducer.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from aioproducer.protocol.messages.metadata import MetadataRequest
from aioproducer.testing import Code, EmbeddedCluster
from tests.testing.wire import RawClient


@pytest.mark.parametrize("version", range(5))
async def test_every_version_lists_what_is_served(client: RawClient, version: int) -> None:
    answer = await client.ask(ApiVersionsRequest(), ApiVersionsResponse, version)
    ranges = {api.api_key: (api.min_version, api.max_version) for api in answer.api_keys}
    assert answer.error_code == 0
    assert (ranges[0], ranges[3], ranges[18]) == ((0, 13), (1, 13), (0, 4))


async def test_an_older_release_lists_less() -> None:
    async with EmbeddedCluster(release="2.1") as old, await RawClient.connect(old) as client:
        answer = await client.ask(ApiVersionsRequest(), ApiVersionsResponse, 0)
        assert {api.api_key: api.max_version for api in answer.api_keys}[0] == 7


def raw_request(api_key: int, version: int) -> bytes:
    body = api_key.to_bytes(2, "big") + version.to_bytes(2, "big") + (77).to_bytes(4, "big") + b"\xff\xff?"
    return len(body).to_bytes(4, "big") + body


async def test_a_version_from_the_future_is_answered_in_version_0_and_the_connection_lives(client: RawClient) -> None:
    client.writer.write(raw_request(18, 99))
    frame = await client.receive_frame()
    assert int.from_bytes(frame[:4], "big") == 77
    answer = ApiVersionsResponse.decode(frame[4:], 0)
    assert answer.error_code == Code.UNSUPPORTED_VERSION
    assert [(a.api_key, a.min_version, a.max_version) for a in answer.api_keys] == [(18, 0, 4)]
    assert (await client.ask(ApiVersionsRequest(), ApiVersionsResponse, 0)).error_code == 0


@pytest.mark.parametrize(("api_key", "version"), [(0, 2), (0, 99), (3, 14), (11, 0), (999, 0)])
async def test_other_versions_and_apis_that_are_not_served_end_the_connection(
    cluster: EmbeddedCluster, client: RawClient, api_key: int, version: int
) -> None:
    client.writer.write(raw_request(api_key, version))
    assert await client.rest() == b""
    (complaint,) = cluster.complaints
    assert f"version {version} is not served" in complaint


async def test_a_release_does_not_answer_what_came_later() -> None:
    async with EmbeddedCluster(release="2.1") as old, await RawClient.connect(old) as client:
        client.writer.writelines(
            encode_request(MetadataRequest(topics=()), version=8, correlation_id=1, client_id=None)
        )
        assert await client.rest() == b""


async def test_ordered_errors(cluster: EmbeddedCluster, client: RawClient) -> None:
    cluster.fail("api_versions", 35)
    assert (await client.ask(ApiVersionsRequest(), ApiVersionsResponse, 3)).error_code == 35
