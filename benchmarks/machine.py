"""On what a benchmark was run: processor, memory, versions, commit. Reads only; what can not be told is left out."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

PACKAGES = ("aioproducer", "aiokafka", "confluent-kafka", "uvloop", "crc32c", "lz4", "zstandard")


def _after_colon(path: str, label: str) -> str | None:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(label)), None)


def memory_bytes(field: str) -> int:
    """Of this process: `VmRSS` is resident now, `VmHWM` the most since it began.

    Unlike getrusage's maximum, which a process takes over from the one that forked it.
    """
    found = _after_colon("/proc/self/status", f"{field}:")
    if found is None:
        raise RuntimeError(f"no {field} in /proc/self/status")
    return int(found.split()[0]) * 1024


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _commit() -> str | None:
    asked = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return asked.stdout.strip() or None


def describe_machine() -> dict[str, object]:
    """What a reader needs to judge the figures."""
    facts: dict[str, object | None] = {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _after_colon("/proc/cpuinfo", "model name") or platform.processor() or None,
        "cores": os.cpu_count(),
        "memory": _after_colon("/proc/meminfo", "MemTotal"),
        "versions": _versions(),
        "commit": _commit(),
    }
    return {name: fact for name, fact in facts.items() if fact is not None}
