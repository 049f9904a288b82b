"""A network in memory, for a producer and an embedded cluster on one loop: streams that are slow, cut bytes anywhere,
hold them back, break, and whose buffers are full.

`dial` is what a producer connects with, `listen` what brokers listen with. It knows no Kafka. What happens when is
drawn from one `Random`; what is ordered beyond that are the methods of `MemoryNetwork`.
"""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random

_FIRST_PORT = 20_000
_MOST_SINGLE_BYTES = 24
_CLOSING_TIME = 1.0
"""Seconds that a peer has to take what a broker has still to say when it closes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """Seconds of way, and up to how many more; shares from 0 to 1; bytes that are on their way, or unread, at most.

    cut: how often what is written arrives in pieces. crumble: how often its first bytes arrive one by one.
    """

    latency: float = 0.001
    jitter: float = 0.0
    cut: float = 0.0
    crumble: float = 0.0
    window: int = 65_536


class Way(Enum):
    """Seen from the client."""

    OUT = "out"
    IN = "in"


class MemoryNetwork:
    """Ports of one host. `streams` are those that not both owners have closed."""

    def __init__(self, random: Random, weather: Weather) -> None:
        self.weather = weather
        self.random = random
        self.streams: dict[_Pair, None] = {}
        self.dialled = 0
        self._listeners: dict[int, Callable[[_ServerEnd], None]] = {}
        self._held: dict[tuple[int, Way], None] = {}
        self._news = asyncio.Event()
        self._next_port = _FIRST_PORT
        self._cuts: dict[tuple[int, Way], int] = {}

    async def dial(self, host: str, port: int) -> _ClientEnd:
        self.dialled += 1
        await asyncio.sleep(self.way())
        while self.is_held(port, Way.OUT) or self.is_held(port, Way.IN):
            self._news.clear()
            await self._news.wait()
        accept = self._listeners.get(port)
        if accept is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        pair = _Pair(self, port)
        self.streams[pair] = None
        accept(pair.server)
        return pair.client

    async def listen(self, host: str, port: int, accept: Callable[[_ServerEnd], None]) -> _Listener:
        if not port:
            port = self._next_port
            self._next_port += 1
        if port in self._listeners:
            raise OSError(errno.EADDRINUSE, "Address already in use")
        self._listeners[port] = accept
        return _Listener(port, self._listeners)

    # Orders

    def hold(self, port: int, *ways: Way) -> None:
        """No byte to or from this port arrives until `release`, no connection is made."""
        for way in ways or tuple(Way):
            self._held[port, way] = None

    def release(self, port: int) -> None:
        for way in Way:
            self._held.pop((port, way), None)
        self._news.set()
        for pair in tuple(self.streams):
            if pair.port == port:
                pair.move()

    def release_all(self) -> None:
        for port, _ in tuple(self._held):
            self.release(port)

    def reset(self, port: int) -> None:
        """Breaks all connections to this port; what is on its way is lost."""
        for pair in tuple(self.streams):
            if pair.port == port:
                pair.reset()

    def cut_after(self, port: int, way: Way, size: int) -> None:
        """Breaks the connection on which the next `size` bytes that way have arrived."""
        self._cuts[port, way] = size

    def clear_cuts(self) -> None:
        self._cuts.clear()

    # For the streams

    def is_held(self, port: int, way: Way) -> bool:
        return (port, way) in self._held

    def way(self) -> float:
        weather = self.weather
        return weather.latency + (weather.jitter * self.random.random() if weather.jitter else 0.0)

    def pieces(self, data: bytes) -> list[bytes]:
        """What is written together, as it arrives."""
        random, weather = self.random, self.weather
        chance = random.random()
        if chance < weather.crumble:
            return [data[i : i + 1] for i in range(min(_MOST_SINGLE_BYTES, len(data)))] + [
                rest for rest in (data[_MOST_SINGLE_BYTES:],) if rest
            ]
        if chance < weather.crumble + weather.cut and len(data) > 1:
            ends = sorted({*(random.randrange(1, len(data)) for _ in range(random.randint(1, 3))), len(data)})
            starts = [0, *ends]
            return [data[start:end] for start, end in zip(starts, ends, strict=False)]
        return [data]

    def allowance(self, port: int, way: Way, size: int) -> int | None:
        """How many of these bytes arrive before an ordered cut; None for all of them."""
        left = self._cuts.get((port, way))
        if left is None:
            return None
        if size < left:
            self._cuts[port, way] = left - size
            return None
        del self._cuts[port, way]
        return left


class _Listener:
    def __init__(self, port: int, listeners: dict[int, Callable[[_ServerEnd], None]]) -> None:
        self.port = port
        self._listeners = listeners

    async def close(self) -> None:
        del self._listeners[self.port]


class _Pair:
    """One connection."""

    def __init__(self, network: MemoryNetwork, port: int) -> None:
        self.network = network
        self.port = port
        self.out = _Pipe(self, Way.OUT)
        self.back = _Pipe(self, Way.IN)
        self.client = _ClientEnd(self, self.back, self.out)
        self.server = _ServerEnd(self, self.out, self.back)
        self.out.target = self.server
        self.back.target = self.client

    def __repr__(self) -> str:
        ends = [name for name, end in (("the client's", self.client), ("the broker's", self.server)) if not end.closed]
        return f"<stream to port {self.port}, {' and '.join(ends) or 'no'} end open>"

    def move(self) -> None:
        self.out.move()
        self.back.move()

    def reset(self) -> None:
        """Both ends learn of it at once."""
        self.out.stop()
        self.back.stop()
        self.client.end(_reset())
        self.server.end(_reset())

    def closed(self) -> None:
        """One of the owners has closed its end."""
        if self.client.closed and self.server.closed:
            self.network.streams.pop(self, None)


class _Pipe:
    """One direction. What was written waits in the backlog, then is on its way, then unread at the other end."""

    def __init__(self, pair: _Pair, way: Way) -> None:
        self._pair = pair
        self._way = way
        self._loop = asyncio.get_running_loop()
        self._backlog: deque[bytes] = deque()
        self._travelling: deque[tuple[float, bytes | OSError | None]] = deque()
        self._size = 0
        self._last_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False
        self._finishing = False
        self._ended = False
        self._room = asyncio.Event()
        self._room.set()
        self.target: _End | None = None

    @property
    def empty(self) -> bool:
        """Whether everything that was written is on its way."""
        return not self._backlog

    def write(self, data: bytes) -> None:
        if not self._stopped and data:
            self._backlog.append(data)
            self._send()

    async def flushed(self) -> None:
        await self._room.wait()

    def finish(self) -> None:
        """The end comes behind everything that was written."""
        if not self._stopped and not self._finishing:
            self._finishing = True
            self._send()

    def break_off(self, *, lose: bool) -> None:
        """A reset goes to the other end, behind what is on its way unless that is lost."""
        if self._stopped:
            return
        self._backlog.clear()
        self._room.set()
        if lose:
            self._travelling.clear()
        self._finishing = self._ended = True
        self._put(_reset())
        self.move()

    def stop(self) -> None:
        """Nothing arrives any more."""
        self._stopped = True
        self._backlog.clear()
        self._travelling.clear()
        self._room.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def taken(self, size: int) -> None:
        """The other end has read so much."""
        self._size -= size
        self._send()

    def move(self) -> None:
        """Let arrive what is due, and set the timer for the next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        pair = self._pair
        assert self.target is not None
        while self._travelling and not self._stopped:
            if pair.network.is_held(pair.port, self._way):
                return
            at, what = self._travelling[0]
            if at > self._loop.time() + 1e-9:
                self._timer = self._loop.call_at(at, self.move)
                return
            self._travelling.popleft()
            if what is None or isinstance(what, OSError):
                self.stop()
                self.target.end(what)
                return
            size = pair.network.allowance(pair.port, self._way, len(what))
            if size is None:
                self.target.arrive(what)
            else:
                self.target.arrive(what[:size])
                pair.reset()

    def _send(self) -> None:
        network = self._pair.network
        before = bool(self._travelling)
        while self._backlog and self._size < network.weather.window:
            data = self._backlog.popleft()
            room = network.weather.window - self._size
            if len(data) > room:
                self._backlog.appendleft(data[room:])
                data = data[:room]
            self._size += len(data)
            for piece in network.pieces(data):
                self._put(piece)
        if self._backlog:
            self._room.clear()
        else:
            self._room.set()
            if self._finishing and not self._ended:
                self._ended = True
                self._put(None)
        if not before:
            self.move()

    def _put(self, what: bytes | OSError | None) -> None:
        self._last_at = max(self._last_at, self._loop.time() + self._pair.network.way())
        self._travelling.append((self._last_at, what))


class _End:
    """What the ends of a stream have in common."""

    def __init__(self, pair: _Pair, incoming: _Pipe, outgoing: _Pipe) -> None:
        self.closed = False
        self._pair = pair
        self._incoming = incoming
        self._outgoing = outgoing
        self._arrived = bytearray()
        self._error: OSError | None = None
        self._ended = False
        self._news = asyncio.Event()

    def arrive(self, data: bytes) -> None:
        if self.closed:
            self._incoming.taken(len(data))
            return
        self._arrived += data
        self._news.set()

    def end(self, error: OSError | None) -> None:
        """Nothing more will arrive."""
        if not self._ended:
            self._ended = True
            self._error = error
            self._news.set()
            if error is not None:
                self._outgoing.stop()

    def write(self, chunks: Sequence[bytes | memoryview]) -> None:
        if not self.closed:
            self._outgoing.write(b"".join(chunks))

    async def _read(self) -> bytes:
        while not self._arrived and not self._ended:
            self._news.clear()
            await self._news.wait()
        data = bytes(self._arrived)
        self._arrived.clear()
        self._incoming.taken(len(data))
        return data

    def _close(self) -> bool:
        if self.closed:
            return False
        self.closed = True
        self._arrived.clear()
        self._incoming.taken(0)
        self.end(None)
        self._pair.closed()
        return True

    def _break_off(self) -> None:
        self._outgoing.break_off(lose=self._pair.network.random.random() < 0.5)


class _ClientEnd(_End):
    """A `Stream` of the producer's network."""

    _callback: Callable[[bytes], None] | None = None

    def arrive(self, data: bytes) -> None:
        if self._callback is not None and not self.closed:
            # Room for more is made behind this, or the more would be there before it.
            self._callback(data)
            self._incoming.taken(len(data))
        else:
            super().arrive(data)

    async def read(self) -> bytes:
        data = await self._read()
        if not data and self._error is not None and not self.closed:
            raise self._error
        return data

    def on_data(self, callback: Callable[[bytes], None]) -> None:
        self._callback = callback
        if self._arrived:
            data = bytes(self._arrived)
            self._arrived.clear()
            callback(data)
            self._incoming.taken(len(data))

    async def drain(self) -> None:
        if not self._ended:
            await self._outgoing.flushed()
        if self._ended:
            raise self._error or _reset()

    def close(self) -> None:
        unsent = not self._outgoing.empty
        if self._close():
            if unsent:
                self._break_off()
            else:
                self._outgoing.finish()

    async def wait_closed(self) -> None:
        await asyncio.sleep(0)


class _ServerEnd(_End):
    """A `Stream` of the embedded cluster."""

    async def read(self) -> bytes:
        return await self._read()

    async def drain(self) -> None:
        if not self._ended:
            await self._outgoing.flushed()

    def close(self) -> None:
        if self._close():
            self._outgoing.finish()

    def abort(self) -> None:
        self._close()
        self._break_off()

    async def wait_closed(self) -> None:
        try:
            async with asyncio.timeout(_CLOSING_TIME):
                await self._outgoing.flushed()
        except TimeoutError:
            self.abort()


def _reset() -> OSError:
    return ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
