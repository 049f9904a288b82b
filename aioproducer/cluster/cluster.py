"""The cluster as the rest of the producer sees it: the view, kept fresh; links to brokers; questions for any of them.

1. All decisions about metadata are `Metadata`'s; this shell asks the brokers, tells it what they said, and sleeps.
2. A refresh never ends the task that runs it: what goes wrong with the network is told to `Metadata`, and logged once
   per incident.
3. Without metadata for long, or when a broker says so, everything starts from the bootstrap servers again (KIP-1102).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import TypeVar

from aioproducer.cluster.answer import Answer
from aioproducer.cluster.backoff import ExponentialBackoff
from aioproducer.cluster.bootstrap import canonical_addresses, seed_nodes, start_timeout
from aioproducer.cluster.connector import Connector
from aioproducer.cluster.control import ControlPlane
from aioproducer.cluster.links import BrokerLink, LinkPolicy
from aioproducer.cluster.listeners import Listeners, OnChange
from aioproducer.cluster.metadata import Metadata
from aioproducer.cluster.resolve import CanonicalName, Resolve, canonical_name, resolve_host
from aioproducer.cluster.tables import Tables
from aioproducer.cluster.view import ClusterView
from aioproducer.config import Config
from aioproducer.errors import (
    BrokerError,
    ConnectionFailedError,
    KafkaError,
    KafkaTimeoutError,
    ProtocolError,
    RequestTimeoutError,
)
from aioproducer.models import Node
from aioproducer.network.connection import Connection
from aioproducer.network.stream import Dialer, Spawn
from aioproducer.protocol.error_codes import broker_error
from aioproducer.protocol.messages.metadata import MetadataRequest, MetadataResponse
from aioproducer.protocol.schema import Request, Response, api_name
from aioproducer.slices import in_slices
from aioproducer.work import at_once

_log = logging.getLogger("aioproducer")

_REBOOTSTRAP_REQUIRED = 129
_LAST_ATTEMPT = 0.9  # of the time for the start; an attempt that goes beyond would end without saying what it met

R = TypeVar("R", bound=Response)


class Cluster:
    """Make it, spawn `run()`, await `bootstrap()`; then use it; then `close()`. All on one loop.

    in_use: tells whether records of a topic wait, so that the topic is neither forgotten nor given up; None: not known.
    resolve, canonical_name: look-ups of names, the operating system's by default.
    """

    def __init__(
        self,
        config: Config,
        *,
        dial: Dialer,
        clock: Callable[[], float],
        random: Random,
        spawn: Spawn,
        in_use: Callable[[str], bool] | None = None,
        resolve: Resolve = resolve_host,
        canonical_name: CanonicalName = canonical_name,
    ) -> None:
        self._config = config
        self._clock = clock
        self._random = random
        self._spawn = spawn
        self._resolve = resolve
        self._canonical_name = canonical_name
        self._connector = Connector(dial, resolve=resolve, client_id=config.client_id, spawn=spawn, clock=clock)
        self._policy = LinkPolicy(
            reconnect=ExponentialBackoff(config.reconnect_backoff_ms, config.reconnect_backoff_max_ms),
            setup=ExponentialBackoff(
                config.socket_connection_setup_timeout_ms, config.socket_connection_setup_timeout_max_ms, jitter=0.0
            ),
            max_idle=config.connections_max_idle_ms / 1000 if config.connections_max_idle_ms >= 0 else None,
        )
        self._metadata = Metadata(
            retry_backoff=ExponentialBackoff(config.retry_backoff_ms, config.retry_backoff_max_ms),
            max_age=config.metadata_max_age_ms / 1000,
            max_idle=config.metadata_max_idle_ms / 1000,
            draw=random.random,
            in_use=in_use,
            create_topics=config.allow_auto_create_topics,
        )
        self._recovers = config.metadata_recovery_strategy == "rebootstrap"
        self._control = ControlPlane(
            lambda node: self._new_link(node, log=False),
            seeds=self._seeds,
            rebootstrap=self._recovers,
            clock=clock,
            random=random,
        )
        self._links: dict[int, BrokerLink] = {}
        self._listeners = Listeners()
        self._wake = asyncio.Event()
        self._started = asyncio.Event()
        self._without_since: float | None = None  # since when metadata has been asked for in vain
        self._complained = False
        self._closed = False

    def __repr__(self) -> str:
        view = self._metadata.view
        return f"<Cluster {view.cluster_id or '(unknown)'}, {len(view.brokers)} brokers, {self._metadata!r}>"

    @property
    def view(self) -> ClusterView:
        return self._metadata.view

    def on_change(self, callback: OnChange) -> None:
        """Calls `callback` after each metadata answer with the names of the topics that look different, maybe none; if
        they are many, with some at a time.
        """
        self._listeners.add(callback)

    def want(self, topic: str) -> None:
        """Tracks a topic and marks it as used. One that is new is asked for at the end of the loop's turn, with all
        others that are; one with an error is asked for again after the pause.
        """
        if self._metadata.want(topic, self._clock()):
            self._wake.set()

    def use(self, topic: str) -> None:
        """Marks a tracked topic as used, so that it is not forgotten (metadata_max_idle_ms)."""
        self._metadata.use(topic, self._clock())

    def topic_error(self, topic: str) -> KafkaError | None:
        """What the last answer said was wrong with a topic; a new error each time, None if nothing is known to be."""
        known = self.view.topics.get(topic)
        if known is None or not known.error_code:
            return None
        return broker_error(known.error_code, f"metadata of topic {topic!r}")

    def request_refresh(self, topics: Iterable[str] = ()) -> None:
        """Asks again, for some topics or else for everything, as soon as the pause after the last answer is over."""
        if self._metadata.request_refresh(self._clock(), topics):
            self._wake.set()

    def update_leader(
        self, topic: str, partition: int, leader_id: int, leader_epoch: int, endpoint: Node | None
    ) -> bool:
        """Takes over a leader that a produce answer named (KIP-951), if its epoch is newer than the known one.

        endpoint: where the answer says that leader is; None if it does not. Returns whether it was taken over.
        """
        if not self._metadata.update_leader(topic, partition, leader_id, leader_epoch, endpoint):
            return False
        self._know_brokers()
        at_once(self._listeners.tell(self.view, (topic,)))
        return True

    def link(self, node_id: int) -> BrokerLink:
        """The link for records to a broker; always the same one. Raises ConnectionFailedError for an unknown id."""
        link = self._links.get(node_id)
        if link is None:
            node = self.view.brokers.get(node_id)
            if node is None:
                raise ConnectionFailedError(
                    f"broker {node_id} is not among the {len(self.view.brokers)} that are known"
                )
            link = self._links[node_id] = self._new_link(node, log=True)
        return link

    async def bootstrap(self, timeout: float) -> None:
        """Returns when the first metadata answer is there. Tries all bootstrap servers, again and again.

        Raises StartTimeoutError after `timeout` seconds, which says for each server what was wrong with it.
        """
        deadline = self._clock() + timeout
        failures: dict[int, KafkaError] = {}
        request = self._metadata.build_request(self._clock())

        async def attempt(link: BrokerLink) -> Answer:
            within = max(deadline - self._clock() - timeout * (1 - _LAST_ATTEMPT), 0.001)
            connection = await link.connection(within=within)
            within = max(deadline - self._clock() - timeout * (1 - _LAST_ATTEMPT) / 2, 0.001)
            return await self._ask_metadata(connection, request, within)

        def failed(link: BrokerLink, error: KafkaError) -> None:
            if deadline - self._clock() > timeout * (1 - _LAST_ATTEMPT) or link.node.id not in failures:
                failures[link.node.id] = error
            if not self._complained and len(failures) == len(self._control.seeds):
                self._complain(f"no bootstrap server could be used so far: {'; '.join(map(str, failures.values()))}")

        try:
            async with asyncio.timeout(timeout):
                answer = await self._control.persist(attempt, failed)
        except BaseException as error:
            self._metadata.failed(self._clock())
            if isinstance(error, TimeoutError):
                cause = next(reversed(failures.values()), None)
                raise start_timeout(self._control.seeds or self._listed(), failures, timeout) from cause
            raise
        await self._apply(answer)
        self._started.set()

    async def run(self) -> None:
        """Keeps the view fresh and closes idle connections, from `bootstrap` on, until cancelled."""
        await self._started.wait()
        while True:
            self._wake.clear()
            now = self._clock()
            idle_at = self._close_idle(now)
            at = self._metadata.next_request_at()
            assert at is not None, "whoever builds a request applies its answer before anything else"
            if at <= now:
                await self._refresh()
                continue
            try:
                async with asyncio.timeout(min(at, idle_at) - now):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def ask(self, request: Request, *, timeout: float, at_most: int | None = None) -> Response:
        """The answer of any broker, over the control connection; tries one broker after the other until `timeout`.

        Error codes within the answer are the caller's. A request may have been carried out by a broker whose answer was
        lost before another one is asked. Raises RequestTimeoutError, its cause the last failure, after `timeout`
        seconds, UnsupportedVersionError, and ConnectionFailedError after `close`. May be cancelled.
        """
        last: KafkaError | None = None
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                while True:
                    try:
                        connection = await self._control.connection()
                        return await connection.call(request, timeout=self._request_timeout, at_most=at_most)
                    except (ConnectionFailedError, KafkaTimeoutError, ProtocolError, BrokerError) as error:
                        last = error
                    if self._closed:
                        raise last
                    if self._control.established() is None:
                        await asyncio.sleep(max(self._control.retry_at - self._clock(), 0.01))
        except TimeoutError as error:
            if not limit.expired():
                raise
            why = f"; last: {last}" if last is not None else ""
            what = api_name(type(request))
            raise RequestTimeoutError(f"no broker answered {what} within {timeout:g} s{why}") from last or error

    async def close(self) -> None:
        """Closes all connections; returns when nothing is left. Whoever runs `run` has cancelled it before."""
        self._closed = True
        reason = ConnectionFailedError("the producer was closed")
        await self._control.close(reason)
        for link in tuple(self._links.values()):
            await link.close(reason)

    @property
    def _request_timeout(self) -> float:
        return self._config.request_timeout_ms / 1000

    async def _refresh(self) -> None:
        """One round: one request, answered or not."""
        now = self._clock()
        request = self._metadata.build_request(now)
        if self._without_since is None:
            self._without_since = now
        limit = asyncio.timeout(self._patience(now))
        try:
            async with limit:
                answer = await self._exchange(request)
        except KafkaError as error:
            self._metadata.failed(self._clock())
            if isinstance(error, BrokerError) and error.code == _REBOOTSTRAP_REQUIRED and self._recovers:
                self._start_over("a broker requires it (REBOOTSTRAP_REQUIRED)")
            else:
                self._in_vain(error)
        except TimeoutError:
            assert limit.expired(), "only KafkaErrors come out of an exchange"
            self._metadata.failed(self._clock())
            self._in_vain(ConnectionFailedError("no answer and no connection"))
        except BaseException:
            self._metadata.failed(self._clock())
            raise
        else:
            await self._apply(answer)

    async def _exchange(self, request: MetadataRequest) -> Answer:
        established = self._control.established()
        if established is not None:
            try:
                return await self._ask_metadata(established, request, self._request_timeout)
            except ConnectionFailedError:
                pass  # lost since it was last used, which says nothing about the others
        return await self._ask_metadata(await self._control.connection(), request, self._request_timeout)

    async def _ask_metadata(self, connection: Connection, request: MetadataRequest, timeout: float) -> Answer:
        """One broker's answer. A connection whose answer is of no use is closed, to try others next."""
        version = connection.versions.pick(MetadataRequest)
        tables = Tables(self.view.topics)
        response = await connection.call(
            request, timeout=min(timeout, self._request_timeout), at_most=version, takers=tables.takers
        )
        assert isinstance(response, MetadataResponse)
        error: KafkaError | None = None
        if response.error_code:
            error = broker_error(response.error_code, f"metadata from {connection.name}")
        elif not response.brokers:
            error = ConnectionFailedError(f"{connection.name} knows no brokers yet, so its metadata can not be used")
        if error is not None:
            connection.close(error)
            raise error
        return Answer(response, version, tables.topics)

    async def _apply(self, answer: Answer) -> None:
        """Takes an answer over and tells of it, both in slices: records go on being sent meanwhile."""
        before = self.view.cluster_id
        changed = await in_slices(self._metadata.apply(answer, self._clock()))
        after = self.view.cluster_id
        if None not in (before, after) and before != after:
            _log.warning("cluster %s answers where cluster %s did; records go there from now on", after, before)
        if self._complained:
            _log.info("metadata of the cluster can be had again")
            self._complained = False
        self._without_since = None
        self._know_brokers()
        await in_slices(self._listeners.tell(self.view, changed))

    def _know_brokers(self) -> None:
        brokers = self.view.brokers
        self._control.know(brokers)
        for node_id, link in tuple(self._links.items()):
            if node_id in brokers:
                link.update(brokers[node_id])

    def _patience(self, now: float) -> float | None:
        """For how long a refresh may go on before everything starts over; None for ever."""
        if not self._recovers or self._without_since is None:
            return None
        trigger = self._config.metadata_recovery_rebootstrap_trigger_ms / 1000
        # The first attempt after a new start has time enough to connect, however small the trigger.
        return max(self._without_since + trigger - now, self._config.socket_connection_setup_timeout_ms / 1000)

    def _in_vain(self, error: KafkaError) -> None:
        self._complain(f"metadata of the cluster can not be had: {error}; trying again until it can")
        trigger = self._config.metadata_recovery_rebootstrap_trigger_ms / 1000
        if self._recovers and self._without_since is not None and self._clock() - self._without_since >= trigger:
            self._start_over(f"no metadata for {trigger:g} s (metadata_recovery_rebootstrap_trigger_ms)")

    def _start_over(self, why: str) -> None:
        self._complain(f"starting from bootstrap_servers again: {why}")
        self._without_since = None
        reason = ConnectionFailedError(f"connection closed to start from bootstrap_servers again: {why}")
        self._control.forget(reason)
        for link in tuple(self._links.values()):
            link.disconnect(reason)

    def _complain(self, text: str) -> None:
        """One line for each spell without metadata."""
        if not self._complained:
            self._complained = True
            _log.warning("%s", text)

    def _close_idle(self, now: float) -> float:
        """Closes idle connections; returns when to look again."""
        times = [link.close_if_idle(now) for link in tuple(self._links.values())]
        times.append(self._control.close_if_idle(now))
        horizon = now + (3600.0 if self._policy.max_idle is None else self._policy.max_idle)
        return max(now + 0.01, min((at for at in times if at is not None), default=horizon))

    def _new_link(self, node: Node, *, log: bool) -> BrokerLink:
        return BrokerLink(
            node,
            self._connector,
            self._policy,
            spawn=self._spawn,
            clock=self._clock,
            random=self._random,
            on_lost=self.request_refresh,
            log=log,
        )

    async def _seeds(self) -> Sequence[Node]:
        if self._config.client_dns_lookup != "resolve_canonical_bootstrap_servers_only":
            return self._listed()
        return seed_nodes(
            await canonical_addresses(
                self._config.bootstrap_servers, resolve=self._resolve, canonical_name=self._canonical_name
            )
        )

    def _listed(self) -> Sequence[Node]:
        return seed_nodes(self._config.bootstrap_servers)
