"""Running one measurement in a process of its own, with a time limit. What it prints last is its sample, as JSON."""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks.figures import Sample

LIMIT_SECONDS = 30.0


class RunFailedError(Exception):
    """One run of one client did not give a sample; the text says why."""


def run_program(module: str, *arguments: object, limit: float = LIMIT_SECONDS) -> Sample:
    """`python -m module arguments`. RunFailedError if it ends badly or is not done within `limit` seconds."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        raise RunFailedError(f"not done after {limit:.0f} s") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise RunFailedError(f"ended with {done.returncode}: {lines[-1]}")
    fields: dict[str, float | None] = json.loads(done.stdout.strip().splitlines()[-1])
    return {name: value for name, value in fields.items() if value is not None}
