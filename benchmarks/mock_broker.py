"""librdkafka's mock cluster as a process: `python -m benchmarks.mock_broker`.

Prints its `host:port` on one line, then does what the lines of its standard input say (`topics NAME:PARTITIONS ...`,
`rtt MS`), answers each with a line, and serves until that input ends, so that it never outlives its parent. It keeps
nothing on disk and answers from one thread of C: what is measured against it is nearly the client alone.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.rdkafka_mock import RdKafkaMock

# A request for ApiVersions v0, whose answer does not matter.
_KNOCK = b"\0\0\0\x0a\0\x12\0\0\0\0\0\1\xff\xff"
_ANSWER_BYTES = 65_536


@contextmanager
def knocking(bootstrap: str) -> Iterator[None]:
    """Something to read for the mock, every other millisecond.

    The call that makes a topic now and then does not wake the mock's thread, which sleeps for a second then: too long
    with thousands of topics.
    """
    over = threading.Event()
    host, port = bootstrap.split(",")[0].rsplit(":", 1)

    def knock() -> None:
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            while not over.wait(0.002):
                connection.sendall(_KNOCK)
                connection.recv(_ANSWER_BYTES)

    thread = threading.Thread(target=knock, name="knock")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def main() -> None:
    with RdKafkaMock(brokers=1) as cluster:
        print(cluster.bootstrap, flush=True)
        for line in sys.stdin:
            match line.split():
                case ["topics", *topics]:
                    with knocking(cluster.bootstrap):
                        for topic in topics:
                            name, partitions = topic.rsplit(":", 1)
                            cluster.create_topic(name, int(partitions))
                case ["rtt", milliseconds]:
                    cluster.set_rtt(int(milliseconds))
                case _:
                    sys.exit(f"not an order: {line!r}")
            print("done", flush=True)


if __name__ == "__main__":
    main()
