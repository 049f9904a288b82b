"""Getting a producer id: when it is needed, again after a failure, and what a refusal says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import pytest

from aioproducer.errors import ClusterAuthorizationError, KafkaError, RequestTimeoutError
from aioproducer.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from aioproducer.protocol.schema import Request, Response
from aioproducer.sending.identity import IdentityKeeper
from tests.support.virtual_time import Background, virtual_time


def given(producer_id: int, epoch: int = 0) -> InitProducerIdResponse:
    return InitProducerIdResponse(error_code=0, producer_id=producer_id, producer_epoch=epoch)


def refusal(code: int) -> InitProducerIdResponse:
    return InitProducerIdResponse(error_code=code)


class Bench:
    def __init__(self, answers: Sequence[Response | KafkaError]) -> None:
        self.loop = asyncio.get_running_loop()
        self.answers = list(answers)
        self.asked_at: list[float] = []
        self.requests: list[Request] = []
        self.identities: list[tuple[int, int]] = []
        self.refusals: list[KafkaError] = []
        self.keeper = IdentityKeeper(
            self._ask,
            loop=self.loop,
            request_timeout=30.0,
            backoff=float,
            on_identity=lambda producer_id, epoch: self.identities.append((producer_id, epoch)),
            on_refused=self.refusals.append,
        )
        self.background = Background()
        self.background.spawn(self.keeper.run())

    async def _ask(self, request: Request, *, timeout: float) -> Response:
        assert timeout == 30.0
        self.asked_at.append(self.loop.time())
        self.requests.append(request)
        await asyncio.sleep(0.5)
        answer = self.answers.pop(0)
        if isinstance(answer, KafkaError):
            raise answer
        return answer


@virtual_time
async def test_nothing_is_asked_before_it_is_needed_and_then_once() -> None:
    bench = Bench([given(7, 3)])
    await asyncio.sleep(5)
    assert bench.asked_at == []
    bench.keeper.need()
    await asyncio.sleep(50)
    assert (bench.asked_at, bench.identities, bench.refusals) == ([5.0], [(7, 3)], [])
    assert bench.requests == [InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=2147483647)]
    await bench.background.end()


@virtual_time
async def test_it_may_be_needed_before_it_runs_and_again_when_the_epochs_are_used_up() -> None:
    bench = Bench([given(7), given(8)])
    bench.keeper.need()
    await asyncio.sleep(1)
    bench.keeper.need()
    await asyncio.sleep(1)
    assert bench.identities == [(7, 0), (8, 0)]
    await bench.background.end()


@virtual_time
async def test_while_the_coordinator_loads_it_is_asked_again_with_growing_pauses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench([refusal(14), refusal(15), RequestTimeoutError("silence"), given(7)])
    bench.keeper.need()
    with caplog.at_level(logging.WARNING, "aioproducer"):
        await asyncio.sleep(20)
    assert bench.asked_at == [0.0, 1.5, 4.0, 7.5]
    assert (bench.identities, bench.refusals) == ([(7, 0)], [])
    assert len(caplog.records) == 1, "one line for the whole spell"
    await bench.background.end()


@virtual_time
async def test_needing_it_again_meanwhile_does_not_shorten_the_pause() -> None:
    bench = Bench([refusal(14), given(7)])
    bench.keeper.need()
    await asyncio.sleep(1)
    bench.keeper.need()
    await asyncio.sleep(5)
    assert bench.asked_at == [0.0, 1.5]
    await bench.background.end()


@virtual_time
async def test_a_refusal_is_told_says_what_to_do_and_is_not_the_end() -> None:
    bench = Bench([refusal(31), given(7)])
    bench.keeper.need()
    await asyncio.sleep(1)
    [error] = bench.refusals
    assert isinstance(error, ClusterAuthorizationError)
    assert (error.fatal, error.retriable) == (False, False)
    assert "IdempotentWrite" in str(error)
    assert "enable_idempotence=False" in str(error)
    await asyncio.sleep(5)
    assert bench.identities == [(7, 0)]
    await bench.background.end()


@pytest.mark.parametrize("moment", [0.0, 0.25, 1.0])
def test_it_can_be_cancelled_at_any_moment(moment: float) -> None:
    @virtual_time
    async def cancel() -> None:
        bench = Bench([refusal(14), refusal(14)])
        bench.keeper.need()
        await asyncio.sleep(moment)
        await bench.background.end()
        assert bench.background.alive == 0

    cancel()
