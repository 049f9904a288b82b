"""librdkafka's mock cluster as a process: `python -m benchmarks.mock_broker TOPIC:PARTITIONS ...`.

Prints its `host:port` on one line, then serves until its standard input ends, so that it never outlives its parent. It
keeps nothing on disk and answers from one thread of C: what is measured against it is nearly the client alone.
"""

from __future__ import annotations

import sys

from tests.support.rdkafka_mock import RdKafkaMock


def main() -> None:
    with RdKafkaMock(brokers=1) as cluster:
        for argument in sys.argv[1:]:
            topic, partitions = argument.rsplit(":", 1)
            cluster.create_topic(topic, int(partitions))
        print(cluster.bootstrap, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
