"""Folders and ports for processes of a test run: data in memory where there is room, and nothing left behind.

A folder is locked for as long as its run lives. One whose lock is free was left by a run that was killed, and is
removed by the next run that asks for a folder.
"""

from __future__ import annotations

import fcntl
import random
import shutil
import socket
import tempfile
import time
from pathlib import Path
from typing import IO

_PREFIX = "aioproducer-tests-"
_LOCK = "lock"
_MEMORY = Path("/dev/shm")
_ROOM = 2 * 1024**3
_SETTLING = 60.0
"""Seconds in which a new folder is not looked at by others, since it is locked a moment after it is made."""

# Below the range the kernel takes for outgoing connections: else one of those could sit on the port of a broker that is
# down when it comes back.
_PORTS = range(15_000, 32_000)


class Scratch:
    """A folder of its own, `path`, until `remove()`. With `in_memory` on /dev/shm, if 2 GiB are free there."""

    def __init__(self, name: str, *, in_memory: bool = False) -> None:
        base = _MEMORY if in_memory and _has_room(_MEMORY) else Path(tempfile.gettempdir())
        _sweep(base)
        self.path = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{name}-", dir=base))
        self._lock: IO[str] = self.path.joinpath(_LOCK).open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()

    def keep(self) -> None:
        """Leave the folder to whoever wants to look at it; it stays until a later run sweeps."""
        self._lock.close()


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, outside of the range for outgoing connections.

    They are chosen at random, so that two runs at a time hardly choose the same.
    """
    found: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        if len(found) == count:
            break
        with socket.socket() as attempt:
            try:
                attempt.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
    return found


def _has_room(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free >= _ROOM
    except OSError:
        return False


def _sweep(base: Path) -> None:
    for folder in base.glob(f"{_PREFIX}*"):
        try:
            if time.time() - folder.stat().st_mtime < _SETTLING:
                continue
            with folder.joinpath(_LOCK).open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            # In use, somebody else's, or gone meanwhile: not ours to remove.
            continue
