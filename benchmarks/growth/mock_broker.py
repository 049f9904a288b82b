"""librdkafka's mock cluster with thousands of topics: `python -m benchmarks.growth.mock_broker LOAD` has that load's.

As `benchmarks.mock_broker`: prints its `host:port`, and serves until its standard input ends. The mock misses the
wake-up for some topics that are created, and looks again after a second; while a client talks to it, it looks at once.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from benchmarks.growth.loads import load_named
from tests.support.rdkafka_mock import RdKafkaMock

_API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 0, -1)


def _ask(address: tuple[str, int], enough: Event) -> None:
    with socket.create_connection(address) as connection:
        while not enough.is_set():
            connection.sendall(_API_VERSIONS)
            if not connection.recv(65536):
                return


@contextmanager
def _kept_awake(bootstrap: str) -> Iterator[None]:
    host, port = bootstrap.split(":")
    enough = Event()
    asking = Thread(target=_ask, args=((host, int(port)), enough))
    asking.start()
    try:
        yield
    finally:
        enough.set()
        asking.join()


def main() -> None:
    with RdKafkaMock(brokers=1) as cluster:
        with _kept_awake(cluster.bootstrap):
            for spec in load_named(sys.argv[1]).specs:
                cluster.create_topic(spec.topic, spec.partitions)
        print(cluster.bootstrap, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
