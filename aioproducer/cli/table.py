"""The command `options`: the table of `aioproducer.config`, for the terminal and for the documentation. Pure:
lines of text.
"""

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


def option_page() -> Iterator[str]:
    """The page `docs/options.md`."""
    yield "# Options"
    yield ""
    yield "Made by `python -m aioproducer options --markdown` from the table in `aioproducer/config.py`."
    yield ""
    yield "| option | Kafka's name | type | default | bounds | meaning |"
    yield "|---|---|---|---|---|---|"
    for row in Config.describe():
        cells = (f"`{row.name}`", f"`{row.kafka_name}`", row.type, f"`{row.default}`", row.bounds or "", row.meaning)
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
