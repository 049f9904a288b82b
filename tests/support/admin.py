"""Topics of a cluster, through admin clients that we did not write: create, delete, change, look at; leaders and
records of them, too. All calls block, with a bound.

Each call makes a client of its own and lets go of it, so that no thread or socket of it is left to be taken for a
leak.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from confluent_kafka import ElectionType, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic

with warnings.catch_warnings():
    # kafka-python reads its schemas, on import, by a call that newer Pythons deprecate.
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka import KafkaAdminClient
    from kafka import TopicPartition as PythonTopicPartition
    from kafka.errors import KafkaError as PythonKafkaError

FAILURES: tuple[type[Exception], ...] = (KafkaException, PythonKafkaError, TimeoutError)
"""What these calls raise while a cluster is not able to do what it is asked for."""

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


def delete_topic(bootstrap: str, name: str, *, wait: bool = True, timeout: float = 30.0) -> None:
    """Delete it, and wait until the metadata has forgotten it; with `wait=False` where somebody may be asking for it,
    and so have it created again by a broker. Raises KafkaException, TimeoutError.
    """
    deadline = time.monotonic() + timeout
    client = _client(bootstrap)
    client.delete_topics([name], operation_timeout=timeout, request_timeout=timeout)[name].result(timeout)
    if wait:
        wait_until(
            lambda: name not in client.list_topics(timeout=5).topics, deadline - time.monotonic(), f"{name} is gone"
        )


def add_partitions(bootstrap: str, name: str, total: int, *, timeout: float = 30.0) -> None:
    """Give it `total` partitions, and wait until each has a leader. Raises KafkaException, TimeoutError."""
    deadline = time.monotonic() + timeout
    client = _client(bootstrap)
    client.create_partitions([NewPartitions(name, total)], request_timeout=timeout)[name].result(timeout)

    def is_up() -> bool:
        states = _describe(client, name)
        return len(states) == total and all(state.leader >= 0 for state in states.values())

    wait_until(is_up, deadline - time.monotonic(), f"topic {name} has {total} partitions")


def delete_records(bootstrap: str, name: str, partition: int, *, timeout: float = 30.0) -> int:
    """Delete all records of the partition that are there; its first offset afterwards. Raises KafkaException."""
    client = _client(bootstrap)
    up_to_the_end = TopicPartition(name, partition, -1)
    deletion = client.delete_records([up_to_the_end], request_timeout=timeout)[up_to_the_end]
    return int(deletion.result(timeout).low_watermark)


def known_producers(bootstrap: str, name: str, partition: int) -> int:
    """How many idempotent producers the leader remembers for the partition. Through kafka-python, which can ask."""
    client = KafkaAdminClient(bootstrap_servers=bootstrap.split(","))
    try:
        where = PythonTopicPartition(name, partition)
        return len(client.describe_producers([where])[where].active_producers)
    finally:
        client.close()


def elect_preferred(bootstrap: str, name: str, *, timeout: float = 30.0) -> int:
    """Make the first of its replicas the leader of each partition; how many leaders that has changed.

    Partitions whose first replica leads, or can not, stay as they are. Raises KafkaException.
    """
    client = _client(bootstrap)
    partitions = [TopicPartition(name, number) for number in _describe(client, name)]
    # The client takes no time-out for this call, though it says so.
    elected: Mapping[TopicPartition, KafkaError | None] = client.elect_leaders(
        ElectionType.PREFERRED, partitions
    ).result(timeout)
    for error in elected.values():
        if error is not None and error.code() not in (
            KafkaError.ELECTION_NOT_NEEDED,
            KafkaError.PREFERRED_LEADER_NOT_AVAILABLE,
        ):
            raise KafkaException(error)
    return sum(error is None for error in elected.values())


def reassign(bootstrap: str, name: str, replicas: Mapping[int, Sequence[int]], *, timeout: float = 30.0) -> None:
    """Put each partition on those brokers, in that order, and wait until it is there and in sync; the leader stays if
    it is among them. Through kafka-python: confluent-kafka can not. Raises TimeoutError, AssertionError if refused.
    """
    deadline = time.monotonic() + timeout
    client = KafkaAdminClient(bootstrap_servers=bootstrap.split(","), request_timeout_ms=int(timeout * 1000))
    try:
        answer = client.alter_partition_reassignments(
            {PythonTopicPartition(name, number): list(brokers) for number, brokers in replicas.items()}
        )
    finally:
        client.close()
    refused = {str(partition): error for partition, error in answer.items() if error is not None}
    assert not refused, f"not reassigned: {refused}"

    def is_done() -> bool:
        states = describe_topic(bootstrap, name)
        return all(
            number in states
            and states[number].replicas == tuple(brokers)
            and sorted(states[number].in_sync) == sorted(brokers)
            for number, brokers in replicas.items()
        )

    wait_until(is_done, deadline - time.monotonic(), f"the partitions of {name} are at {dict(replicas)}")


def alter_broker(bootstrap: str, node_id: int, settings: Mapping[str, str | None], *, timeout: float = 30.0) -> None:
    """Change settings of a running broker; None takes one back. Raises KafkaException if it can not be changed so."""
    client = _client(bootstrap)
    changes = [
        ConfigEntry(
            name,
            value or "",
            incremental_operation=AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET,
        )
        for name, value in settings.items()
    ]
    broker = ConfigResource(ConfigResource.Type.BROKER, str(node_id), incremental_configs=changes)
    client.incremental_alter_configs([broker], request_timeout=timeout)[broker].result(timeout)


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
