"""The connection for questions that any broker can answer, beside those for records, so that neither delays the other.

1. One connection is kept, to whichever broker was reached first; it is used as long as it is up and not throttled.
2. To make it, known brokers are tried first, then the bootstrap servers (KIP-899), each when the one before fails or
   takes long. With `rebootstrap` off, the bootstrap servers are for the start alone.
3. One search at a time; whoever comes meanwhile uses what it finds.

What the answers mean is not known here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from random import Random
from typing import Any, TypeVar

from aioproducer.cluster.links import BrokerLink
from aioproducer.cluster.race import race
from aioproducer.errors import ConnectionFailedError, KafkaError
from aioproducer.models import Node
from aioproducer.network.connection import Connection

T = TypeVar("T")

_MOST_KNOWN = 8
"""How many known brokers are tried before the bootstrap servers: all of a large dead cluster would take long."""


class ControlPlane:
    """Links for control requests, by node id; bootstrap servers have negative ids."""

    def __init__(
        self,
        make_link: Callable[[Node], BrokerLink],
        *,
        seeds: Callable[[], Awaitable[Sequence[Node]]],
        rebootstrap: bool,
        clock: Callable[[], float],
        random: Random,
    ) -> None:
        self._make_link = make_link
        self._find_seeds = seeds
        self._rebootstrap = rebootstrap
        self._clock = clock
        self._random = random
        self._links: dict[int, BrokerLink] = {}
        self._seeds: Sequence[Node] = ()
        self._known: Mapping[int, Node] = {}
        self._search = asyncio.Lock()
        self._closed = False

    def know(self, brokers: Mapping[int, Node]) -> None:
        """Takes over the brokers of a metadata answer."""
        self._known = brokers
        for node in brokers.values():
            link = self._links.get(node.id)
            if link is not None:
                link.update(node)

    def forget(self, reason: KafkaError) -> None:
        """Closes everything and starts from the bootstrap servers again (KIP-1102)."""
        self._known = {}
        for link in tuple(self._links.values()):
            link.disconnect(reason)

    def established(self) -> Connection | None:
        """The connection that is up, not throttled, and has the fewest requests in flight."""
        now = self._clock()
        best: Connection | None = None
        for link in self._links.values():
            connection = link.current
            if connection is None or connection.throttled_until > now:
                continue
            if best is None or connection.in_flight < best.in_flight:
                best = connection
        return best

    async def connection(self) -> Connection:
        """A connection to some broker; waits while those that are up are throttled and there are no others.

        Raises KafkaError when all were tried in vain, or pause after they were; `retry_at` tells until when.
        """
        connection = self.established()
        if connection is not None:
            return connection
        async with self._search:
            while True:
                connection = self.established()
                if connection is not None:
                    return connection
                if self._closed:
                    raise ConnectionFailedError("the connections of this client are closed")
                seeds = await self._seed_nodes()
                now = self._clock()
                links = [link for link in self._candidates(seeds) if link.retry_at <= now]
                if links:
                    return await self._race(links)
                throttled = [link.current.throttled_until for link in self._links.values() if link.current is not None]
                if not throttled:
                    raise ConnectionFailedError(f"no broker can be reached: {self._failures()}")
                await asyncio.sleep(max(0.0, min(throttled) - now))

    async def persist(
        self,
        attempt: Callable[[BrokerLink], Coroutine[Any, Any, T]],
        failed: Callable[[BrokerLink, KafkaError], None],
    ) -> T:
        """Races the bootstrap servers, each tried again and again, until `attempt` succeeds with one; its result."""

        def again(link: BrokerLink, error: KafkaError) -> float:
            failed(link, error)
            # A server may be reached, and yet its answer be of no use; that must not be tried in a busy loop either.
            return max(link.retry_at, self._clock() + 0.05)

        async with self._search:
            links = [self._link(node) for node in await self._seed_nodes()]
            self._random.shuffle(links)
            won = await race(links, attempt, clock=self._clock, failed=again)
            assert won is not None, "no server is given up, and the configuration has at least one"
            self._close_all_but(won[0], links)
            return won[1]

    @property
    def seeds(self) -> Sequence[Node]:
        """The bootstrap servers as last looked up."""
        return self._seeds

    @property
    def retry_at(self) -> float:
        """The loop time at which some broker may be tried again."""
        return min(map(self._retry_at, (*self._known.values(), *self._seeds)), default=0.0)

    def close_if_idle(self, now: float) -> float | None:
        """Closes what was not used for long. Returns when to look again, None for never."""
        times = [link.close_if_idle(now) for link in tuple(self._links.values())]
        return min((at for at in times if at is not None), default=None)

    async def close(self, reason: KafkaError) -> None:
        """Closes everything for good; returns when nothing is left."""
        self._closed = True
        for link in tuple(self._links.values()):
            await link.close(reason)

    async def _race(self, links: Sequence[BrokerLink]) -> Connection:
        failures: list[KafkaError] = []

        async def attempt(link: BrokerLink) -> Connection:
            return await link.connection()

        def failed(_link: BrokerLink, error: KafkaError) -> None:
            failures.append(error)

        won = await race(links, attempt, clock=self._clock, failed=failed)
        if won is None:
            raise failures[-1]
        self._close_all_but(won[0], links)
        return won[1]

    def _failures(self) -> str:
        failures = [str(link.failure) for link in self._links.values() if link.failure is not None]
        return "; ".join(failures[:_MOST_KNOWN]) or "none is known"

    def _candidates(self, seeds: Sequence[Node]) -> list[BrokerLink]:
        """Who to try, in this order; nobody who is throttled under another id."""
        now = self._clock()
        excluded = {
            (link.node.host, link.node.port)
            for link in self._links.values()
            if link.current is not None and link.current.throttled_until > now
        }
        known = list(self._known.values())
        self._random.shuffle(known)
        known.sort(key=self._retry_at)
        if self._rebootstrap:
            del known[_MOST_KNOWN:]
        nodes = []
        for node in (*known, *seeds):
            place = (node.host, node.port)
            if place not in excluded:
                excluded.add(place)
                nodes.append(node)
        return [self._link(node) for node in nodes]

    async def _seed_nodes(self) -> Sequence[Node]:
        """The bootstrap servers, looked up again, unless they are not to be used."""
        if self._known and not self._rebootstrap:
            return ()
        self._seeds = await self._find_seeds()
        for node in self._seeds:
            self._link(node).update(node)
        return self._seeds

    def _retry_at(self, node: Node) -> float:
        link = self._links.get(node.id)
        return 0.0 if link is None else link.retry_at

    def _link(self, node: Node) -> BrokerLink:
        link = self._links.get(node.id)
        if link is None:
            link = self._links[node.id] = self._make_link(node)
        return link

    def _close_all_but(self, winner: BrokerLink, links: Sequence[BrokerLink]) -> None:
        for link in links:
            if link is not winner:
                link.disconnect()
