"""The clients that are compared, by name. None is imported until it is asked for: a worker has only its own."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from benchmarks.clients.names import (
    AIOKAFKA,
    CONFLUENT,
    CONFLUENT_AIO,
    CONFLUENT_THREAD,
    OURS,
    RAW,
    SEND_ALL,
    TITLES,
    UVLOOP,
)

if TYPE_CHECKING:
    from benchmarks.clients.base import Client

CLIENTS: dict[str, str] = {
    OURS: "benchmarks.clients.ours",
    AIOKAFKA: "benchmarks.clients.aiokafka_producer",
    CONFLUENT: "benchmarks.clients.confluent_callback",
    CONFLUENT_AIO: "benchmarks.clients.confluent_aio",
    CONFLUENT_THREAD: "benchmarks.clients.confluent_thread",
}
"""Everybody's producers."""

VARIANTS: dict[str, str] = {
    UVLOOP: CLIENTS[OURS],
    SEND_ALL: "benchmarks.clients.ours_bulk",
    RAW: "benchmarks.clients.raw",
}
"""Ours used in another way, and what is no producer at all."""


def client_named(name: str) -> type[Client]:
    """The client class of that name; imports its module. ValueError lists the names there are."""
    every = CLIENTS | VARIANTS
    if name not in every:
        raise ValueError(f"no client is called {name!r}; there are: {', '.join(every)}")
    found: type[Client] = import_module(every[name]).BenchmarkClient
    return found


__all__ = ["CLIENTS", "OURS", "TITLES", "VARIANTS", "client_named"]
