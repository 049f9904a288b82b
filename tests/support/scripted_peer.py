"""A peer that says what a test tells it to: a broker with scripted answers, in memory or behind a real socket.

It is no broker: it keeps no log and checks nothing. `MemoryNetwork` is a dialler for virtual time, `ScriptedPeer` a
server on 127.0.0.1.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeAlias

from aioproducer.models import Node
from aioproducer.network.stream import Stream
from aioproducer.protocol.messages.api_versions import ApiVersion, ApiVersionsRequest, ApiVersionsResponse
from aioproducer.protocol.messages.metadata import (
    MetadataRequest,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from aioproducer.protocol.requests import REQUESTS
from aioproducer.protocol.schema import Request, Response
from aioproducer.protocol.serving import RequestHeader, decode_request_header, encode_response


class Close:
    """An answer that is none: the peer closes the connection."""


@dataclass(frozen=True)
class Late:
    """An answer that takes `seconds`; those behind it wait, as a broker's do."""

    seconds: float
    answer: Response | bytes


Answer: TypeAlias = Response | bytes | Late | type[Close] | None
"""A response; or bytes that are sent as they are; None for silence."""

Script: TypeAlias = Callable[[Request], Answer]


def default_versions() -> dict[type[Request], tuple[int, int]]:
    return {request: (request.min_version, request.max_version) for request in REQUESTS.values()}


class ScriptedBroker:
    """`script[RequestType]` is called with each request of that type. What came is in `received`."""

    def __init__(self, versions: Mapping[type[Request], tuple[int, int]] | None = None) -> None:
        self.versions = dict(versions or default_versions())
        self.script: dict[type[Request], Script] = {}
        self.received: list[tuple[RequestHeader, Request]] = []
        self.connections = 0
        self.streams: list[MemoryStream] = []

    def count(self, request_type: type[Request]) -> int:
        return sum(isinstance(request, request_type) for _, request in self.received)

    def requests(self, request_type: type[Request]) -> list[Request]:
        return [request for _, request in self.received if isinstance(request, request_type)]

    def answer(self, frame: bytes) -> tuple[float, bytes | type[Close] | None]:
        """The delay and the bytes for one request."""
        header, body = decode_request_header(frame)
        request_type = REQUESTS[header.api_key]
        version = header.api_version
        if request_type is ApiVersionsRequest and version > self.versions[ApiVersionsRequest][1]:
            version = 0
            request: Request = ApiVersionsRequest()
            answer: Answer = ApiVersionsResponse(error_code=35, api_keys=self._api_keys())
        else:
            request = request_type.decode(body, version)
            answer = None
            script = self.script.get(request_type)
            if script is not None:
                answer = script(request)
            elif request_type is ApiVersionsRequest:
                answer = ApiVersionsResponse(api_keys=self._api_keys())
        self.received.append((header, request))
        delay = 0.0
        if isinstance(answer, Late):
            delay, answer = answer.seconds, answer.answer
        if isinstance(answer, Response):
            answer = b"".join(
                encode_response(answer, request_type, version=version, correlation_id=header.correlation_id)
            )
        assert not isinstance(answer, Late)
        return delay, answer

    def _api_keys(self) -> tuple[ApiVersion, ...]:
        return tuple(
            ApiVersion(api_key=request.api_key, min_version=first, max_version=last)
            for request, (first, last) in self.versions.items()
        )


def serve_metadata(
    broker: ScriptedBroker,
    nodes: Sequence[Node],
    topics: Mapping[str, Sequence[MetadataResponsePartition] | int],
    *,
    cluster_id: str = "test",
) -> None:
    """Answers Metadata with these brokers and topics (their partitions, or an error code); others are unknown.

    `topics` is looked at with each request, so a test may change it.
    """

    def answer(request: Request) -> Answer:
        assert isinstance(request, MetadataRequest)
        found = []
        for asked in request.topics or ():
            known = topics.get(asked.name or "", 3)
            if isinstance(known, int):
                found.append(MetadataResponseTopic(name=asked.name, error_code=known))
            else:
                found.append(MetadataResponseTopic(name=asked.name, partitions=tuple(known)))
        return MetadataResponse(brokers=response_brokers(nodes), cluster_id=cluster_id, topics=tuple(found))

    broker.script[MetadataRequest] = answer


def response_brokers(nodes: Sequence[Node]) -> tuple[MetadataResponseBroker, ...]:
    return tuple(MetadataResponseBroker(node_id=node.id, host=node.host, port=node.port) for node in nodes)


class MemoryStream:
    """A `Stream` without a network; what is written is handed to `receive`."""

    def __init__(self, receive: Callable[[MemoryStream, bytes], None] | None = None) -> None:
        self.written = bytearray()
        self.closed = False
        self.drained = asyncio.Event()
        self.drained.set()
        self._receive = receive
        self._arrived: deque[bytes | OSError] = deque()
        self._callback: Callable[[bytes], None] | None = None
        self._waiter: asyncio.Future[None] | None = None

    def feed(self, data: bytes | OSError) -> None:
        """Lets bytes arrive; b"" ends the stream, an OSError breaks it."""
        if self._callback is not None and data and isinstance(data, bytes):
            self._callback(data)
            return
        self._arrived.append(data)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def read(self) -> bytes:
        while not self._arrived:
            if self.closed:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        data = self._arrived.popleft()
        if isinstance(data, OSError):
            raise data
        return data

    def on_data(self, callback: Callable[[bytes], None]) -> None:
        self._callback = callback
        arrived, self._arrived = self._arrived, deque()
        for data in arrived:
            self.feed(data)

    def write(self, chunks: Sequence[bytes | memoryview]) -> None:
        if self.closed:
            return
        data = b"".join(chunks)
        self.written += data
        if self._receive is not None:
            self._receive(self, data)

    async def drain(self) -> None:
        await self.drained.wait()
        if self.closed:
            raise ConnectionResetError(104, "reset")

    def close(self) -> None:
        self.closed = True
        self.drained.set()
        self.feed(b"")

    async def wait_closed(self) -> None:
        await asyncio.sleep(0)


class MemoryNetwork:
    """A dialler whose hosts are scripted brokers. Unknown hosts refuse; those in `silent` never answer the dial."""

    def __init__(self) -> None:
        self.brokers: dict[tuple[str, int], ScriptedBroker] = {}
        self.silent: set[tuple[str, int]] = set()
        self.dialled: list[tuple[float, str, int]] = []

    def add(self, host: str, port: int = 9092) -> ScriptedBroker:
        broker = self.brokers[host, port] = ScriptedBroker()
        return broker

    def times(self, host: str) -> list[float]:
        return [at for at, dialled, _ in self.dialled if dialled == host]

    async def __call__(self, host: str, port: int) -> Stream:
        loop = asyncio.get_running_loop()
        self.dialled.append((loop.time(), host, port))
        if (host, port) in self.silent:
            await loop.create_future()
        broker = self.brokers.get((host, port))
        if broker is None:
            raise ConnectionRefusedError(111, "Connection refused")
        broker.connections += 1
        free_at = 0.0

        def receive(stream: MemoryStream, frame: bytes) -> None:
            nonlocal free_at
            delay, answer = broker.answer(frame[4:])
            if answer is None:
                return
            free_at = max(free_at, loop.time()) + delay
            loop.call_at(free_at, stream.feed, answer if isinstance(answer, bytes) else b"")

        stream = MemoryStream(receive)
        broker.streams.append(stream)
        return stream


class ScriptedPeer:
    """A scripted broker behind a real socket; or with `hello`, a server that writes that to whoever asks."""

    def __init__(self, broker: ScriptedBroker | None = None, *, hello: bytes | None = None) -> None:
        self.broker = broker or ScriptedBroker()
        self.port = 0
        self._hello = hello
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.drop()
        await self._server.wait_closed()

    def drop(self) -> None:
        """Breaks all connections."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.broker.connections += 1
        self._writers.add(writer)
        try:
            while True:
                (length,) = struct.unpack(">i", await reader.readexactly(4))
                frame = await reader.readexactly(length)
                if self._hello is not None:
                    writer.write(self._hello)
                    continue
                delay, answer = self.broker.answer(frame)
                if delay:
                    await asyncio.sleep(delay)
                if isinstance(answer, bytes):
                    writer.write(answer)
                elif answer is not None:
                    break
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()
