"""Python source in the making: lines at their depths, fresh names, and the objects that the source refers to by name.

What the source says is the matter of `encoding` and `decoding`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Source:
    """Source in the making: its lines at their depths, and the objects it refers to by name."""

    def __init__(self, **names: object) -> None:
        self._lines: list[str] = []
        self._depth = 0
        self._names: dict[str, object] = names
        self._count = 0

    def line(self, text: str) -> None:
        self._lines.append("    " * self._depth + text)

    @contextmanager
    def block(self, opening: str) -> Iterator[None]:
        self.line(opening)
        self._depth += 1
        yield
        self._depth -= 1

    def fresh(self, prefix: str) -> str:
        """A name that is used nowhere else."""
        self._count += 1
        return f"{prefix}{self._count}"

    def constant(self, prefix: str, value: object) -> str:
        """A name under which the source finds `value`."""
        name = self.fresh(prefix)
        self._names[name] = value
        return name

    def text(self) -> str:
        return "\n".join(self._lines) + "\n"

    def function(self, name: str, filename: str) -> Callable[..., object]:
        names = dict(self._names)
        exec(compile(self.text(), filename, "exec"), names)
        function = names[name]
        assert callable(function)
        return function
