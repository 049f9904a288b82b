from __future__ import annotations

import pytest

from aioproducer.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from aioproducer.testing import Code, EmbeddedCluster
from tests.testing.wire import RawClient


@pytest.mark.parametrize("version", range(6))
async def test_every_version_gives_a_new_id(client: RawClient, version: int) -> None:
    request = InitProducerIdRequest(transaction_timeout_ms=1000)
    first = await client.ask(request, InitProducerIdResponse, version)
    second = await client.ask(request, InitProducerIdResponse, version)
    assert (first.error_code, first.producer_epoch, second.producer_epoch) == (0, 0, 0)
    assert first.producer_id != second.producer_id


async def test_an_id_that_is_named_does_not_matter_without_a_transactional_id(client: RawClient) -> None:
    request = InitProducerIdRequest(producer_id=4, producer_epoch=9)
    answer = await client.ask(request, InitProducerIdResponse, 4)
    assert (answer.error_code, answer.producer_epoch) == (0, 0)
    assert answer.producer_id != 4


@pytest.mark.parametrize(
    ("name", "code"), [("tx", Code.TRANSACTIONAL_ID_AUTHORIZATION_FAILED), ("", Code.INVALID_REQUEST)]
)
async def test_there_are_no_transactions(client: RawClient, name: str, code: Code) -> None:
    request = InitProducerIdRequest(transactional_id=name, transaction_timeout_ms=1000)
    answer = await client.ask(request, InitProducerIdResponse, 4)
    assert (answer.error_code, answer.producer_id) == (code, -1)


async def test_ordered_errors(cluster: EmbeddedCluster, client: RawClient) -> None:
    cluster.fail("InitProducerId", "COORDINATOR_LOAD_IN_PROGRESS", times=2)
    codes = [(await client.ask(InitProducerIdRequest(), InitProducerIdResponse, 4)).error_code for _ in range(3)]
    assert codes == [14, 14, 0]
