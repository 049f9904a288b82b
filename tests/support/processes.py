"""Starting processes that never outlive the test run, however it ends.

Three nets, each for what the one before it misses: the owner stops its process; at interpreter exit whatever still
runs is killed; and the kernel kills it when this process is gone without a word (`kill -9`, a crash). Only processes
that were started here are ever signalled, by the handle of their start.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_LAUNCHER = Path(__file__).with_name("bound_to_parent.py")

_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")
"""The kernel's parent-death signal follows the *thread* that forked, so all are forked by one that lives to the end."""

_running: set[subprocess.Popen[bytes]] = set()


def spawn(
    command: Sequence[str],
    *,
    output: Path,
    directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own (Ctrl-C does not reach it), appending all it says to `output`.

    Raises OSError when the process can not be made; a command that can not be found says so in `output`.
    """
    return _spawner.submit(_spawn, command, output, directory, environment).result(timeout=30)


def kill(process: subprocess.Popen[bytes], *, timeout: float = 15.0) -> None:
    """SIGKILL, and wait until it is gone; of no effect on a process that has ended."""
    process.kill()
    _wait(process, timeout)


def terminate(process: subprocess.Popen[bytes], *, timeout: float) -> bool:
    """SIGTERM, and SIGKILL if it still runs after `timeout` seconds. True if it ended by itself."""
    process.terminate()
    try:
        _wait(process, timeout)
    except subprocess.TimeoutExpired:
        kill(process)
        return False
    return True


def wait(process: subprocess.Popen[bytes], *, timeout: float) -> int:
    """Its exit code; a process that takes longer than `timeout` seconds is killed, and TimeoutExpired raised."""
    try:
        return _wait(process, timeout)
    except subprocess.TimeoutExpired:
        kill(process)
        raise


def _wait(process: subprocess.Popen[bytes], timeout: float) -> int:
    code = process.wait(timeout)
    _running.discard(process)
    return code


def _spawn(
    command: Sequence[str], output: Path, directory: Path | None, environment: Mapping[str, str] | None
) -> subprocess.Popen[bytes]:
    with output.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env=None if environment is None else {**os.environ, **environment},
            start_new_session=True,
        )
    _running.add(process)
    return process


@atexit.register
def _kill_what_is_left() -> None:
    for process in tuple(_running):
        try:
            kill(process)
        except (OSError, subprocess.TimeoutExpired):
            # Each of the others has to be tried as well.
            pass
