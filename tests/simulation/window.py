"""Counts, on the way of the bytes, how many produce requests are unanswered on a connection.

What the producer says of itself is not asked: requests are seen as they are written, answers as they arrive.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from aioproducer.network.stream import Dialer, Stream

_PRODUCE = b"\x00\x00"


class WindowWatch:
    """A dialler; `complain` hears of a connection with more than `limit` produce requests unanswered."""

    def __init__(self, dial: Dialer, limit: int, complain: Callable[[str], None]) -> None:
        self.dial = dial
        self.limit = limit
        self.complain = complain
        self.most = 0

    async def __call__(self, host: str, port: int) -> Stream:
        return _Watched(await self.dial(host, port), self)

    def count(self, unanswered: int) -> None:
        self.most = max(self.most, unanswered)
        if unanswered > self.limit:
            self.complain(f"{unanswered} produce requests are in flight on a connection, {self.limit} may be")


class _Watched:
    def __init__(self, stream: Stream, watch: WindowWatch) -> None:
        self._stream = stream
        self._watch = watch
        self._pending: deque[bool] = deque()
        self._unanswered = 0
        self._arrived = bytearray()
        self.drain = stream.drain
        self.close = stream.close
        self.wait_closed = stream.wait_closed

    async def read(self) -> bytes:
        data = await self._stream.read()
        self._see(data)
        return data

    def on_data(self, callback: Callable[[bytes], None]) -> None:
        def arrive(data: bytes) -> None:
            self._see(data)
            callback(data)

        self._stream.on_data(arrive)

    def write(self, chunks: Sequence[bytes | memoryview]) -> None:
        # The producer writes a request at a time.
        produce = bytes(chunks[0][4:6]) == _PRODUCE
        self._pending.append(produce)
        if produce:
            self._unanswered += 1
            self._watch.count(self._unanswered)
        self._stream.write(chunks)

    def _see(self, data: bytes) -> None:
        arrived = self._arrived
        arrived += data
        while len(arrived) >= 4:
            end = 4 + int.from_bytes(arrived[:4], "big")
            if len(arrived) < end:
                return
            del arrived[:end]
            if self._pending and self._pending.popleft():
                self._unanswered -= 1
