"""The command `options`: the table of `aioproducer.config` in the terminal. Pure: lines of text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from aioproducer.config import Config

_WIDTH = 100


def option_lines() -> Iterator[str]:
    """Every option with type, default, bounds and meaning."""
    for row in Config.describe():
        facts = f"{row.type}, default {row.default}" + (f", {row.bounds}" if row.bounds else "")
        yield f"{row.name}  ({facts})"
        yield textwrap.fill(row.meaning, _WIDTH, initial_indent="    ", subsequent_indent="    ")
