"""The one place where the embedded brokers meet the network: a stream of bytes, and how one is listened for.

Kafka is unknown here. Sockets on asyncio's transports are what an `EmbeddedCluster` uses unless it is given another
`Listen`, for example one in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

READ_SIZE = 256 * 1024
CLOSING_TIME = 1.0
"""Seconds that a peer has to take what was still to be sent on closing, before the connection is cut."""


class Stream(Protocol):
    """One connection, as the broker has it. After an error of the network reads are b"" and writes go nowhere."""

    async def read(self) -> bytes:
        """Some bytes; b"" when the peer has finished or is gone."""
        ...

    def write(self, chunks: Sequence[bytes | memoryview]) -> None: ...

    async def drain(self) -> None:
        """Returns when the peer has taken enough for more to be written."""
        ...

    def close(self) -> None:
        """Sends what was written, then ends the connection. Without waiting."""
        ...

    def abort(self) -> None:
        """Ends the connection at once, as when a process dies."""
        ...

    async def wait_closed(self) -> None: ...


class Listener(Protocol):
    """An open port."""

    port: int

    async def close(self) -> None:
        """Takes no more connections. Those that are there stay."""
        ...


class Listen(Protocol):
    """Opens a port, 0 for any free one, and gives each new connection to `accept`, on the loop."""

    def __call__(self, host: str, port: int, accept: Callable[[Stream], None]) -> Awaitable[Listener]: ...


class SocketStream:
    """A Stream over asyncio's stream pair."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        try:
            return await self._reader.read(READ_SIZE)
        except OSError:
            return b""

    def write(self, chunks: Sequence[bytes | memoryview]) -> None:
        if not self._writer.is_closing():
            self._writer.writelines(chunks)

    async def drain(self) -> None:
        try:
            await self._writer.drain()
        except OSError:
            pass

    def close(self) -> None:
        self._writer.close()

    def abort(self) -> None:
        self._writer.transport.abort()

    async def wait_closed(self) -> None:
        cut = asyncio.get_running_loop().call_later(CLOSING_TIME, self.abort)
        try:
            await self._writer.wait_closed()
        except OSError:
            pass
        finally:
            cut.cancel()


class SocketListener:
    """A Listener on a TCP port."""

    def __init__(self, server: asyncio.Server) -> None:
        self._server = server
        self.port: int = server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        # Not waited for: from Python 3.12 on that would wait for the connections too, and they are ended by their
        # owner.
        self._server.close()
        await asyncio.sleep(0)


async def listen_on_sockets(host: str, port: int, accept: Callable[[Stream], None]) -> SocketListener:
    """A Listen on real sockets. Raises OSError if the port is taken."""

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accept(SocketStream(reader, writer))

    return SocketListener(await asyncio.start_server(connected, host, port, limit=2 * READ_SIZE))
