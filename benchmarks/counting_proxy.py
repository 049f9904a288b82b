"""Counts what goes over the wire: `python -m benchmarks.counting_proxy FRONT BEHIND`, between clients and one broker.

Listens on the port FRONT, passes everything on to the port BEHIND and back, and prints `ready`. At the end of its
standard input it prints as JSON how many Produce requests there were, and their bytes, lengths included. It keeps
nothing and changes nothing; that it costs time is why rates are not taken through it.
"""

from __future__ import annotations

import asyncio
import json
import struct
import sys

HOST = "127.0.0.1"
PRODUCE = 0
CHUNK = 1 << 20
_HEAD = struct.Struct(">ih")


class Count:
    """Frames of one direction of one connection, from chunks that are cut anywhere."""

    def __init__(self) -> None:
        self.requests = 0
        self.bytes = 0
        self._head = b""
        self._left = 0

    def feed(self, data: bytes) -> None:
        """The next bytes."""
        at = 0
        while at < len(data):
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
                at += step
                continue
            missing = _HEAD.size - len(self._head)
            self._head += data[at : at + missing]
            at += missing
            if len(self._head) >= _HEAD.size:
                length, api_key = _HEAD.unpack(self._head)
                self._head = b""
                self._left = length - 2
                if api_key == PRODUCE:
                    self.requests += 1
                    self.bytes += 4 + length


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: Count | None) -> None:
    try:
        while data := await reader.read(CHUNK):
            if count is not None:
                count.feed(data)
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def serve(front: int, behind: int) -> None:
    """Until standard input ends."""
    counts: list[Count] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_broker, to_broker = await asyncio.open_connection(HOST, behind)
        count = Count()
        counts.append(count)
        await asyncio.gather(_pass(reader, to_broker, count), _pass(from_broker, writer, None))

    server = await asyncio.start_server(connected, HOST, front)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()
    print(
        json.dumps(
            {"requests": sum(each.requests for each in counts), "wire_bytes": sum(each.bytes for each in counts)}
        )
    )


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2])))
