"""A service that answers a request when its record is in the log: one producer for the whole process, made at start-up.

    python examples/service.py localhost:9092
    curl --data '{"item": "lamp"}' http://127.0.0.1:8080/

The HTTP is as little as shows the shape; in a web framework the `async with` stands in the application's lifespan, and
`place_order` is a route. Requests that arrive together share a batch, without a line of code for it.
"""

from __future__ import annotations

import asyncio
import json
import sys

from aioproducer import Producer
from aioproducer.errors import KafkaError

LARGEST_BODY = 64 * 1024
HEAD_SECONDS = 10.0


async def place_order(producer: Producer, body: bytes) -> tuple[str, dict[str, object]]:
    """The route: the status line's text and the answer."""
    try:
        placed = await producer.send("orders", body)
    except ValueError as error:  # the caller's mistake, such as a record too large
        return "400 Bad Request", {"error": str(error)}
    except KafkaError as error:
        return "503 Service Unavailable", {"error": str(error), "try_again": error.retriable}
    return "201 Created", {"partition": placed.partition, "offset": placed.offset}


async def answer(producer: Producer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, one request."""
    try:
        async with asyncio.timeout(HEAD_SECONDS):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            fields = dict(line.split(":", 1) for line in head.lower().split("\r\n")[1:] if ":" in line)
            body = await reader.readexactly(min(int(fields.get("content-length", "0")), LARGEST_BODY))
        status, told = await place_order(producer, body)
        text = json.dumps(told).encode()
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n".encode() + text)
        await writer.drain()
    except (TimeoutError, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
        pass  # not a request, or the client has gone: nobody to tell
    finally:
        writer.close()


async def main(bootstrap_servers: str, port: int = 8080, ready: asyncio.Future[int] | None = None) -> None:
    """Serve until cancelled. `ready` is given the port once it is open; port 0 takes a free one."""
    async with Producer(bootstrap_servers) as producer:
        server = await asyncio.start_server(
            lambda reader, writer: answer(producer, reader, writer), "127.0.0.1", port, limit=LARGEST_BODY
        )
        async with server:
            port = server.sockets[0].getsockname()[1]
            print(f"listening on http://127.0.0.1:{port}/")
            if ready is not None:
                ready.set_result(port)
            await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "localhost:9092"))
    except KeyboardInterrupt:
        pass
