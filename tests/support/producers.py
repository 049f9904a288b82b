"""What tests of a whole producer share: the topic, the calls there are, what is in the log, and bugs to order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from aioproducer import Producer
from aioproducer.network.sockets import SocketDialer
from aioproducer.network.stream import Stream
from aioproducer.testing import EmbeddedCluster

TOPIC = "orders"

CALLS: dict[str, Callable[[Producer], Awaitable[object]]] = {
    "send()": lambda producer: asyncio.sleep(0, producer.send(TOPIC, b"x")),
    "drain()": lambda producer: producer.drain(),
    "flush()": lambda producer: producer.flush(),
    "partitions_for()": lambda producer: producer.partitions_for(TOPIC),
}


def values(cluster: EmbeddedCluster, topic: str = TOPIC) -> list[bytes | None]:
    return [record.value for record in cluster.records(topic)]


class BrokenRandom(Random):
    """A source of chance with a bug that shows when the test wants it to."""

    armed = False

    def random(self) -> float:
        if self.armed:
            raise ZeroDivisionError("a bug")
        return super().random()


class BrokenDialer:
    """A dialler that raises, once armed, what no network raises."""

    def __init__(self) -> None:
        self.armed = False
        self._dial = SocketDialer()

    async def __call__(self, host: str, port: int) -> Stream:
        if self.armed:
            raise ZeroDivisionError("a bug")
        return await self._dial(host, port)
