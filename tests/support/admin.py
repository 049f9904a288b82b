"""Topics of a cluster, through confluent-kafka's admin client: create, delete, look at. All calls block, with a
bound.

Each call makes a client of its own and lets go of it, so that no thread or socket of it is left to be taken for a
leak.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

_POLL = 0.05


class PartitionState(NamedTuple):
    leader: int
    """-1 while there is none."""
    replicas: tuple[int, ...]
    in_sync: tuple[int, ...]


def create_topic(
    bootstrap: str,
    name: str,
    *,
    partitions: int = 1,
    replicas: int = 1,
    configs: Mapping[str, str | int | bool] | None = None,
    timeout: float = 30.0,
) -> None:
    """Create it, and wait until each partition has a leader and all its replicas in sync.

    `configs` are topic settings, with dots or underscores. Raises KafkaException if the cluster refuses, TimeoutError.
    """
    deadline = time.monotonic() + timeout
    topic = NewTopic(
        name, num_partitions=partitions, replication_factor=replicas, config=kafka_properties(configs or {})
    )
    client = _client(bootstrap)
    client.create_topics([topic], operation_timeout=timeout, request_timeout=timeout)[name].result(timeout)

    def is_up() -> bool:
        states = _describe(client, name)
        return len(states) == partitions and all(
            state.leader >= 0 and len(state.in_sync) == replicas for state in states.values()
        )

    wait_until(
        is_up, deadline - time.monotonic(), f"topic {name} has {partitions} partitions with all replicas in sync"
    )


def delete_topic(bootstrap: str, name: str, *, timeout: float = 30.0) -> None:
    """Delete it, and wait until the metadata has forgotten it. Raises KafkaException, TimeoutError."""
    deadline = time.monotonic() + timeout
    client = _client(bootstrap)
    client.delete_topics([name], operation_timeout=timeout, request_timeout=timeout)[name].result(timeout)
    wait_until(lambda: name not in client.list_topics(timeout=5).topics, deadline - time.monotonic(), f"{name} is gone")


def describe_topic(bootstrap: str, name: str) -> dict[int, PartitionState]:
    """Its partitions; empty if the topic does not exist, or if no broker answered."""
    return _describe(_client(bootstrap), name)


def kafka_properties(settings: Mapping[str, str | int | bool]) -> dict[str, str]:
    """Settings in Kafka's spelling: `min_insync_replicas=2` is `min.insync.replicas=2`, and True is `true`."""
    return {
        name if "." in name else name.replace("_", "."): str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in settings.items()
    }


def wait_until(condition: Callable[[], bool], timeout: float, what: str) -> None:
    """Block until it holds. Raises TimeoutError that says `what` was waited for."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout:.0f} s in vain until {what}")
        time.sleep(_POLL)


def _client(bootstrap: str) -> AdminClient:
    # Brokers that tests have killed are no news; librdkafka would print a line about each attempt to reach them.
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0, "reconnect.backoff.max.ms": 200})


def _describe(client: AdminClient, name: str) -> dict[int, PartitionState]:
    try:
        # Asked for all topics: asking for one by its name would create it where brokers do that.
        topic = client.list_topics(timeout=5).topics.get(name)
    except KafkaException:
        return {}
    if topic is None:
        return {}
    return {
        number: PartitionState(partition.leader, tuple(partition.replicas), tuple(partition.isrs))
        for number, partition in topic.partitions.items()
    }
