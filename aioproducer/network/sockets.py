"""The real network: TCP sockets under asyncio's transports, with the buffer sizes of the configuration.

No time-out, no retry and no choice among several brokers happens here.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias, cast

from aioproducer.network.stream import Stream

_AddressInfo: TypeAlias = tuple[int, int, int, str, Any]  # what getaddrinfo gives; the last part is the kernel's form


# What is given to the transport at once: a small socket buffer takes as much.
_PIECE = 64 * 1024

# So many seconds of one turn of the loop, which stands still while the kernel copies: from a broker nearby it may take
# a megabyte without a pause, and some milliseconds for it.
_TURN = 0.0005

# What is taken from the kernel at once.
_BUFFER = 64 * 1024


class SocketStream(asyncio.BufferedProtocol):
    """A `Stream` that is the protocol of its transport, so that bytes reach `on_data` in the turn they arrive in."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._callback: Callable[[bytes], None] | None = None
        self._arrived = bytearray()
        self._buffer = memoryview(bytearray(_BUFFER))
        self._unwritten: deque[bytes | memoryview] = deque()
        self._takes = True  # whether the kernel has taken all that the transport was given
        self._going_on: asyncio.Handle | None = None
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
        if self._takes and not self._unwritten and sum(map(len, chunks)) <= _PIECE:
            transport.write(b"".join(chunks))  # the way of nearly all
            return
        self._unwritten.extend(in_pieces(chunks, _PIECE))
        self._writable.clear()
        if self._going_on is None:
            self._go_on()

    def _go_on(self) -> None:
        """Give the transport a piece more as long as the kernel takes them: what the kernel leaves is copied by the
        transport, on Python 3.11 the whole rest after each part that it takes.
        """
        self._going_on = None
        transport, unwritten = self._transport, self._unwritten
        if transport is None or transport.is_closing():
            return
        loop = asyncio.get_running_loop()
        end = loop.time() + _TURN
        while unwritten and self._takes:
            if loop.time() > end:
                self._going_on = loop.call_soon(self._go_on)
                return
            transport.write(unwritten.popleft())
        if self._takes:
            self._writable.set()

    async def drain(self) -> None:
        await self._writable.wait()
        if self._ended:
            raise self._error or ConnectionResetError(errno.ECONNRESET, "the stream is closed")

    def close(self) -> None:
        rest = len(self._unwritten)
        self._end(None)
        if self._transport is None:
            return
        # A transport whose peer reads no more would wait for ever to send the rest of its buffer.
        if rest or self._transport.get_write_buffer_size():
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

    def get_buffer(self, _sizehint: int) -> memoryview:
        """asyncio's: where bytes go that arrive.

        What a `Protocol` gets is cut from 256 KiB that are allocated for each read, and that costs 15 us where the
        allocator gives them back to the kernel.
        """
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """asyncio's: bytes have arrived."""
        data = bytes(self._buffer[:nbytes])
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
        self._takes = False
        self._writable.clear()

    def resume_writing(self) -> None:
        """asyncio's: everything that the transport had is handed to the kernel."""
        self._takes = True
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio's: nothing is left of the stream."""
        self._end(exc)
        self._lost.set()

    def _end(self, error: Exception | None) -> None:
        if not self._ended:
            self._ended = True
            self._unwritten.clear()
            self._error = error
            self._news.set()
            self._writable.set()


def in_pieces(chunks: Iterable[bytes | memoryview], size: int) -> Iterator[bytes | memoryview]:
    """The same bytes in pieces of at most `size`: small chunks are joined, large ones are cut, which copies nothing."""
    small: list[bytes | memoryview] = []
    length = 0
    for chunk in chunks:
        if small and length + len(chunk) > size:
            yield b"".join(small)
            small, length = [], 0
        if len(chunk) > size:
            view = memoryview(chunk)
            yield from (view[begin : begin + size] for begin in range(0, len(view), size))
        else:
            small.append(chunk)
            length += len(chunk)
    if small:
        yield b"".join(small)


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
        # An IP address needs no resolver, and so neither a thread nor a turn of the loop; and as bytes it does not need
        # the codec of international names, whose import would be 1.3 ms of the first acknowledgement.
        return socket.getaddrinfo(host.encode(), port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (socket.gaierror, ValueError):
        pass
    try:
        return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except ValueError as error:  # what Python says of names with empty or too long parts, or with a null character
        raise socket.gaierror(socket.EAI_NONAME, f"not a host name: {error}") from error
