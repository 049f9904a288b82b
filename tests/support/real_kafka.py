"""A real Apache Kafka in processes of this machine: one or three brokers in KRaft mode, to be killed at will.

It starts, stops, kills, freezes and restarts brokers, and creates topics. All calls block, each within a bound; from
a test on the loop they go through `asyncio.to_thread`. Where the jars come from is `tests.support.jars`.
"""

from __future__ import annotations

import base64
import signal
import subprocess
import time
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support import admin, jars, probe, processes
from tests.support.scratch import Scratch, free_ports

_START_TIMEOUT = 90.0
_FORMAT_TIMEOUT = 60.0
_STOP_TIMEOUT = 20.0
_TAIL = 16_000
_PORTS_EACH = 4

SMALL_JVM = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""Starts fast and stays small."""
FAST_JVM = ("-Xmx1g", "-XX:+UseSerialGC")
"""For measuring: the compiler goes all the way."""

_LOGGING = (
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
)


class RealKafkaError(Exception):
    """Kafka did not do what was asked of it; the message ends with what its log says."""


@dataclass
class _Broker:
    """One broker's place in the cluster, which outlives its process."""

    node_id: int
    port: int
    controller_port: int
    front_port: int
    behind_port: int
    properties: Path
    log: Path
    process: subprocess.Popen[bytes] | None = None
    frozen: bool = False
    log_mark: int = field(default=0)

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None


class RealKafka:
    """`brokers` brokers (ids from 1) of Kafka `version`, between `start()` and `stop()`, or as a context manager.

    `properties` are added to every broker's server.properties, with dots or underscores (`log_retention_ms=1000`).
    Starting raises KafkaUnavailableError where Java, Maven or the jars are missing, and RealKafkaError if Kafka fails.
    The data is thrown away at the end, and so is the log, unless starting failed or `keep_log` is set.
    """

    def __init__(
        self,
        version: str = jars.NEWEST,
        brokers: int = 1,
        *,
        jvm: Sequence[str] = SMALL_JVM,
        **properties: str | int | bool,
    ) -> None:
        self.version = version
        self.size = brokers
        self.keep_log = False
        self._jvm = tuple(jvm)
        self._properties = admin.kafka_properties(properties)
        self._brokers: dict[int, _Broker] = {}
        self._data: Scratch | None = None
        self._logs: Scratch | None = None
        self._command: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = ", ".join(
            f"{broker.node_id}:{'frozen' if broker.frozen else 'up' if broker.runs else 'down'}"
            for broker in self._brokers.values()
        )
        return f"<RealKafka {self.version} {state or 'not started'}>"

    @property
    def bootstrap(self) -> str:
        return ",".join(self.address(node_id) for node_id in self._brokers)

    def address(self, node_id: int) -> str:
        return f"127.0.0.1:{self._brokers[node_id].port}"

    @property
    def detours(self) -> dict[int, tuple[int, int]]:
        """Of each broker, two more ports: one where it listens, and one where it does not, `(front, behind)`.

        Clients that come in by `behind` are told that the cluster is at the fronts: that is where a test puts its
        `FaultProxy`.
        """
        return {node_id: (broker.front_port, broker.behind_port) for node_id, broker in self._brokers.items()}

    @property
    def node_ids(self) -> tuple[int, ...]:
        return tuple(self._brokers)

    # -- the cluster as a whole

    def start(self, timeout: float = _START_TIMEOUT) -> None:
        """Format the storage, start all brokers, and wait until they are ready."""
        self._command = (jars.java(), *self._jvm, *_LOGGING, "-cp", f"{jars.kafka_jars(self.version)}/*")
        try:
            self._lay_out()
            self._format()
            for node_id in self._brokers:
                self._spawn(node_id)
            self.wait_ready(timeout=timeout)
        except BaseException as error:
            # Somebody who interrupts a start does not want to read about it.
            self.keep_log = isinstance(error, Exception)
            self.stop()
            raise

    def stop(self) -> None:
        """End every process at once, since the data is thrown away; nothing happens if none runs."""
        for broker in self._brokers.values():
            if broker.process is not None:
                processes.kill(broker.process)
                broker.process = None
        if self._data is not None:
            self._data.remove()
            self._data = None
        if self._logs is not None:
            if self.keep_log:
                self._logs.keep()
            else:
                self._logs.remove()
            self._logs = None

    def wait_ready(self, brokers: Collection[int] | None = None, *, timeout: float = _START_TIMEOUT) -> None:
        """Until each of those brokers (all of them) names as many in its metadata, and gives producer ids."""
        wanted = tuple(self._brokers) if brokers is None else tuple(brokers)
        deadline = time.monotonic() + timeout
        for node_id in wanted:
            broker = self._brokers[node_id]
            while probe.brokers_seen(broker.port) < len(wanted) or not probe.gives_producer_ids(broker.port):
                if not broker.runs:
                    raise self._failure(
                        f"broker {node_id} of Kafka {self.version} ended while it was waited for", broker
                    )
                if time.monotonic() > deadline:
                    raise self._failure(
                        f"broker {node_id} of Kafka {self.version} was not ready in {timeout:.0f} s", broker
                    )
                time.sleep(0.05)

    def mend(self) -> None:
        """Bring back what a test has left frozen or dead."""
        broken = [broker for broker in self._brokers.values() if broker.frozen or not broker.runs]
        for broker in broken:
            if broker.frozen:
                self.resume(broker.node_id)
            if not broker.runs:
                self._spawn(broker.node_id)
        if broken:
            self.wait_ready()

    # -- single brokers

    def kill(self, node_id: int) -> None:
        """`kill -9`: no good-bye to clients or to the controller. Returns when the process is gone."""
        process = self._running(node_id).process
        assert process is not None
        processes.kill(process)

    def stop_broker(self, node_id: int, timeout: float = _STOP_TIMEOUT) -> None:
        """An orderly end, leaders moved first (some 5 s); killed after `timeout` seconds."""
        process = self._running(node_id).process
        assert process is not None
        processes.terminate(process, timeout=timeout)

    def restart(
        self, node_id: int, *, wait: bool = True, timeout: float = _START_TIMEOUT, other_port: bool = False
    ) -> None:
        """Start a broker that was killed or stopped, on its old data, and on its old port unless `other_port`.

        With `wait`, return when it and all others that run see each other. Its replicas may still be catching up: see
        `wait_in_sync`.
        """
        broker = self._brokers[node_id]
        if broker.runs:
            raise RealKafkaError(f"broker {node_id} still runs: kill or stop it before it is restarted")
        if other_port:
            (broker.port,) = free_ports(1)
            self._configure(broker)
        self._spawn(node_id)
        if wait:
            self.wait_ready([broker.node_id for broker in self._brokers.values() if broker.runs], timeout=timeout)

    def freeze(self, node_id: int) -> None:
        """SIGSTOP: its connections stay up, nothing is answered."""
        broker = self._running(node_id)
        assert broker.process is not None
        broker.process.send_signal(signal.SIGSTOP)
        broker.frozen = True

    def resume(self, node_id: int) -> None:
        """SIGCONT."""
        broker = self._brokers[node_id]
        if broker.process is not None:
            broker.process.send_signal(signal.SIGCONT)
        broker.frozen = False

    @contextmanager
    def frozen(self, node_id: int) -> Iterator[None]:
        self.freeze(node_id)
        try:
            yield
        finally:
            self.resume(node_id)

    def runs(self, node_id: int) -> bool:
        return self._brokers[node_id].runs

    @contextmanager
    def configured(self, **properties: str | int | bool) -> Iterator[None]:
        """Settings that every broker can change while it runs, during the block."""
        settings = admin.kafka_properties(properties)
        for node_id in self._brokers:
            admin.alter_broker(self.bootstrap, node_id, settings)
        try:
            yield
        finally:
            for node_id in self._brokers:
                admin.alter_broker(self.bootstrap, node_id, dict.fromkeys(settings))

    # -- topics

    def create_topic(
        self, name: str, partitions: int = 1, replicas: int | None = None, **configs: str | int | bool
    ) -> None:
        """See `admin.create_topic`; replicas on all brokers if not said."""
        admin.create_topic(
            self.bootstrap,
            name,
            partitions=partitions,
            replicas=self.size if replicas is None else replicas,
            configs=configs,
        )

    def leader(self, topic: str, partition: int = 0) -> int:
        """The node id of its leader, as the metadata says now; -1 if there is none."""
        state = admin.describe_topic(self.bootstrap, topic).get(partition)
        return -1 if state is None else state.leader

    def wait_new_leader(self, topic: str, partition: int, old: int, timeout: float = 30.0) -> int:
        """Until another broker than `old` leads it; its node id."""
        leader = old

        def is_new() -> bool:
            nonlocal leader
            leader = self.leader(topic, partition)
            return leader not in (-1, old)

        admin.wait_until(is_new, timeout, f"another broker than {old} leads {topic}-{partition}")
        return leader

    def wait_in_sync(self, topic: str, replicas: int | None = None, timeout: float = 60.0) -> None:
        """Until every partition has that many replicas in sync (as many as there are brokers)."""
        wanted = self.size if replicas is None else replicas

        def is_in_sync() -> bool:
            states = admin.describe_topic(self.bootstrap, topic).values()
            return bool(states) and all(len(state.in_sync) == wanted for state in states)

        admin.wait_until(is_in_sync, timeout, f"{topic} has {wanted} replicas in sync")

    # -- logs

    def mark_logs(self) -> None:
        """What `recent_logs` gives begins here."""
        for broker in self._brokers.values():
            broker.log_mark = _size(broker.log)

    def recent_logs(self) -> Mapping[int, str]:
        """Per broker, the end of what it logged since the mark."""
        return {broker.node_id: _tail(broker.log, broker.log_mark) for broker in self._brokers.values()}

    # -- how it is done

    def _lay_out(self) -> None:
        self._data = Scratch("kafka-data", in_memory=True)
        self._logs = Scratch("kafka-logs")
        ports = free_ports(_PORTS_EACH * self.size)
        if len(ports) < _PORTS_EACH * self.size:
            raise RealKafkaError(f"fewer than {_PORTS_EACH * self.size} free ports on 127.0.0.1")
        each = iter(ports)
        self._brokers = {
            node_id: _Broker(
                node_id=node_id,
                port=next(each),
                controller_port=next(each),
                front_port=next(each),
                behind_port=next(each),
                properties=self._data.path / f"server-{node_id}.properties",
                log=self._logs.path / f"broker-{node_id}.log",
            )
            for node_id in range(1, self.size + 1)
        }
        for broker in self._brokers.values():
            self._configure(broker)

    def _configure(self, broker: _Broker) -> None:
        data = broker.properties.with_name(f"data-{broker.node_id}")
        settings = self._settings(broker, data)
        broker.properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    def _settings(self, broker: _Broker, data: Path) -> dict[str, str]:
        voters = ",".join(f"{other.node_id}@127.0.0.1:{other.controller_port}" for other in self._brokers.values())
        replicas = str(self.size)
        settings = {
            "process.roles": "broker,controller",
            "node.id": str(broker.node_id),
            "controller.quorum.voters": voters,
            "listeners": (
                f"PLAINTEXT://127.0.0.1:{broker.port},DETOUR://127.0.0.1:{broker.behind_port},"
                f"CONTROLLER://127.0.0.1:{broker.controller_port}"
            ),
            "advertised.listeners": (f"PLAINTEXT://127.0.0.1:{broker.port},DETOUR://127.0.0.1:{broker.front_port}"),
            "inter.broker.listener.name": "PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,DETOUR:PLAINTEXT",
            "log.dirs": str(data),
            "offsets.topic.replication.factor": replicas,
            "offsets.topic.num.partitions": "3",
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "3",
            "group.initial.rebalance.delay.ms": "0",
            # A broker that was killed is missed, and one that is back is taken in, within seconds.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            "controller.quorum.election.timeout.ms": "500",
            "controller.quorum.fetch.timeout.ms": "1000",
            "replica.lag.time.max.ms": "3000",
            # Looked for often, so that a test which lets producer ids expire soon (`configured`) sees it.
            "producer.id.expiration.check.interval.ms": "500",
            # Tests send records with times of years ago. By default what is older than a week goes out of the log when
            # the broker looks: 30 s after its start, then every 5 minutes. A test in which that fell read nothing.
            "log.retention.ms": "-1",
        }
        if not self.version.startswith("3."):
            settings["share.coordinator.state.topic.replication.factor"] = replicas
            settings["share.coordinator.state.topic.min.isr"] = "1"
        return settings | self._properties

    def _format(self) -> None:
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        running = [
            (
                broker,
                processes.spawn(
                    [
                        *self._command,
                        "kafka.tools.StorageTool",
                        "format",
                        # In one word: an id may begin with a dash.
                        f"--cluster-id={cluster_id}",
                        f"--config={broker.properties}",
                    ],
                    output=broker.log,
                ),
            )
            for broker in self._brokers.values()
        ]
        try:
            for broker, process in running:
                if processes.wait(process, timeout=_FORMAT_TIMEOUT) != 0:
                    raise self._failure(f"the storage of broker {broker.node_id} could not be formatted", broker)
        finally:
            for _, process in running:
                processes.kill(process)

    def _spawn(self, node_id: int) -> None:
        broker = self._brokers[node_id]
        broker.frozen = False
        broker.process = processes.spawn([*self._command, "kafka.Kafka", str(broker.properties)], output=broker.log)

    def _running(self, node_id: int) -> _Broker:
        broker = self._brokers[node_id]
        if not broker.runs:
            raise RealKafkaError(f"broker {node_id} does not run")
        return broker

    def _failure(self, message: str, broker: _Broker) -> RealKafkaError:
        return RealKafkaError(f"{message}; its log ({broker.log}) ends with\n{_tail(broker.log, 0)}")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _tail(path: Path, start: int) -> str:
    size = _size(path)
    if size <= start:
        return ""
    with path.open("rb") as file:
        file.seek(max(start, size - _TAIL))
        return file.read().decode(errors="replace")
