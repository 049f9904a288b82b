"""A broker behind a network that goes wrong: one interface for the embedded cluster and for a real Kafka.

What goes wrong with a request or its answer the embedded cluster does itself, by the faults it has to order; before a
real Kafka the proxy does it. What only a network can do (freeze, one byte at a time, answers swapped, repeated or left
out) the proxy does before both. Either way a test says the same, and has to find the same: so it is seen whether the
embedded cluster is honest.

librdkafka's mock cluster is not here: it can refuse a request before it takes effect, and close connections, but it
can neither lose the answer to what it has stored nor tell a batch sent twice from two.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol, Unpack

from aioproducer import Producer
from aioproducer.config import Options
from aioproducer.testing import EmbeddedCluster
from aioproducer.testing.transport import Listener, Stream, listen_on_sockets
from tests.support.brokers import BrokerUnderTest, EmbeddedBroker, RealBroker
from tests.support.fault_proxy import Act, FaultProxy
from tests.support.pool import ClusterPool, Kind

PRODUCE, METADATA, API_VERSIONS, INIT_PRODUCER_ID = 0, 3, 18, 22

NAMES = ("embedded-1", Kind.ONE.label)


class Ordered(Protocol):
    """A fault that was ordered."""

    hits: int

    def remove(self) -> None:
        """Nothing more is hit."""


class FaultyBroker(Protocol):
    """A single broker. Faults hit the Produce requests from now on: the first `skip` pass, the next `times` are hit."""

    bootstrap: str
    """Where it is reached through the bad network."""
    broker: BrokerUnderTest
    """The broker itself: topics, and reading back."""
    proxy: FaultProxy
    """The network, for what only a network does."""

    def cut_before(self, *, times: int | None = 1, skip: int = 0) -> Ordered:
        """The request does not reach the broker, and the connection is closed."""

    def lose_answer(self, *, times: int | None = 1, skip: int = 0) -> Ordered:
        """The request takes effect, and the connection is closed instead of an answer."""

    def silence(self, *, times: int | None = 1, skip: int = 0) -> Ordered:
        """The request takes effect, and nothing is answered any more on its connection."""

    def cut_answer(self, *, stall: bool = False, times: int | None = 1, skip: int = 0) -> Ordered:
        """Half of the answer comes, then the connection is closed, or with `stall` nothing comes any more."""

    def delay_answer(self, seconds: float, *, times: int | None = 1, skip: int = 0) -> Ordered:
        """The request takes effect at once; the answer, and those behind it, are late."""

    def spoil_request(self, *, times: int | None = 1, skip: int = 0) -> Ordered:
        """The records are damaged on their way, so that the broker says CORRUPT_MESSAGE."""

    async def refuse(self) -> None:
        """Connections are cut and refused, until `accept()`."""

    async def accept(self) -> None: ...


class FaultyEmbedded:
    """The embedded cluster's own faults; `cluster` for more of them."""

    def __init__(self, cluster: EmbeddedCluster, proxy: FaultProxy) -> None:
        self.cluster = cluster
        self.broker: BrokerUnderTest = EmbeddedBroker(cluster, 1)
        self.bootstrap = cluster.bootstrap_servers
        self.proxy = proxy

    def cut_before(self, *, times: int | None = 1, skip: int = 0) -> Ordered:
        return self.cluster.disconnect("Produce", times=times, skip=skip)

    def lose_answer(self, *, times: int | None = 1, skip: int = 0) -> Ordered:
        return self.cluster.disconnect("Produce", after_append=True, times=times, skip=skip)

    def silence(self, *, times: int | None = 1, skip: int = 0) -> Ordered:
        return self.cluster.silence("Produce", after_append=True, times=times, skip=skip)

    def cut_answer(self, *, stall: bool = False, times: int | None = 1, skip: int = 0) -> Ordered:
        return self.cluster.cut_frame("Produce", stall=stall, times=times, skip=skip)

    def delay_answer(self, seconds: float, *, times: int | None = 1, skip: int = 0) -> Ordered:
        return self.cluster.delay("Produce", seconds, after_append=True, times=times, skip=skip)

    def spoil_request(self, *, times: int | None = 1, skip: int = 0) -> Ordered:
        return self.cluster.fail("Produce", "CORRUPT_MESSAGE", times=times, skip=skip)

    async def refuse(self) -> None:
        await self.cluster.stop_broker(1, fail_over=False)

    async def accept(self) -> None:
        await self.cluster.start_broker(1)


class FaultyReal:
    """A real Kafka behind the proxy."""

    def __init__(self, broker: RealBroker, bootstrap: str, proxy: FaultProxy) -> None:
        self.broker: BrokerUnderTest = broker
        self.bootstrap = bootstrap
        self.proxy = proxy

    def cut_before(self, *, times: int | None = 1, skip: int = 0) -> Ordered:
        return self.proxy.order(Act.CUT_BEFORE, PRODUCE, times=times, skip=skip)

    def lose_answer(self, *, times: int | None = 1, skip: int = 0) -> Ordered:
        return self.proxy.order(Act.LOSE_ANSWER, PRODUCE, times=times, skip=skip)

    def silence(self, *, times: int | None = 1, skip: int = 0) -> Ordered:
        return self.proxy.order(Act.SILENCE, PRODUCE, times=times, skip=skip)

    def cut_answer(self, *, stall: bool = False, times: int | None = 1, skip: int = 0) -> Ordered:
        return self.proxy.order(Act.STALL_ANSWER if stall else Act.CUT_ANSWER, PRODUCE, times=times, skip=skip)

    def delay_answer(self, seconds: float, *, times: int | None = 1, skip: int = 0) -> Ordered:
        return self.proxy.order(Act.DELAY_ANSWER, PRODUCE, seconds=seconds, times=times, skip=skip)

    def spoil_request(self, *, times: int | None = 1, skip: int = 0) -> Ordered:
        return self.proxy.order(Act.SPOIL_REQUEST, PRODUCE, times=times, skip=skip)

    async def refuse(self) -> None:
        await self.proxy.refuse()

    async def accept(self) -> None:
        await self.proxy.accept()


@asynccontextmanager
async def open_embedded() -> AsyncIterator[FaultyEmbedded]:
    """An embedded broker behind a proxy. It creates no topic by being asked for it."""
    async with FaultProxy() as proxy, EmbeddedCluster(listen=_Behind(proxy), auto_create_topics=False) as cluster:
        yield FaultyEmbedded(cluster, proxy)


@asynccontextmanager
async def open_faulty(name: str, pool: ClusterPool) -> AsyncIterator[FaultyBroker]:
    """The broker of that name, one of NAMES, behind a proxy of its own."""
    if name == "embedded-1":
        async with open_embedded() as embedded:
            yield embedded
        return
    kind = next(kind for kind in Kind if kind.label == name)
    with pool.lease(kind) as real:
        async with FaultProxy() as proxy:
            fronts = [await proxy.forward(front, behind) for front, behind in real.detours.values()]
            yield FaultyReal(RealBroker(kind, real), ",".join(f"127.0.0.1:{front}" for front in fronts), proxy)


class _Behind:
    """Ports for the embedded cluster that are the proxy's: what it takes for its own, clients reach through that."""

    def __init__(self, proxy: FaultProxy) -> None:
        self._proxy = proxy

    async def __call__(self, host: str, port: int, accept: Callable[[Stream], None]) -> Listener:
        behind = await listen_on_sockets(host, 0, accept)
        try:
            front = await self._proxy.forward(port, behind.port)
        except BaseException:
            await behind.close()
            raise
        return _Front(front, behind, self._proxy)


class _Front:
    def __init__(self, port: int, behind: Listener, proxy: FaultProxy) -> None:
        self.port = port
        self._behind = behind
        self._proxy = proxy

    async def close(self) -> None:
        self._proxy.stop(self.port)
        await self._behind.close()
        await self._proxy.cut()


def producer_of(bootstrap: str, *presets: Options, **options: Unpack[Options]) -> Producer:
    """A producer with the options of the presets, later ones over earlier ones, and `options` over all."""
    together: Options = {}
    for preset in (*presets, options):
        together.update(preset)
    return Producer(bootstrap, **together)


async def until(condition: Callable[[], object], within: float = 10.0) -> None:
    """Returns when it is true; for what a broker or the network does, and nothing announces. Raises TimeoutError."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)
