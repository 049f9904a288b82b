"""Looks, for every so many milliseconds of CPU time, at what the main thread is doing, and counts stages.

The kernel's profiling timer (ITIMER_PROF) counts CPU time, so waiting costs nothing; its signal's handler walks the
stack. Nothing is wrapped and no call is traced: wrapping a function of a microsecond doubles it, and an interpreter
that traces calls charges small functions more than long ones. What this way distorts: a signal that comes within a
function of C is handled when that returns, and then counts for the Python function that called it, which is where it
belongs here; Python looks for signals only at calls and at loops' ends, so within a straight line of code the next such
place has it. The garbage collector counts for whoever set it off. The handler itself takes some 20 us of every 4 ms.
"""

from __future__ import annotations

import signal
from collections import Counter
from types import FrameType

from benchmarks.profile.stages import Frame, stage_of

INTERVAL_SECONDS = 0.001
"""Asked for; most kernels count in steps of 4 ms and do not go below."""


class Sampler:
    """Counts stages while it is entered."""

    def __init__(self) -> None:
        self.stages: Counter[str] = Counter()
        self.functions: Counter[tuple[str, Frame]] = Counter()

    def __enter__(self) -> Sampler:
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_SECONDS, INTERVAL_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        # One may still be on its way; the default would end the process.
        signal.signal(signal.SIGPROF, signal.SIG_IGN)

    def _look(self, _number: int, frame: FrameType | None) -> None:
        stack: list[Frame] = []
        while frame is not None:
            stack.append((frame.f_globals.get("__name__", ""), frame.f_code.co_name))
            frame = frame.f_back
        stage = stage_of(stack)
        self.stages[stage] += 1
        if stack:
            self.functions[stage, stack[0]] += 1
