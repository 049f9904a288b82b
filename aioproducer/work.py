"""Long work that can be done in parts: a generator that yields how much it has done since it last did, one for what
takes some microseconds, and whose value is the result. Who does it in parts, and in which, is `slices`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias, TypeVar

T = TypeVar("T")

Work: TypeAlias = Generator[int, None, T]


def at_once(work: Work[T]) -> T:
    """The result, for what is known to be little."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: T = end.value
            return result
