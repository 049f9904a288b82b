"""What a peak leaves behind: a dict keeps the room of the most entries it ever had, until one is added."""

from __future__ import annotations

from typing import Any


def trim(container: dict[Any, Any]) -> None:
    """Give the room of a dict back that has become empty."""
    if not container:
        container.clear()
