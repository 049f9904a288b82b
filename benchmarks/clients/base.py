"""What a client has to be able to do to be measured, and the options that are the same for all. No client in here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeAlias

from benchmarks.shapes import Message, Shape

LibrdkafkaOptions: TypeAlias = dict[str, str | int | float | bool]


class Client(Protocol):
    """One producer under measurement: `start`, then `pipelined` and `awaited` any number of times, then `stop`."""

    @staticmethod
    def refuses(shape: Shape) -> str | None:
        """Why this client can not do the shape, in a few words; None if it can."""
        ...

    async def start(self, bootstrap: str, shape: Shape) -> None:
        """Make the producer; afterwards it can send."""
        ...

    async def pipelined(self, topic: str, messages: Iterable[Message]) -> int:
        """Send all without awaiting each, wait for all, and return how many were acknowledged."""
        ...

    async def awaited(self, topic: str, message: Message) -> None:
        """Send one and return when it is acknowledged; raises if it is not."""
        ...

    async def stop(self) -> None:
        """Let go of everything."""
        ...


def librdkafka_options(bootstrap: str, shape: Shape) -> LibrdkafkaOptions:
    """For the confluent clients. The queue holds every record of a flood, so that none is refused."""
    return {
        "bootstrap.servers": bootstrap,
        "acks": "all",
        "enable.idempotence": True,
        "linger.ms": shape.linger_ms,
        "queue.buffering.max.messages": 500_000,
    }
