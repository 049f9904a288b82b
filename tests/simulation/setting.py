"""What one run takes place in: the producer's options, the cluster and its topics, the network. Drawn from a `Random`,
within bounds in which much happens in few virtual seconds. What goes wrong is `faults`'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from aioproducer.testing import RELEASES, TopicSettings
from tests.support.memory_network import Weather


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPlan:
    name: str
    partitions: int
    replication: int
    settings: TopicSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """`options` are `Producer`'s; milliseconds, as there."""

    options: Mapping[str, object]
    brokers: int
    release: str
    topics: tuple[TopicPlan, ...]
    weather: Weather

    def number(self, option: str) -> float:
        value = self.options[option]
        assert isinstance(value, int | float)
        return value

    def seconds(self, option: str) -> float:
        return self.number(option) / 1000

    @property
    def idempotent(self) -> bool:
        return bool(self.options["enable_idempotence"])

    @property
    def acks(self) -> object:
        return self.options["acks"]

    @property
    def patience(self) -> float:
        """Seconds that a record may wait for its topic and for room."""
        return min(self.seconds("max_block_ms"), self.seconds("delivery_timeout_ms"))

    @property
    def at_most_once(self) -> bool:
        return not self.idempotent and (self.acks == 0 or self.options["retries"] == 0)

    @property
    def ordered(self) -> bool:
        """Whether a retry can not change the order."""
        return self.idempotent or self.number("max_in_flight_requests_per_connection") == 1


MOST_RETRIES = 2**31 - 1
"""The default: as many as fit into the time."""


def draw_setting(random: Random) -> Setting:
    idempotent = random.random() < 0.6
    acks: object = "all" if idempotent else random.choice((0, 1, 1, "all", "all"))
    linger = random.choice((0, 0, 1, 5, 20, 100))
    request_timeout = random.choice((150, 300, 800))
    buffer_memory = random.choice((600, 1500, 5000, 30_000, 1_000_000))
    batch_size = min(random.choice((0, 0, 100, 200, 400, 2000)), buffer_memory)
    brokers = random.choice((1, 2, 3, 3))
    return Setting(
        options={
            # Else it is counted up, and no run is the same as the one before.
            "client_id": "simulated",
            "acks": acks,
            "enable_idempotence": idempotent,
            "retries": random.choice((MOST_RETRIES,) * 4 + (1, 3))
            if idempotent
            else random.choice((0, 1, 3, MOST_RETRIES)),
            "max_in_flight_requests_per_connection": random.choice((1, 2, 3, 5, 5)),
            "linger_ms": linger,
            "strict_linger": random.random() < 0.2,
            "batch_size": batch_size,
            "batch_max_size": min(batch_size * random.choice((1, 1, 3, 20)), buffer_memory),
            "buffer_memory": buffer_memory,
            "max_block_ms": random.choice((200, 1000, 3000)),
            "request_timeout_ms": request_timeout,
            "delivery_timeout_ms": linger + request_timeout + random.choice((0, 300, 1500, 4000)),
            "retry_backoff_ms": random.choice((2, 10, 50)),
            "retry_backoff_max_ms": random.choice((50, 200)),
            "reconnect_backoff_ms": random.choice((5, 20)),
            "reconnect_backoff_max_ms": random.choice((50, 200)),
            "socket_connection_setup_timeout_ms": random.choice((150, 500)),
            "socket_connection_setup_timeout_max_ms": 1000,
            "metadata_max_age_ms": random.choice((500, 3000, 300_000)),
            "connections_max_idle_ms": random.choice((300, 540_000, 540_000)),
            "metadata_recovery_strategy": random.choice(("none", "rebootstrap")),
            "metadata_recovery_rebootstrap_trigger_ms": random.choice((500, 300_000)),
            "compression_type": random.choice(("none", "none", "none", "gzip", "lz4", "zstd", "snappy")),
            "partitioner_adaptive_partitioning_enable": random.random() < 0.8,
            "partitioner_availability_timeout_ms": random.choice((0, 0, 100)),
        },
        brokers=brokers,
        release=random.choice((*RELEASES, RELEASES[-1], RELEASES[-1])),
        topics=tuple(_draw_topic(random, name, brokers) for name in ("red", "blue")[: random.choice((1, 1, 2))]),
        weather=Weather(
            latency=random.choice((0.0001, 0.0005, 0.002, 0.01)),
            jitter=random.choice((0.0, 0.0, 0.002, 0.02)),
            cut=random.choice((0.0, 0.0, 0.3)),
            crumble=random.choice((0.0, 0.0, 0.05)),
            window=random.choice((200, 2000, 65_536, 65_536)),
        ),
    )


def _draw_topic(random: Random, name: str, brokers: int) -> TopicPlan:
    replication = random.randint(1, brokers)
    settings = TopicSettings(min_insync_replicas=random.randint(1, replication))
    if random.random() < 0.1:
        settings["message_timestamp_type"] = "LogAppendTime"
    if random.random() < 0.05:
        settings["max_message_bytes"] = random.choice((150, 400))
    if random.random() < 0.03:
        settings["cleanup_policy"] = "compact"
    if random.random() < 0.05:
        settings["message_timestamp_after_max_ms"] = 500  # some records are a second ahead
    return TopicPlan(name=name, partitions=random.choice((1, 1, 2, 3)), replication=replication, settings=settings)
