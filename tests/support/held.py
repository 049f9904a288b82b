"""A network that can be held: what peers send is kept back until it is let go. It works with every broker alike.

For `Producer.start(dial=...)`: tests fill a buffer, or run into a time-out, without the broker taking part in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from aioproducer.network.sockets import SocketDialer
from aioproducer.network.stream import Stream


class HeldNetwork:
    """A dialler of real sockets; while it is held, no byte arrives on any of them. What is written goes out."""

    def __init__(self) -> None:
        self._dial = SocketDialer()
        self._gate = _Gate()
        self.dialled: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Stream:
        self.dialled.append((host, port))
        return _HeldStream(await self._dial(host, port), self._gate)

    @contextmanager
    def held(self) -> Iterator[None]:
        self._gate.open.clear()
        try:
            yield
        finally:
            self.let_go()

    def let_go(self) -> None:
        self._gate.open.set()
        waiting, self._gate.waiting = self._gate.waiting, []
        for arrive in waiting:
            arrive()


class _Gate:
    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.waiting: list[Callable[[], None]] = []


class _HeldStream:
    def __init__(self, stream: Stream, gate: _Gate) -> None:
        self._stream = stream
        self._gate = gate
        self._closed = asyncio.Event()

    async def read(self) -> bytes:
        data = await self._stream.read()
        if not self._gate.open.is_set() and not self._closed.is_set():
            waiting = [asyncio.ensure_future(event.wait()) for event in (self._gate.open, self._closed)]
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in waiting:
                    task.cancel()
                await asyncio.gather(*waiting, return_exceptions=True)
        return b"" if self._closed.is_set() else data

    def on_data(self, callback: Callable[[bytes], None]) -> None:
        def arrive(data: bytes) -> None:
            if self._gate.open.is_set():
                callback(data)
            else:
                self._gate.waiting.append(lambda: None if self._closed.is_set() else callback(data))

        self._stream.on_data(arrive)

    def write(self, chunks: Sequence[bytes | memoryview]) -> None:
        self._stream.write(chunks)

    async def drain(self) -> None:
        await self._stream.drain()

    def close(self) -> None:
        self._closed.set()
        self._stream.close()

    async def wait_closed(self) -> None:
        await self._stream.wait_closed()
