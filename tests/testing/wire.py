"""What these tests need to talk to a broker by hand: batches, also broken ones, and a client that does as it is told.

The batches are put together here in the plainest way, by nothing that the package uses.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from typing import Self, TypeVar

import crc32c

from aioproducer.protocol.headers import decode_response_header, encode_request
from aioproducer.protocol.messages.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from aioproducer.protocol.schema import Request, Response
from aioproducer.testing import EmbeddedCluster

NOW = 1_700_000_000.0
"""The clock of the clusters in these tests, in seconds."""
NOW_MS = int(NOW * 1000)

A = TypeVar("A", bound=Response)

Pairs = Sequence[tuple[str, bytes | None]]


def varint(value: int) -> bytes:
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def nullable(data: bytes | None) -> bytes:
    return varint(-1) if data is None else varint(len(data)) + data


def record(
    offset_delta: int,
    key: bytes | None = None,
    value: bytes | None = b"v",
    headers: Pairs = (),
    timestamp_delta: int = 0,
) -> bytes:
    """One record with its length."""
    body = b"\x00" + varint(timestamp_delta) + varint(offset_delta) + nullable(key) + nullable(value)
    body += varint(len(headers)) + b"".join(nullable(name.encode()) + nullable(text) for name, text in headers)
    return varint(len(body)) + body


def batch(
    *values: bytes,
    section: bytes | None = None,
    count: int | None = None,
    last_offset_delta: int | None = None,
    attributes: int = 0,
    magic: int = 2,
    base_offset: int = 0,
    length: int | None = None,
    crc: int | None = None,
    base_timestamp: int = NOW_MS,
    max_timestamp: int | None = None,
    producer: tuple[int, int, int] = (-1, -1, -1),
) -> bytes:
    """A batch of these values, or of a ready-made section. `producer` is (id, epoch, base sequence)."""
    values = values or (b"v",)
    if section is None:
        section = b"".join(record(index, value=value) for index, value in enumerate(values))
    count = len(values) if count is None else count
    rest = struct.pack(
        ">hiqqqhii",
        attributes,
        count - 1 if last_offset_delta is None else last_offset_delta,
        base_timestamp,
        base_timestamp if max_timestamp is None else max_timestamp,
        *producer,
        count,
    )
    rest += section
    crc = crc32c.crc32c(rest) if crc is None else crc
    length = len(rest) + 9 if length is None else length
    return struct.pack(">qiibI", base_offset, length, -1, magic, crc) + rest


def produce(*batches: tuple[str, int, bytes], acks: int = -1, timeout_ms: int = 5000) -> ProduceRequest:
    """A request of one topic entry per batch."""
    topics = tuple(
        TopicProduceData(name=topic, partition_data=(PartitionProduceData(index=partition, records=data),))
        for topic, partition, data in batches
    )
    return ProduceRequest(acks=acks, timeout_ms=timeout_ms, topic_data=topics)


def only(response: ProduceResponse) -> PartitionProduceResponse:
    """The answer about the one partition that was written to."""
    (topic,) = response.responses
    (partition,) = topic.partition_responses
    return partition


class RawClient:
    """One connection to one broker."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._correlation_id = 0
        self._expected: list[int] = []

    @classmethod
    async def connect(cls, cluster: EmbeddedCluster, broker: int = 1) -> Self:
        return cls(*await asyncio.open_connection(*cluster.address(broker)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            pass

    def send(self, request: Request, version: int, *, answered: bool = True) -> None:
        self._correlation_id += 1
        if answered:
            self._expected.append(self._correlation_id)
        chunks = encode_request(request, version=version, correlation_id=self._correlation_id, client_id="raw")
        self.writer.writelines(chunks)

    async def receive_frame(self) -> bytes:
        length = int.from_bytes(await self.reader.readexactly(4), "big")
        return await self.reader.readexactly(length)

    async def receive(self, request_type: type[Request], response_type: type[A], version: int) -> A:
        async with asyncio.timeout(5):
            frame = await self.receive_frame()
        correlation_id, body = decode_response_header(frame, request_type, version)
        assert correlation_id == self._expected.pop(0)
        return response_type.decode(body, version)

    async def ask(self, request: Request, response_type: type[A], version: int) -> A:
        self.send(request, version)
        return await self.receive(type(request), response_type, version)

    async def produce(self, topic: str, data: bytes, version: int = 12, **options: int) -> PartitionProduceResponse:
        """Writes one batch to partition 0."""
        return only(await self.ask(produce((topic, 0, data), **options), ProduceResponse, version))

    async def rest(self) -> bytes:
        """Everything that comes until the broker closes."""
        async with asyncio.timeout(5):
            return await self.reader.read()
