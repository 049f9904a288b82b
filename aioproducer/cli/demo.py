"""The command `demo`: orders go to a cluster of three brokers while leaders move, and are read back and counted.

Without `--bootstrap` the cluster lives inside this process, on real sockets, and answers each request a few
milliseconds late, as brokers across a network do. The counts are of what the reader found in the logs, not of what the
producer believes.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from time import monotonic, time_ns

from aioproducer.cli.picture import Sample, draw
from aioproducer.cli.reading import ReadRecord, read_topic
from aioproducer.cli.visit import create_topic
from aioproducer.delivery import Delivery
from aioproducer.producer import Producer
from aioproducer.testing import EmbeddedCluster

_BROKERS = 3
_PARTITIONS = 6
_CUSTOMERS = 500
_ROUND_TRIP = 0.006
_TICK = 0.01
_LOOK = 0.005
_MOVES = 4


@dataclass(frozen=True, slots=True)
class DemoOptions:
    bootstrap: str | None
    orders: int
    seconds: float


@dataclass(slots=True)
class _Watch:
    """What the demo sees of its producer while it runs."""

    producer: Producer
    orders: int
    samples: list[Sample] = field(default_factory=list)
    moved: bool = False
    start: float = field(default_factory=monotonic)

    def look(self) -> None:
        self.samples.append(Sample(monotonic() - self.start, self.producer.metrics(), self.moved))
        self.moved = False

    async def run(self) -> None:
        """Look often, and say how far it is now and then."""
        told = 0.0
        while True:
            self.look()
            if monotonic() - told > 0.5:
                told = monotonic()
                self.tell()
            await asyncio.sleep(_LOOK)

    def tell(self, end: str = "") -> None:
        metrics = self.samples[-1].metrics
        line = (
            f"  {metrics.record_send_total:>6} of {self.orders} acknowledged, {metrics.buffered_records:>5} in the "
            "buffer, "
            f"{sum(metrics.requests_in_flight.values()):>2} requests in flight, {metrics.batch_retry_total:>3} "
            "batches sent again"
        )
        if sys.stdout.isatty():
            print(f"\r{line}", end=end, flush=True)
        else:
            print(line, flush=True)


async def run_demo(options: DemoOptions) -> int:
    """Run it; 0 if every order is in the log once and in order."""
    topic = f"demo-orders-{time_ns() // 1_000_000}"
    if options.bootstrap is not None:
        await create_topic(options.bootstrap, topic, _PARTITIONS, _BROKERS)
        print(f"{options.orders} orders to the new topic {topic!r} on {options.bootstrap}; its leaders are not moved")
        return await _send_and_show(options, options.bootstrap, topic, move=None)
    async with EmbeddedCluster(brokers=_BROKERS) as cluster:
        cluster.create_topic(topic, partitions=_PARTITIONS, replication_factor=_BROKERS)
        cluster.delay("Produce", _ROUND_TRIP, times=None)
        print(
            f"{_BROKERS} brokers in this process at {cluster.bootstrap_servers}, {_ROUND_TRIP * 1000:g} ms away each; "
            f"{options.orders} orders to {_PARTITIONS} partitions, while leaders move"
        )
        partition = iter(range(_MOVES))
        return await _send_and_show(
            options, cluster.bootstrap_servers, topic, move=lambda: cluster.move_leader(topic, next(partition))
        )


async def _send_and_show(options: DemoOptions, bootstrap: str, topic: str, move: Callable[[], object] | None) -> int:
    async with Producer(bootstrap, client_id="aioproducer-demo") as producer:
        watch = _Watch(producer, options.orders)
        watching = asyncio.create_task(watch.run())
        try:
            sent = await _send_orders(producer, topic, options, watch, move)
            await producer.flush()
        finally:
            watching.cancel()
            await asyncio.wait([watching])
        watch.look()
        watch.tell(end="\n")
        failed = [error for delivery in sent if (error := delivery.exception()) is not None]
        brokers = sorted(producer.metrics().requests_in_flight)
    print("reading them back ...")
    found = await read_topic(bootstrap, topic)
    print()
    for line in draw(watch.samples, brokers):
        print(line)
    print()
    for error in failed[:3]:
        print(f"  failed: {error}")
    return verdict(options.orders, len(failed), found)


async def _send_orders(
    producer: Producer, topic: str, options: DemoOptions, watch: _Watch, move: Callable[[], object] | None
) -> Sequence[Delivery]:
    """Orders at an even pace, numbered in the order of the calls; a leader moves now and then."""
    random = Random(42)
    deliveries: list[Delivery] = []
    moves = 0
    while len(deliveries) < options.orders:
        share = (monotonic() - watch.start) / options.seconds
        due = min(options.orders, int(share * options.orders))
        for number in range(len(deliveries), due):
            customer = f"customer-{random.randrange(_CUSTOMERS)}"
            order = {"order": number, "customer": customer, "cents": random.randrange(100, 100_000)}
            deliveries.append(producer.send(topic, json.dumps(order).encode(), key=customer.encode()))
            await producer.drain()
        if move is not None and moves < _MOVES and share > (moves + 1) / (_MOVES + 1):
            moves += 1
            move()
            watch.moved = True
        await asyncio.sleep(_TICK)
    return deliveries


def verdict(orders: int, failed: int, found: Sequence[ReadRecord]) -> int:
    """Print the counts; 0 if they are as they should be."""
    numbers: dict[int, list[int]] = defaultdict(list)
    for record in found:
        numbers[record.partition].append(json.loads(record.value or b"{}")["order"])
    everything = [number for part in numbers.values() for number in part]
    doubled = len(everything) - len(set(everything))
    lost = orders - failed - len(set(everything))
    disordered = sum(later <= earlier for part in numbers.values() for earlier, later in pairwise(part))
    print(
        f"  sent {orders}, stored {len(everything)}, failed {failed}, lost {lost}, doubled {doubled}, "
        f"out of order {disordered}"
    )
    return 0 if not (failed or lost or doubled or disordered) else 1
