"""No producer: requests that were encoded beforehand, written to a socket of the loop, one after the other's answer.

What an awaited record costs at the least on this machine, this loop and this broker. The requests are those of an
idempotent producer (producer id, sequence), one record each, so the broker has the same work; version 7 of Produce, in
bytes written by hand, so that nothing of the producers that are measured is used.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable, Iterator
from itertools import chain

from crc32c import crc32c

from benchmarks.shapes import FIRST_TIMESTAMP_MS, Message, Shape

_PRODUCE, _PRODUCE_VERSION = 0, 7
_INIT_PRODUCER_ID = 22
_ACKS_ALL = -1
_TIMEOUT_MS = 30_000
# Throttle and correlation aside, an answer of Produce v7 for one topic and one partition has the error code behind the
# topic's name: correlation id, topics (1), name, partitions (1), partition, error code.
_ERROR_AFTER_NAME = 4 + 4


class RawLink(asyncio.Protocol):
    """One connection on which a request is written only after the last one's answer."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answer: asyncio.Future[bytes] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("not a connection to write to")
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) >= 4 and len(self._buffer) >= 4 + int.from_bytes(self._buffer[:4]):
            answer, self._buffer = self._buffer[4:], b""
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("the broker closed the connection"))

    async def ask(self, request: bytes) -> bytes:
        """The answer to a whole frame, without its length."""
        if self._transport is None:
            raise ConnectionError("not connected")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def frame(api_key: int, version: int, body: bytes) -> bytes:
    """A request with its length and header; the correlation id is always 1, for one is out at a time."""
    client = b"raw"
    header = struct.pack(">hhih", api_key, version, 1, len(client)) + client
    return struct.pack(">i", len(header) + len(body)) + header + body


def _varint(number: int) -> bytes:
    zigzag = number << 1 if number >= 0 else (-number << 1) - 1
    encoded = bytearray()
    while zigzag > 0x7F:
        encoded.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    encoded.append(zigzag)
    return bytes(encoded)


def batch(value: bytes, producer_id: int, epoch: int, sequence: int) -> bytes:
    """A record batch (v2) of one record without key and headers."""
    body = b"\0" + _varint(0) + _varint(0) + _varint(-1) + _varint(len(value)) + value + _varint(0)
    checked = struct.pack(
        ">hiqqqhii", 0, 0, FIRST_TIMESTAMP_MS, FIRST_TIMESTAMP_MS, producer_id, epoch, sequence, 1
    ) + (_varint(len(body)) + body)
    behind_length = struct.pack(">ibI", -1, 2, crc32c(checked)) + checked
    return struct.pack(">qi", 0, len(behind_length)) + behind_length


def produce(topic: str, records: bytes) -> bytes:
    """A Produce request for partition 0."""
    name = topic.encode()
    return frame(
        _PRODUCE,
        _PRODUCE_VERSION,
        struct.pack(">hhii", -1, _ACKS_ALL, _TIMEOUT_MS, 1)
        + struct.pack(">h", len(name))
        + name
        + struct.pack(">iii", 1, 0, len(records))
        + records,
    )


class BenchmarkClient:
    link: RawLink
    requests: Iterator[bytes]

    @staticmethod
    def refuses(shape: Shape) -> str | None:
        return None if shape.tasks == 1 and shape.bare else "one record at a time only"

    async def start(self, bootstrap: str, shape: Shape) -> None:
        host, port = bootstrap.split(",")[0].rsplit(":", 1)
        _, self.link = await asyncio.get_running_loop().create_connection(RawLink, host, int(port))
        answer = await self.link.ask(frame(_INIT_PRODUCER_ID, 0, struct.pack(">hi", -1, 60_000)))
        _, _, error, producer_id, epoch = struct.unpack_from(">iihqh", answer)
        if error:
            raise ConnectionError(f"no producer id: error {error}")
        values = chain(shape.values(shape.warm_up_records), shape.values(shape.records))
        self.requests = iter(
            [produce(shape.topic, batch(value, producer_id, epoch, number)) for number, value in enumerate(values)]
        )
        self.error_at = 4 + 4 + 2 + len(shape.topic) + _ERROR_AFTER_NAME

    async def plain(self, topic: str, values: Iterable[bytes]) -> int:
        return await self.pipelined(topic, map(Message, values))

    async def pipelined(self, topic: str, messages: Iterable[Message]) -> int:
        count = 0
        for message in messages:
            await self.awaited(topic, message)
            count += 1
        return count

    async def awaited(self, topic: str, message: Message) -> None:
        """The next request, which holds this message if they come in the shape's order."""
        answer = await self.link.ask(next(self.requests))
        (error,) = struct.unpack_from(">h", answer, self.error_at)
        if error:
            raise ConnectionError(f"the broker answered with error {error}")

    async def stop(self) -> None:
        self.link.close()
