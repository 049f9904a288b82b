"""librdkafka's mock cluster, out of the library inside confluent-kafka's wheel, reached through ctypes.

A broker that we did not write, up within milliseconds, with faults to order. It runs in a thread of its own in this
process and keeps the last 5 MiB or 100,000 record sets of a partition. It does not check sequences, and knows no
topic settings.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from types import TracebackType
from typing import Final, Self

import confluent_kafka

ALL_BROKERS = -1

_PRODUCER = 0
_ERROR_TEXT_SIZE = 512
_BY_LIBRARY: Final = {
    "rd_kafka_conf_new": (ctypes.c_void_p, ()),
    "rd_kafka_conf_set_log_cb": (None, (ctypes.c_void_p, ctypes.c_void_p)),
    "rd_kafka_new": (ctypes.c_void_p, (ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t)),
    "rd_kafka_destroy": (None, (ctypes.c_void_p,)),
    "rd_kafka_err2str": (ctypes.c_char_p, (ctypes.c_int,)),
    "rd_kafka_mock_cluster_new": (ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_int)),
    "rd_kafka_mock_cluster_destroy": (None, (ctypes.c_void_p,)),
    "rd_kafka_mock_cluster_bootstraps": (ctypes.c_char_p, (ctypes.c_void_p,)),
    "rd_kafka_mock_topic_create": (
        ctypes.c_int,
        (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int),
    ),
    "rd_kafka_mock_push_request_errors_array": (
        None,
        (ctypes.c_void_p, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int)),
    ),
    "rd_kafka_mock_clear_request_errors": (None, (ctypes.c_void_p, ctypes.c_int16)),
    "rd_kafka_mock_topic_set_error": (None, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int)),
    "rd_kafka_mock_broker_set_rtt": (ctypes.c_int, (ctypes.c_void_p, ctypes.c_int32, ctypes.c_int)),
    "rd_kafka_mock_broker_set_down": (ctypes.c_int, (ctypes.c_void_p, ctypes.c_int32)),
    "rd_kafka_mock_broker_set_up": (ctypes.c_int, (ctypes.c_void_p, ctypes.c_int32)),
    "rd_kafka_mock_partition_set_leader": (
        ctypes.c_int,
        (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.c_int32),
    ),
    "rd_kafka_mock_set_apiversion": (
        ctypes.c_int,
        (ctypes.c_void_p, ctypes.c_int16, ctypes.c_int16, ctypes.c_int16),
    ),
}


class RdKafkaMockError(Exception):
    """The mock cluster refused a call."""


class RdKafkaMock:
    """A mock cluster of `brokers` brokers (ids from 1), from construction to `close()`, or as a context manager."""

    def __init__(self, brokers: int = 1) -> None:
        self._library = _library()
        self._cluster: int | None = None
        configuration = self._library.rd_kafka_conf_new()
        # Without a callback it would print a line for each connection that ends.
        self._library.rd_kafka_conf_set_log_cb(configuration, None)
        fault = ctypes.create_string_buffer(_ERROR_TEXT_SIZE)
        self._client: int | None = self._library.rd_kafka_new(_PRODUCER, configuration, fault, len(fault))
        if not self._client:
            raise RdKafkaMockError(f"librdkafka made no client: {fault.value.decode()}")
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._client, brokers)
        if not self._cluster:
            self.close()
            raise RdKafkaMockError(f"librdkafka made no mock cluster of {brokers} brokers")
        self.size = brokers
        bootstraps: bytes = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster)
        self.bootstrap = bootstraps.decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the cluster and its thread; nothing happens the second time."""
        if self._cluster:
            self._library.rd_kafka_mock_cluster_destroy(self._cluster)
            self._cluster = None
        if self._client:
            self._library.rd_kafka_destroy(self._client)
            self._client = None

    def create_topic(self, name: str, partitions: int = 1, replicas: int | None = None) -> None:
        count = self.size if replicas is None else replicas
        self._check(self._library.rd_kafka_mock_topic_create(self._open(), name.encode(), partitions, count))

    def push_request_errors(self, api_key: int, error_codes: Sequence[int]) -> None:
        """The next requests of that API are answered with these codes, one each; 0 lets one pass.

        librdkafka's own negative codes act on the connection: -195 (_TRANSPORT) closes it without an answer.
        """
        array = (ctypes.c_int * len(error_codes))(*error_codes)
        self._library.rd_kafka_mock_push_request_errors_array(self._open(), api_key, len(error_codes), array)

    def clear_request_errors(self, api_key: int) -> None:
        self._library.rd_kafka_mock_clear_request_errors(self._open(), api_key)

    def set_topic_error(self, topic: str, error_code: int) -> None:
        """Metadata answers name this error for the topic, until it is set to 0."""
        self._library.rd_kafka_mock_topic_set_error(self._open(), topic.encode(), error_code)

    def set_rtt(self, milliseconds: int, broker: int = ALL_BROKERS) -> None:
        """Answers leave that much later."""
        self._check(self._library.rd_kafka_mock_broker_set_rtt(self._open(), broker, milliseconds))

    def set_down(self, broker: int) -> None:
        """Its connections are closed, and new ones as soon as they are made."""
        self._check(self._library.rd_kafka_mock_broker_set_down(self._open(), broker))

    def set_up(self, broker: int) -> None:
        self._check(self._library.rd_kafka_mock_broker_set_up(self._open(), broker))

    def set_leader(self, topic: str, partition: int, broker: int) -> None:
        """Move the leadership; with -1 the partition has no leader."""
        self._check(self._library.rd_kafka_mock_partition_set_leader(self._open(), topic.encode(), partition, broker))

    def set_api_versions(self, api_key: int, lowest: int, highest: int) -> None:
        """The range it offers of that API; -1 for both takes the API away."""
        self._check(self._library.rd_kafka_mock_set_apiversion(self._open(), api_key, lowest, highest))

    def _open(self) -> int:
        if not self._cluster:
            raise RdKafkaMockError("the mock cluster is closed")
        return self._cluster

    def _check(self, code: int) -> None:
        if code != 0:
            text: bytes = self._library.rd_kafka_err2str(code)
            raise RdKafkaMockError(f"librdkafka's mock cluster: {text.decode()}")


@cache
def _library() -> ctypes.CDLL:
    """The very library that the wheel has loaded already, so that there is one librdkafka in the process."""
    files = metadata.files("confluent-kafka") or []
    bundled = [file for file in files if file.name.startswith("librdkafka") and ".so" in file.name]
    bundled += [file for file in files if file.name.startswith("librdkafka") and file.name.endswith(".dylib")]
    if not bundled:
        raise RdKafkaMockError(
            f"no librdkafka beside {confluent_kafka.__file__}: confluent-kafka has to be installed from a wheel"
        )
    library = ctypes.CDLL(str(bundled[0].locate()))
    for name, (result, arguments) in _BY_LIBRARY.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
