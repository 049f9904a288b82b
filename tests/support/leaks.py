"""What a test may have left behind: tasks of its loop, and sockets of this process. It finds them and names them.

Sockets are counted by the kernel's list of open files, so those of every event loop and of C libraries are seen. On
uvloop Unix sockets are not counted: it wakes itself by a pair of them, which is a new one each time it is run.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Self

_GRACE = 1.0
"""Seconds the end of a test may take: transports close at the loop's next turns, C libraries in threads of theirs."""
_POLL = 0.01


class Leaks:
    """Remembers what there is at its making; `settled()` tells what has been added since."""

    def __init__(self, tasks: frozenset[asyncio.Task[object]], sockets: frozenset[str]) -> None:
        self._tasks = tasks
        self._sockets = sockets

    @classmethod
    def mark(cls) -> Self:
        """To be called on the loop."""
        return cls(frozenset(asyncio.all_tasks()), open_sockets())

    def found(self) -> list[str]:
        """One line for each task and socket that was not there at the mark."""
        mine = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() - self._tasks if task is not mine]
        return [f"task {task!r}" for task in tasks] + [f"socket {name}" for name in open_sockets() - self._sockets]

    async def settled(self) -> list[str]:
        """`found()`, after up to a second in which it may become empty; at once if it is."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _GRACE
        # Nothing announces the end of a foreign thread's socket, so it is looked for.
        while (found := self.found()) and loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_POLL)
        return found


def open_sockets() -> frozenset[str]:
    """Each open socket of this process as `socket:[inode]`; empty where the system does not tell (/proc). To be called
    on the loop.
    """
    found = set()
    try:
        descriptors = os.listdir("/proc/self/fd")
    except OSError:
        return frozenset()
    for descriptor in descriptors:
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:
            # The directory's own descriptor, or one closed meanwhile.
            continue
        if target.startswith("socket:"):
            found.add(target)
    own_pair_changes = type(asyncio.get_running_loop()).__module__.startswith("uvloop")
    return frozenset(found - _unix_sockets()) if own_pair_changes else frozenset(found)


def _unix_sockets() -> set[str]:
    """Those of every process, by the same names."""
    try:
        # Bytes: the names that other processes give to theirs are anything.
        rows = [line.split() for line in Path("/proc/self/net/unix").read_bytes().splitlines()]
    except OSError:
        return set()
    return {f"socket:[{row[6].decode()}]" for row in rows if len(row) > 6 and row[6].isdigit()}
