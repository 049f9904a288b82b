"""The way to one broker: its connection, made when it is needed, and when to try again after it failed.

1. There is one connection, or one attempt to make it; all who ask for it share the attempt. An attempt that nobody
   waits for any more is given up.
2. After a failure the next attempt waits: twice as long each time, up to a limit (KIP-144). The time an attempt may
   take grows likewise (KIP-601).
3. A connection that is lost before it has answered anything counts as one more failure, else as the first one. So a
   broker that accepts every connection and drops it is left in peace as well.
4. A broker that has moved is dialled at its new place at once.

What is sent over the connection is not known here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from aioproducer.cluster.backoff import ExponentialBackoff
from aioproducer.cluster.connector import Connector
from aioproducer.configuration.addresses import Address
from aioproducer.errors import ConnectionFailedError, ConnectTimeoutError, KafkaError
from aioproducer.models import Node
from aioproducer.network.connection import Connection
from aioproducer.network.stream import Spawn

_log = logging.getLogger("aioproducer")

_ADVERTISED = (
    "the cluster tells clients this address, which the broker has from its advertised.listeners: it has to lead there "
    "from this machine"
)
_SHORTEST_PAUSE = 0.01  # also where reconnect_backoff_ms is 0: a dead broker is not to be dialled in a busy loop


class LinkPolicy(NamedTuple):
    """Pauses between attempts, the time for each, and after how many idle seconds to disconnect (None: never)."""

    reconnect: ExponentialBackoff
    setup: ExponentialBackoff
    max_idle: float | None


class BrokerLink:
    """One broker and the connection to it. Ask for `connection()` each time; it is there at once if it is up.

    retry_at: the loop time before which `connection()` waits because attempts have failed. failure: why the last
    attempt failed, or the connection was lost; None once it is up. on_lost: told when a connection ended that this
    client did not end. log: whether a broker that can not be reached is worth a line in the log.
    """

    def __init__(
        self,
        node: Node,
        connector: Connector,
        policy: LinkPolicy,
        *,
        spawn: Spawn,
        clock: Callable[[], float],
        random: Random,
        on_lost: Callable[[], None],
        log: bool,
    ) -> None:
        self.node = node
        self.retry_at = 0.0
        self.failure: KafkaError | None = None
        self._connector = connector
        self._policy = policy
        self._spawn = spawn
        self._clock = clock
        self._random = random
        self._on_lost = on_lost
        self._log = log
        self._connection: Connection | None = None
        self._lost: Connection | None = None
        self._attempt: _Attempt | None = None
        self._given_up: set[asyncio.Task[None]] = set()
        self._connect_failures = 0
        self._failures = 0
        self._address = ""
        self._was_up = False
        self._closed = False

    def __repr__(self) -> str:
        if self._connection is not None:
            state = repr(self._connection)
        elif self._attempt is not None:
            state = "connecting"
        else:
            state = f"not connected ({self.failure})" if self.failure else "not connected"
        return f"<BrokerLink to {self._who()}, {state}>"

    @property
    def current(self) -> Connection | None:
        """The connection, if it is up at the moment."""
        return self._connection

    async def connection(self, *, within: float | None = None) -> Connection:
        """The connection; made if there is none, in one attempt, which begins at `retry_at` if that is to come.

        within: seconds that the attempt may take at most, where that is less than the configuration says; it only
        counts for whoever begins an attempt. Raises KafkaError when the attempt fails. May be cancelled.
        """
        while True:
            if self._connection is not None:
                return self._connection
            if self._closed:
                raise ConnectionFailedError(f"the connection to {self._who()} was closed by this client")
            attempt = self._attempt or self._begin(within)
            attempt.waiting += 1
            try:
                await asyncio.wait([attempt.task])
            finally:
                attempt.waiting -= 1
                if not attempt.waiting and not attempt.task.done():
                    self._give_up(attempt)
            if attempt.error is not None:
                raise attempt.error
            if self.current is None and not attempt.superseded:
                raise self.failure or ConnectionFailedError(f"connecting to {self._who()} was cancelled")

    def update(self, node: Node) -> None:
        """Takes over what the metadata says of the broker; a connection to where it was is closed."""
        if (node.host, node.port) != (self.node.host, self.node.port):
            self.disconnect(ConnectionFailedError(f"{self._who()} has moved to {Address(node.host, node.port)}"))
            self._failures = self._connect_failures = 0
            self.retry_at = 0.0
            self.failure = None
            self._address = ""
            self._was_up = False
        self.node = node

    def disconnect(self, reason: KafkaError | None = None) -> None:
        """Closes the connection, or gives up the attempt; the next `connection()` makes a new one."""
        if self._attempt is not None:
            self._attempt.superseded = True
            self._give_up(self._attempt)
        connection, self._connection = self._connection, None
        if connection is not None:
            self._lost = connection
            connection.close(reason)

    def close_if_idle(self, now: float) -> float | None:
        """Closes the connection if it was not used for too long. Returns when to look again, None for never."""
        max_idle = self._policy.max_idle
        if max_idle is None or self._connection is None:
            return None
        if self._connection.in_flight:
            return now + max_idle
        if (at := self._connection.last_used + max_idle) > now:
            return at
        self.disconnect()
        return None

    async def close(self, reason: KafkaError | None = None) -> None:
        """Closes the connection for good; returns when no task and no socket is left."""
        self._closed = True
        self.disconnect(reason)
        if self._given_up:
            await asyncio.wait(self._given_up)
        if self._lost is not None:
            await self._lost.wait_closed()

    def _begin(self, within: float | None) -> _Attempt:
        # Known before it begins: where tasks are eager it can be over when `spawn` returns.
        attempt = self._attempt = _Attempt()
        try:
            attempt.task = self._spawn(self._connect(attempt, within))
        except BaseException:
            self._attempt = None
            raise
        return attempt

    def _give_up(self, attempt: _Attempt) -> None:
        self._given_up.add(attempt.task)
        attempt.task.add_done_callback(self._given_up.discard)
        attempt.task.cancel()
        if self._attempt is attempt:
            self._attempt = None

    async def _connect(self, attempt: _Attempt, within: float | None) -> None:
        try:
            if (pause := self.retry_at - self._clock()) > 0:
                await asyncio.sleep(pause)
            limit = self._policy.setup.delay(self._connect_failures, self._random.random())
            node = self.node
            connection, address = await self._connector.connect(
                node.host, node.port, setup_timeout=limit if within is None else min(limit, within), last=self._address
            )
        except KafkaError as error:
            unreachable = isinstance(error, ConnectionFailedError | ConnectTimeoutError)
            if unreachable and self.node.id >= 0 and not self._was_up:
                error.args = (f"{error} ({_ADVERTISED})",)
            attempt.error = error
            if self._attempt is attempt:
                self._failed(error)
        else:
            if self._attempt is not attempt:
                connection.close()
                await connection.wait_closed()
                return
            self._up(connection, address)
        finally:
            if self._attempt is attempt:
                self._attempt = None

    def _failed(self, error: KafkaError) -> None:
        self.failure = error
        if self._log and not self._connect_failures:
            _log.warning("%s can not be reached: %s; trying again until it can", self._who(), error)
        self._connect_failures += 1
        self._pause()

    def _up(self, connection: Connection, address: str) -> None:
        if self._log and self._connect_failures:
            _log.info("connected to %s after %d attempts in vain", self._who(), self._connect_failures)
        self._connection = connection
        self._was_up = True
        self._connect_failures = 0
        self._address = address
        self.failure = None
        connection.on_close(lambda error: self._down(connection, error))

    def _down(self, connection: Connection, error: KafkaError) -> None:
        if self._connection is not connection:
            return  # closed from here
        self._connection = None
        self._lost = connection
        self.failure = error
        if connection.answered:
            self._failures = 0
        if self._log:
            _log.debug("%s", error)
        self._pause()
        self._on_lost()

    def _pause(self) -> None:
        delay = self._policy.reconnect.delay(self._failures, self._random.random())
        self.retry_at = self._clock() + max(delay, _SHORTEST_PAUSE)
        self._failures += 1

    def _who(self) -> str:
        place = str(Address(self.node.host, self.node.port))
        return place if self.node.id < 0 else f"broker {self.node.id} at {place}"


class _Attempt:
    """An attempt under way. superseded: it was given up for another one, not for good."""

    __slots__ = ("error", "superseded", "task", "waiting")

    task: asyncio.Task[None]

    def __init__(self) -> None:
        self.waiting = 0
        self.error: KafkaError | None = None
        self.superseded = False
