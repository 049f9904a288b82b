"""A network whose connections can be cut, and whose answers can be lost. It works with every broker alike.

For `Producer.start(dial=...)`. What is cut is this side's socket: the broker has what was written by then, or the
beginning of it. Which answers a broker loses by dying itself is not played here; real brokers are killed for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random

from aioproducer.network.sockets import SocketDialer
from aioproducer.network.stream import Stream


class CutNetwork:
    """A dialler of real sockets that remembers them."""

    def __init__(self) -> None:
        self._dial = SocketDialer()
        self._streams: set[_CutStream] = set()
        self._losing = False

    async def __call__(self, host: str, port: int) -> Stream:
        stream = _CutStream(await self._dial(host, port), self)
        self._streams.add(stream)
        return stream

    def cut(self) -> int:
        """Cut every connection; how many there were."""
        streams = tuple(self._streams)
        for stream in streams:
            stream.close()
        return len(streams)

    def cut_one(self, random: Random) -> int:
        """Cut a connection, if there is one; how many that were."""
        if not self._streams:
            return 0
        random.choice(sorted(self._streams, key=id)).close()
        return 1

    @contextmanager
    def losing_answers(self) -> Iterator[None]:
        """Within, what arrives is thrown away; at the end every connection is cut, since it has lost its place."""
        self._losing = True
        try:
            yield
        finally:
            self._losing = False
            self.cut()

    @property
    def loses(self) -> bool:
        return self._losing

    def forget(self, stream: _CutStream) -> None:
        self._streams.discard(stream)


class _CutStream:
    def __init__(self, stream: Stream, network: CutNetwork) -> None:
        self._stream = stream
        self._network = network

    async def read(self) -> bytes:
        while (data := await self._stream.read()) and self._network.loses:
            pass
        if not data:
            self._network.forget(self)
        return data

    def on_data(self, callback: Callable[[bytes], None]) -> None:
        def arrive(data: bytes) -> None:
            if not self._network.loses:
                callback(data)

        self._stream.on_data(arrive)

    def write(self, chunks: Sequence[bytes | memoryview]) -> None:
        self._stream.write(chunks)

    async def drain(self) -> None:
        await self._stream.drain()

    def close(self) -> None:
        self._network.forget(self)
        self._stream.close()

    async def wait_closed(self) -> None:
        await self._stream.wait_closed()
