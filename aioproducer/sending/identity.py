"""Gets the producer id that idempotence needs, when it is first needed and when its epochs are used up
(InitProducerId, KIP-98).

It asks and tries again; what the id is used for is `sequences`'.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from aioproducer.errors import KafkaError
from aioproducer.protocol.error_codes import broker_error, error_code
from aioproducer.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from aioproducer.protocol.schema import Request, Response
from aioproducer.sending.alarm import Alarm

logger = logging.getLogger("aioproducer")

# Only a transaction has a time-out; without one the field means nothing, and Java sends its maximum.
_NO_TRANSACTION = 2147483647


class Ask(Protocol):
    def __call__(self, request: Request, *, timeout: float) -> Awaitable[Response]: ...


class IdentityKeeper:
    """Runs as a task; `need` has it ask for an id."""

    def __init__(
        self,
        ask: Ask,
        *,
        loop: asyncio.AbstractEventLoop,
        request_timeout: float,
        backoff: Callable[[int], float],
        on_identity: Callable[[int, int], None],
        on_refused: Callable[[KafkaError], None],
    ) -> None:
        """`on_identity` gets the producer id and its epoch; `on_refused` an error that trying again at once will
        not mend. Times in seconds.
        """
        self._ask = ask
        self._loop = loop
        self._request_timeout = request_timeout
        self._backoff = backoff
        self._on_identity = on_identity
        self._on_refused = on_refused
        self._alarm = Alarm(loop)
        self._needed = False

    def need(self) -> None:
        """Get a new id."""
        self._needed = True
        self._alarm.set()

    async def run(self) -> None:
        """Get an id whenever one is needed, until cancelled."""
        attempts = 0
        while True:
            while not self._needed:
                await self._alarm.wait(None)
            error = await self._attempt()
            if error is None:
                self._needed = False
                attempts = 0
                continue
            attempts += 1
            if attempts == 1:
                logger.warning("no producer id yet, trying again: %s", error)
            if not error.retriable:
                self._on_refused(error)
            until = self._loop.time() + self._backoff(attempts)
            while self._loop.time() < until:
                await self._alarm.wait(until)

    async def _attempt(self) -> KafkaError | None:
        request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=_NO_TRANSACTION)
        try:
            response = await self._ask(request, timeout=self._request_timeout)
        except KafkaError as error:
            return error
        assert isinstance(response, InitProducerIdResponse)
        if response.error_code:
            if error_code(response.error_code).retriable:
                return broker_error(response.error_code, "asking for a producer id")
            refusal = broker_error(
                response.error_code,
                "asking for a producer id, which idempotence needs (allow IdempotentWrite, or set "
                "enable_idempotence=False)",
            )
            # What is fatal on a produce request is not here: the next attempt may get an id.
            refusal.fatal = False
            return refusal
        self._on_identity(response.producer_id, response.producer_epoch)
        return None
