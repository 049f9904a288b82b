"""The real network: TCP sockets under asyncio's transports, with the buffer sizes of the configuration.

No time-out, no retry and no choice among several brokers happens here.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast

from aioproducer.network.stream import Stream

_AddressInfo: TypeAlias = tuple[int, int, int, str, Any]  # what getaddrinfo gives; the last part is the kernel's form


class SocketStream(asyncio.Protocol):
    """A `Stream` that is the protocol of its transport, so that bytes reach `on_data` in the turn they arrive in."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._callback: Callable[[bytes], None] | None = None
        self._arrived = bytearray()
        self._error: Exception | None = None
        self._ended = False
        self._news = asyncio.Event()
        self._writable = asyncio.Event()
        self._lost = asyncio.Event()

    async def read(self) -> bytes:
        while not self._arrived and not self._ended:
            self._news.clear()
            await self._news.wait()
        data = bytes(self._arrived)
        self._arrived.clear()
        if not data and self._error is not None:
            raise self._error
        return data

    def on_data(self, callback: Callable[[bytes], None]) -> None:
        self._callback = callback
        if self._arrived:
            data = bytes(self._arrived)
            self._arrived.clear()
            callback(data)

    def write(self, chunks: Sequence[bytes | memoryview]) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.writelines(chunks)
        # `writelines` of CPython 3.12.0 to 3.12.8 and 3.13.0 to 3.13.1 does not look at the limit, this call does.
        transport.set_write_buffer_limits(high=0)

    async def drain(self) -> None:
        await self._writable.wait()
        if self._ended:
            raise self._error or ConnectionResetError(errno.ECONNRESET, "the stream is closed")

    def close(self) -> None:
        self._end(None)
        if self._transport is None:
            return
        # A transport whose peer reads no more would wait for ever to send the rest of its buffer.
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._transport.close()

    async def wait_closed(self) -> None:
        await self._lost.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's: the stream is up."""
        # A cast, because the transports of uvloop have the methods of this class without being of it.
        self._transport = cast(asyncio.Transport, transport)
        # Any byte that waits counts as "above the limit", so that `drain` means "handed to the kernel".
        self._transport.set_write_buffer_limits(high=0)
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """asyncio's: bytes have arrived."""
        if self._callback is not None:
            self._callback(data)
        else:
            self._arrived += data
            self._news.set()

    def eof_received(self) -> None:
        """asyncio's: the peer sends no more. The transport closes itself."""
        self._end(None)

    def pause_writing(self) -> None:
        """asyncio's: the kernel takes no more for now."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """asyncio's: everything is handed to the kernel."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio's: nothing is left of the stream."""
        self._end(exc)
        self._lost.set()

    def _end(self, error: Exception | None) -> None:
        if not self._ended:
            self._ended = True
            self._error = error
            self._news.set()
            self._writable.set()


class SocketDialer:
    """A `Dialer` for TCP. Sizes are in bytes; -1 leaves them to the operating system."""

    def __init__(self, *, send_buffer_bytes: int = -1, receive_buffer_bytes: int = -1) -> None:
        self._send_buffer_bytes = send_buffer_bytes
        self._receive_buffer_bytes = receive_buffer_bytes

    async def __call__(self, host: str, port: int) -> Stream:
        """Tries the addresses of `host` one after another. Raises the OSError of the last one."""
        failure: OSError = OSError(f"{host} has no address")
        for family, kind, protocol, _, address in await _addresses(host, port):
            try:
                return await self._connect(family, kind, protocol, address)
            except OSError as error:
                failure = error
        raise failure

    async def _connect(self, family: int, kind: int, protocol: int, address: Any) -> Stream:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            # Before the connect, because the window that TCP offers depends on the size of the buffer by then.
            if self._send_buffer_bytes >= 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._send_buffer_bytes)
            if self._receive_buffer_bytes >= 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer_bytes)
            await asyncio.get_running_loop().sock_connect(sock, address)
            _, stream = await asyncio.get_running_loop().create_connection(SocketStream, sock=sock)
        except BaseException:
            sock.close()
            raise
        return stream


async def _addresses(host: str, port: int) -> Sequence[_AddressInfo]:
    try:
        # An IP address needs no resolver, and so neither a thread nor a turn of the loop.
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except ValueError as error:  # what Python says of names with empty or too long parts, or with a null character
        raise socket.gaierror(socket.EAI_NONAME, f"not a host name: {error}") from error
    except socket.gaierror:
        return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
