"""What a client has to be able to do to be measured, and the options that are the same for all. No client in here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeAlias

from benchmarks.shapes import Message, Shape

LibrdkafkaOptions: TypeAlias = dict[str, str | int | float | bool]


class Client(Protocol):
    """One producer under measurement: `start`, then the sending calls any number of times, then `stop`."""

    @staticmethod
    def refuses(shape: Shape) -> str | None:
        """Why this client can not do the shape, in a few words; None if it can."""
        ...

    async def start(self, bootstrap: str, shape: Shape) -> None:
        """Make the producer; afterwards it can send."""
        ...

    async def plain(self, topic: str, values: Iterable[bytes]) -> int:
        """Send values alone, without awaiting each, wait for all, and return how many were acknowledged."""
        ...

    async def pipelined(self, topic: str, messages: Iterable[Message]) -> int:
        """The same with all that a message has: key, headers, timestamp, topic."""
        ...

    async def awaited(self, topic: str, message: Message) -> None:
        """Send one and return when it is acknowledged; raises if it is not."""
        ...

    async def stop(self) -> None:
        """Let go of everything."""
        ...


def librdkafka_options(bootstrap: str, shape: Shape) -> LibrdkafkaOptions:
    """For the confluent clients. The queue holds every record of a flood, so that none is refused."""
    options: LibrdkafkaOptions = {
        "bootstrap.servers": bootstrap,
        "acks": "all",
        "enable.idempotence": True,
        "linger.ms": shape.linger_ms,
        "queue.buffering.max.messages": 500_000,
    }
    if shape.batch_size is not None:
        options["batch.size"] = shape.batch_size
    return options
