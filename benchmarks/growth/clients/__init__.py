"""The clients whose growth is compared, by name. None is imported until it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.growth.clients.base import GrowthClient

CLIENTS: dict[str, str] = {
    "aioproducer": "benchmarks.growth.clients.ours",
    "aiokafka": "benchmarks.growth.clients.aiokafka_producer",
}


def client_named(name: str) -> GrowthClient:
    """A new client of that name; imports its module. ValueError lists the names there are."""
    if name not in CLIENTS:
        raise ValueError(f"no client is called {name!r}; there are: {', '.join(CLIENTS)}")
    client: GrowthClient = import_module(CLIENTS[name]).Client()
    return client
