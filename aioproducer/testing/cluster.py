"""The embedded cluster: N Kafka brokers in this process and loop, on real sockets, for tests. The public face.

It puts the parts together and gives tests their handles; every rule is in one of them. It has no groups and no
transactions.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self, Unpack

from aioproducer.protocol.requests import REQUESTS
from aioproducer.testing.broker import Broker, Changes, RequestEntry, Surroundings
from aioproducer.testing.codes import RefusedError
from aioproducer.testing.contents import StoredBatch, StoredRecord, stored_batches, stored_records
from aioproducer.testing.faults import Fault, Faults, Kind
from aioproducer.testing.orders import Target, aimed, api_key, code_of
from aioproducer.testing.releases import FIRST_WITH_TIMESTAMP_LIMIT, LATEST, release_named
from aioproducer.testing.state import BrokerState, ClusterState, Partition
from aioproducer.testing.topics import FOREVER_MS, ONE_HOUR_MS, TopicConfig, TopicSettings
from aioproducer.testing.transport import Listen, listen_on_sockets

DEFAULT_REPLICATION = 3


class EmbeddedCluster:
    """Brokers 1 to `brokers`, as `async with EmbeddedCluster(brokers=3) as cluster:`.

    release: which Kafka it imitates, in the versions it offers and where behaviour changed: "2.1" to "4.3".
    host: the address to listen on, and the one that the metadata names.
    auto_create_topics, num_partitions, default_replication_factor: as a broker's settings of these names. The factor
        is 3 by default, or the number of brokers if there are fewer.
    racks: the rack of each broker.
    clock: seconds since the epoch, for log append times and timestamp checks.
    seed: of the randomness of topic ids and garbage.
    listen: how ports are opened; real sockets if not given.
    settings: defaults of all topics, see `TopicConfig`.

    Topics may be created before it is started. A connection that a broker closes because of what came in is noted in
    `complaints`. Raises ValueError for settings that make no sense.
    """

    def __init__(
        self,
        brokers: int = 1,
        *,
        release: str = LATEST,
        host: str = "127.0.0.1",
        auto_create_topics: bool = True,
        num_partitions: int = 1,
        default_replication_factor: int | None = None,
        racks: Sequence[str] | None = None,
        clock: Callable[[], float] = time.time,
        seed: int = 0,
        listen: Listen = listen_on_sockets,
        **settings: Unpack[TopicSettings],
    ) -> None:
        if brokers < 1:
            raise ValueError(f"brokers={brokers}: give 1 or more")
        if racks is not None and len(racks) != brokers:
            raise ValueError(f"racks={racks!r}: give one for each of the {brokers} brokers")
        factor = min(DEFAULT_REPLICATION, brokers) if default_replication_factor is None else default_replication_factor
        if not 1 <= factor <= brokers:
            raise ValueError(f"default_replication_factor={factor}: give 1 to {brokers}, the number of brokers")
        served = release_named(release, _SPOKEN)
        if "message_timestamp_after_max_ms" not in settings:
            limited = served.at_least(FIRST_WITH_TIMESTAMP_LIMIT)
            settings["message_timestamp_after_max_ms"] = ONE_HOUR_MS if limited else FOREVER_MS
        nodes = (BrokerState(n, host, rack=racks[n - 1] if racks else None) for n in range(1, brokers + 1))
        randomness = random.Random(seed)
        self._state = ClusterState(
            brokers={node.node_id: node for node in nodes},
            clock=clock,
            randomness=randomness,
            defaults=TopicConfig(**settings),
            cluster_id=f"embedded-{randomness.getrandbits(48):012x}",
            auto_create_topics=auto_create_topics,
            num_partitions=num_partitions,
            default_replication_factor=factor,
        )
        self.requests: list[RequestEntry] = []
        self.complaints: list[str] = []
        self._crashes: list[BaseException] = []
        self._faults = Faults()
        changes = Changes()
        self._state.listeners.append(changes.notify)
        shared = Surroundings(
            state=self._state,
            release=served,
            faults=self._faults,
            changes=changes,
            listen=listen,
            log_request=self.requests.append,
            complain=self.complaints.append,
            crashed=self._crashes.append,
            next_connection=itertools.count(1).__next__,
        )
        self._brokers = {node_id: Broker(node, shared) for node_id, node in self._state.brokers.items()}

    def __repr__(self) -> str:
        up = sum(node.up for node in self._state.brokers.values())
        return f"<EmbeddedCluster {up} of {len(self._brokers)} brokers up, topics={sorted(self._state.topics)}>"

    # -- life ----------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stop()
        if error is None:
            self._raise_crash()

    async def start(self) -> None:
        """Starts all brokers. Raises OSError if a port can not be opened; nothing runs then."""
        try:
            for node in self._state.brokers.values():
                if not node.up:
                    await self.start_broker(node.node_id)
        except BaseException:
            await self._stop()
            raise

    async def close(self) -> None:
        """Cuts all connections and closes all ports. Doing it again does nothing.

        Raises what a handler raised, if one did: that is a bug in here, and no result of the test counts.
        """
        await self._stop()
        self._raise_crash()

    async def _stop(self) -> None:
        for node_id, broker in self._brokers.items():
            await broker.stop()
            self._state.brokers[node_id].up = False

    def _raise_crash(self) -> None:
        if self._crashes:
            raise self._crashes.pop(0)

    @property
    def bootstrap_servers(self) -> str:
        """The addresses of all brokers, also of those that are down, as clients take them."""
        hosts = ((f"[{node.host}]" if ":" in node.host else node.host, node) for node in self._state.brokers.values())
        return ",".join(f"{host}:{node.port}" for host, node in hosts)

    @property
    def cluster_id(self) -> str:
        return self._state.cluster_id

    def address(self, broker: int) -> tuple[str, int]:
        """Host and port of one broker."""
        node = self._state.broker(broker)
        return node.host, node.port

    # -- topics --------------------------------------------------------------------------------------------------

    def create_topic(
        self,
        name: str,
        partitions: int = 1,
        replication_factor: int | None = None,
        **settings: Unpack[TopicSettings],
    ) -> None:
        """A topic whose leaders are dealt to the brokers in turn. Raises ValueError for what Kafka would refuse."""
        factor = self._state.default_replication_factor if replication_factor is None else replication_factor
        config = replace(self._state.defaults, **settings)
        try:
            self._state.create_topic(name, partitions, factor, config)
        except RefusedError as refusal:
            raise ValueError(refusal.message) from refusal

    def delete_topic(self, name: str) -> None:
        """Removes a topic. One that is created under its name later has another topic id."""
        self._state.delete_topic(name)

    def add_partitions(self, name: str, total: int) -> None:
        """Grows a topic to `total` partitions."""
        self._state.add_partitions(name, total)

    def topics(self) -> dict[str, int]:
        """The names of all topics, and how many partitions each has."""
        return {name: len(topic.partitions) for name, topic in self._state.topics.items()}

    # -- what is in the logs -------------------------------------------------------------------------------------

    def records(self, topic: str, partition: int | None = None) -> list[StoredRecord]:
        """All records in the log of a partition, or of all of the topic's, one partition after the other."""
        return [record for chosen in self._chosen(topic, partition) for record in stored_records(chosen)]

    def batches(self, topic: str, partition: int | None = None) -> list[StoredBatch]:
        """All batches likewise, without decoding the records."""
        return [batch for chosen in self._chosen(topic, partition) for batch in stored_batches(chosen)]

    def end_offset(self, topic: str, partition: int = 0) -> int:
        """The offset that the next record will get."""
        return self._state.partition(topic, partition).log.end_offset

    def high_watermark(self, topic: str, partition: int = 0) -> int:
        """The offset below which consumers see the log."""
        return self._state.partition(topic, partition).log.high_watermark

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        """Moves the start of the log up to `before`, as retention does. What is known of producers stays."""
        self._state.partition(topic, partition).log.delete_before(before)

    def forget_producers(self, topic: str, partition: int, producer_id: int | None = None) -> None:
        """Forgets the sequences of one producer id or of all, as after `producer.id.expiration.ms`."""
        self._state.partition(topic, partition).producers.forget(producer_id)

    def _chosen(self, topic: str, partition: int | None) -> list[Partition]:
        if partition is not None:
            return [self._state.partition(topic, partition)]
        return self._state.topic(topic).partitions

    # -- brokers, leaders, replicas ------------------------------------------------------------------------------

    def leader(self, topic: str, partition: int = 0) -> int:
        """The id of the leader, -1 while there is none."""
        return self._state.partition(topic, partition).leader

    def isr(self, topic: str, partition: int = 0) -> tuple[int, ...]:
        """The ids of the in-sync replicas."""
        return self._state.partition(topic, partition).isr

    def move_leader(self, topic: str, partition: int = 0, to: int | None = None) -> int:
        """Makes broker `to` the leader, or the next in-sync replica; returns its id. The leader epoch grows."""
        return self._state.move_leader(topic, partition, to)

    def set_isr(self, topic: str, partition: int = 0, isr: Sequence[int] | None = None) -> None:
        """Replaces the in-sync replicas; None brings all back that run. Too few refuse `acks=all`."""
        self._state.set_isr(topic, partition, isr)

    def hold_replication(self, topic: str, partition: int = 0) -> None:
        """Stops the followers: `acks=all` is not answered before its time-out, and a leader change loses what they
        lack.
        """
        self._state.hold_replication(topic, partition, hold=True)

    def resume_replication(self, topic: str, partition: int = 0) -> None:
        """Lets the followers catch up."""
        self._state.hold_replication(topic, partition, hold=False)

    async def stop_broker(self, broker: int, *, fail_over: bool = True) -> None:
        """Kills a broker: port closed, connections cut. What it led goes to in-sync replicas, or is left without
        leader.

        With `fail_over=False` the cluster does not notice yet, as in the seconds after a crash: the metadata goes on
        naming the dead leader until `fail_over()`.
        """
        node = self._state.broker(broker)
        node.up = False
        await self._brokers[broker].stop()
        if fail_over:
            self.fail_over(broker)

    def fail_over(self, broker: int) -> None:
        """Lets the cluster notice that a stopped broker is gone. Raises ValueError for one that runs."""
        if self._state.broker(broker).up:
            raise ValueError(f"broker={broker}: it runs; stop it with stop_broker() first")
        self._state.broker_lost(broker)

    async def start_broker(self, broker: int, *, port: int | None = None, from_snapshot: bool = False) -> None:
        """Brings a broker back under its id, on the port it had, or on another, 0 for any free one.

        With `from_snapshot` it had been shut down in order: where it leads, it recognises just the last batch of each
        producer as a duplicate; after a crash it reads the last five from its log. Its replicas are in sync again at
        once. Raises OSError if the port is taken, ValueError if the broker runs.
        """
        node = self._state.broker(broker)
        if node.up:
            raise ValueError(f"broker={broker}: it runs already")
        await self._brokers[broker].start(node.port if port is None else port)
        self._state.broker_back(broker, from_snapshot=from_snapshot)

    async def cut_connections(self, broker: int | None = None) -> None:
        """Cuts the connections of one broker or of all; they may be made again at once."""
        for node_id, running in self._brokers.items():
            if broker is None or node_id == broker:
                await running.cut_connections()

    def connections(self, broker: int) -> int:
        """How many connections a broker has open."""
        self._state.broker(broker)
        return self._brokers[broker].connections

    # -- faults --------------------------------------------------------------------------------------------------
    # `api` is Kafka's name of it in any spelling ("produce", "InitProducerId", "init_producer_id"), or "connect".
    # `after_append`: after the request took effect, before it is answered. All return the Fault, with `.hits` and
    # `.remove()`.

    def fail(
        self,
        api: str,
        error_code: int | str,
        *,
        after_append: bool = False,
        message: str | None = None,
        **target: Unpack[Target],
    ) -> Fault:
        """Answers with an error code, by number or by Kafka's name, and with `message` where the API has room for one.

        With `after_append` the request takes effect and is answered with the error all the same.
        """
        fault = Fault(kind=Kind.ERROR, api=api_key(api), after=after_append, code=code_of(error_code), message=message)
        return self._faults.add(aimed(fault, target))

    def disconnect(self, api: str, *, after_append: bool = False, **target: Unpack[Target]) -> Fault:
        """Closes the connection instead of answering."""
        return self._faults.add(aimed(Fault(kind=Kind.DISCONNECT, api=api_key(api), after=after_append), target))

    def delay(self, api: str, seconds: float, *, after_append: bool = False, **target: Unpack[Target]) -> Fault:
        """Lets the request, or with `after_append` its answer, wait. What the connection sent after it waits too."""
        return self._faults.add(
            aimed(Fault(kind=Kind.DELAY, api=api_key(api), after=after_append, seconds=seconds), target)
        )

    def silence(self, api: str, *, after_append: bool = False, **target: Unpack[Target]) -> Fault:
        """Answers neither this request nor anything after it on its connection, which stays open."""
        return self._faults.add(aimed(Fault(kind=Kind.SILENCE, api=api_key(api), after=after_append), target))

    def throttle(self, api: str, milliseconds: int, **target: Unpack[Target]) -> Fault:
        """Answers with this throttle time, and reads on only after it (KIP-219)."""
        return self._faults.add(aimed(Fault(kind=Kind.THROTTLE, api=api_key(api), milliseconds=milliseconds), target))

    def garbage(self, api: str, data: bytes | None = None, **target: Unpack[Target]) -> Fault:
        """Sends `data` in place of the answer; by default a frame with the right length and id, and nonsense in it.

        The request takes effect.
        """
        return self._faults.add(aimed(Fault(kind=Kind.GARBAGE, api=api_key(api), data=data), target))

    def cut_frame(self, api: str, at: int | None = None, *, stall: bool = False, **target: Unpack[Target]) -> Fault:
        """Sends the first `at` bytes of the answer, half of it by default, then closes, or with `stall` never goes on.

        The request takes effect.
        """
        return self._faults.add(aimed(Fault(kind=Kind.CUT_FRAME, api=api_key(api), at=at, stall=stall), target))

    def answer_twice(self, api: str, **target: Unpack[Target]) -> Fault:
        """Sends the answer two times, as no broker should."""
        return self._faults.add(aimed(Fault(kind=Kind.TWICE, api=api_key(api)), target))

    def answer_late(self, api: str, **target: Unpack[Target]) -> Fault:
        """Sends the answer behind the next one on its connection, out of order, as no broker should."""
        return self._faults.add(aimed(Fault(kind=Kind.LATE, api=api_key(api)), target))

    def clear_faults(self) -> None:
        """Takes back all faults that were ordered. What they have done already stays."""
        self._faults.clear()


_SPOKEN = {key: (request.min_version, request.max_version) for key, request in REQUESTS.items()}
