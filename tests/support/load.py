"""Producers of all kinds that send at once: awaited, pipelined, keyed, given up by whoever waited; every record goes
through a ledger. Which faults happen meanwhile, and whether the log is right, is decided elsewhere.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from aioproducer import Delivery, Producer
from aioproducer.config import Options
from aioproducer.errors import BrokerError
from aioproducer.telemetry.events import ProducerEvent
from tests.support.cuts import CutNetwork
from tests.support.ledger import Ledger

FLEET: tuple[Options, ...] = (
    {"compression_type": "none", "linger_ms": 0},
    {"compression_type": "lz4", "batch_size": 4000},
    {"compression_type": "zstd", "linger_ms": 20, "batch_size": 100_000},
    {"compression_type": "gzip", "max_in_flight_requests_per_connection": 1},
    {"compression_type": "snappy", "batch_size": 1000, "linger_ms": 1},
    # Gives up early, so that some of its records fail; what its errors say of the log is held against the log.
    {"compression_type": "none", "batch_size": 2000, "linger_ms": 0, "delivery_timeout_ms": 1800},
)
"""What the producers of one load differ in; all are idempotent with acks=all."""

_COMMON: Options = {"acks": "all", "enable_idempotence": True, "request_timeout_ms": 1500, "buffer_memory": 2_000_000}


@dataclass
class Member:
    """One producer with its network; its ledger is new for each topic, its events are counted by kind."""

    sender: int
    producer: Producer
    network: CutNetwork
    events: Counter[str]
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.sender)


@asynccontextmanager
async def fleet(bootstrap: str, random: Random, options: Sequence[Options] = FLEET) -> AsyncIterator[list[Member]]:
    """A started producer for each of `options`, closed at the end."""
    async with AsyncExitStack() as stack:
        members = []
        for sender, own in enumerate(options):
            events = Counter[str]()
            # Put together as `Options`: for the type checker a mere dict has values of any type.
            options_of_it: Options = {**_COMMON, **own, "on_event": partial(_count, events)}
            producer = Producer(bootstrap, **options_of_it)
            network = CutNetwork()
            await producer.start(dial=network, random=Random(random.random()))
            stack.push_async_callback(producer.close, 30.0)
            members.append(Member(sender, producer, network, events))
        yield members


async def send_while(
    goes_on: Callable[[], bool], members: Sequence[Member], topic: str, *, partitions: int, random: Random
) -> None:
    """Send from all of them to the topic as long as it says so; returns when every record is settled. Ledgers are made
    anew.
    """
    async with asyncio.TaskGroup() as tasks:
        for member in members:
            member.ledger = Ledger(member.sender)
            sends = _Sends(member, topic, partitions, Random(random.random()), goes_on)
            for job in sends.jobs():
                tasks.create_task(job)
    await asyncio.gather(*(member.producer.flush() for member in members))


def left_in(member: Member) -> list[str]:
    """What the producer still has in its books though everything is settled; nothing, if it is right."""
    metrics = member.producer.metrics()
    books = {
        "buffered_bytes": metrics.buffered_bytes,
        "buffered_batches": metrics.buffered_batches,
        "buffered_records": metrics.buffered_records,
        "waiting_sends": metrics.waiting_sends,
        "requests_in_flight": sum(metrics.requests_in_flight.values()),
    }
    return [f"sender {member.sender} has {name}={value}" for name, value in books.items() if value]


def _count(events: Counter[str], event: ProducerEvent) -> None:
    cause = f" {event.error.name}" if isinstance(event.error, BrokerError) else ""
    events[f"{event.kind.value}{cause}"] += 1


class _Sends:
    """The sending tasks of one producer: each kind of caller there is."""

    def __init__(
        self, member: Member, topic: str, partitions: int, random: Random, goes_on: Callable[[], bool]
    ) -> None:
        self._producer = member.producer
        self._ledger = member.ledger
        self._topic = topic
        self._partitions = partitions
        self._random = random
        self._goes_on = goes_on
        self._noise = random.randbytes(8000)

    def jobs(self) -> list[Coroutine[Any, Any, None]]:
        return [*(self._awaited() for _ in range(4)), self._given_up(), self._pipelined(), self._keyed()]

    async def _awaited(self) -> None:
        while self._goes_on():
            await self._settled(*self._send())
            await asyncio.sleep(0.01)

    async def _given_up(self) -> None:
        """Whoever waits leaves after a moment, with the handle or without; the record goes on."""
        while self._goes_on():
            moment = self._random.uniform(0, 0.02)
            if self._random.random() < 0.5:
                number, delivery = self._send()
                try:
                    async with asyncio.timeout(moment):
                        await delivery
                except Exception:
                    # What became of it is asked for once more, whether this was the wait's end or the record's.
                    pass
                await self._settled(number, delivery)
            else:
                delivery = self._send_and_settle()
                # A record that waits for room would be withdrawn, not just left.
                await self._producer.drain()
                try:
                    await asyncio.wait_for(delivery, moment)
                except Exception:
                    pass
                await asyncio.sleep(0.02)

    async def _pipelined(self) -> None:
        while self._goes_on():
            for _ in range(self._random.randrange(1, 40)):
                self._send_and_settle()
            await self._producer.drain()
            await asyncio.sleep(0.1)

    async def _keyed(self) -> None:
        while self._goes_on():
            burst = [self._send(key=b"%d" % self._random.randrange(100)) for _ in range(50)]
            await self._producer.drain()
            await asyncio.sleep(0.25)
            for number, delivery in burst:
                await self._settled(number, delivery)

    def _send(self, key: bytes | None = None) -> tuple[int, Delivery]:
        number, value = self._ledger.open(self._filler())
        return number, self._producer.send(self._topic, value, key=key)

    def _send_and_settle(self) -> Delivery:
        number, value = self._ledger.open(self._filler())
        settle = partial(self._ledger.settle, number)
        return self._producer.send(self._topic, value, partition=number % self._partitions, on_delivery=settle)

    async def _settled(self, number: int, delivery: Delivery) -> None:
        try:
            metadata = await delivery
        except Exception as error:
            self._ledger.settle(number, None, error)
        else:
            self._ledger.settle(number, metadata, None)

    def _filler(self) -> bytes:
        """Mostly short, now and then long, and half of it such as does not compress."""
        size = 3000 if self._random.random() < 0.02 else self._random.randrange(150)
        start = self._random.randrange(4000)
        return self._noise[start : start + size // 2] + b"x" * (size - size // 2)
