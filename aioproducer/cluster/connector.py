"""Connects to a host by name: resolves it, and races its addresses. One attempt; when to make the next is `links`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aioproducer.cluster.race import race
from aioproducer.cluster.resolve import Resolve
from aioproducer.configuration.addresses import Address
from aioproducer.errors import ConnectionFailedError, ConnectTimeoutError, KafkaError
from aioproducer.network.connection import Connection, open_connection
from aioproducer.network.faults import explain
from aioproducer.network.stream import Dialer, Spawn


class Connector:
    """Makes connections, all with the same dialler, client id and clock."""

    def __init__(
        self, dial: Dialer, *, resolve: Resolve, client_id: str, spawn: Spawn, clock: Callable[[], float]
    ) -> None:
        self._dial = dial
        self._resolve = resolve
        self._client_id = client_id
        self._spawn = spawn
        self._clock = clock

    async def connect(self, host: str, port: int, *, setup_timeout: float, last: str = "") -> tuple[Connection, str]:
        """A connection, and the address it leads to. `last`: the address to try behind all others, for it was lost.

        A further address is tried when the one before refuses, or is silent for a quarter of a second. Raises errors
        as `open_connection` does; `setup_timeout` seconds are for all addresses together.
        """
        server = str(Address(host, port))
        begin = self._clock()
        limit = asyncio.timeout(setup_timeout)
        try:
            async with limit:
                addresses = list(await self._resolve(host, port))
        except OSError as error:
            if limit.expired():
                raise ConnectTimeoutError(f"{server}: the name was not resolved within {setup_timeout:g} s") from error
            raise ConnectionFailedError(f"{server}: {explain(error)}") from error
        addresses.sort(key=last.__eq__)
        failures: list[KafkaError] = []

        async def attempt(address: str) -> Connection:
            return await open_connection(
                self._dial,
                address,
                port,
                client_id=self._client_id,
                spawn=self._spawn,
                clock=self._clock,
                setup_timeout=max(0.0, setup_timeout - (self._clock() - begin)),
                name=server if address == host else f"{server} ({address})",
            )

        if len(addresses) == 1:
            return await attempt(addresses[0]), addresses[0]

        def failed(_address: str, error: KafkaError) -> None:
            failures.append(error)

        won = await race(addresses, attempt, clock=self._clock, failed=failed, discard=Connection.close)
        if won is None:
            raise _joined(server, failures)
        address, connection = won
        return connection, address


def _joined(server: str, failures: list[KafkaError]) -> KafkaError:
    """The last failure, told together with those of the other addresses."""
    if not failures:
        return ConnectionFailedError(f"{server}: the name has no address")
    last = failures[-1]
    last.args = ("; ".join(str(failure) for failure in failures),)
    return last
