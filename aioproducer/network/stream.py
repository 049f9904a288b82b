"""What a connection needs of a network: six methods of a stream, and a dialler that makes streams. Types only.

`sockets` has the real ones. A test, or a simulation in virtual time, passes its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeAlias


class Stream(Protocol):
    """Bytes to and from one peer. What goes wrong is an OSError, in every method."""

    async def read(self) -> bytes:
        """What has arrived, as soon as something has; b"" when the peer, or `close`, has ended the stream."""
        ...

    def on_data(self, callback: Callable[[bytes], None]) -> None:
        """From now on gives what arrives to `callback`, where it arrives: no task is woken for it. First, from within
        this call, what has arrived already. `read` then returns only for the end. `callback` must not raise.
        """
        ...

    def write(self, chunks: Sequence[bytes | memoryview]) -> None:
        """Sends the chunks one after another, or keeps them until the kernel takes them. Does not wait.

        A stream that is closed, or broken, drops them: that it is over is what `read` says.
        """
        ...

    async def drain(self) -> None:
        """Returns when everything written was handed to the kernel."""
        ...

    def close(self) -> None:
        """Ends the stream at once; what was not drained may be lost. May be called again."""
        ...

    async def wait_closed(self) -> None:
        """Returns when, after `close`, nothing of the stream is left. Raises nothing."""
        ...


class Dialer(Protocol):
    """Makes streams."""

    async def __call__(self, host: str, port: int) -> Stream:
        """A stream to `port` of `host`, a name or an IP address. Raises OSError; sets no time-out of its own."""
        ...


Spawn: TypeAlias = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]
"""Starts a task among the producer's background tasks. An exception that escapes such a task ends the producer."""
