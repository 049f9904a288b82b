"""The clients that are compared, by name. None is imported until it is asked for: a worker has only its own."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.clients.base import Client

CLIENTS: dict[str, str] = {
    "aioproducer": "benchmarks.clients.ours",
    "aiokafka": "benchmarks.clients.aiokafka_producer",
    "confluent": "benchmarks.clients.confluent_callback",
    "confluent-aio": "benchmarks.clients.confluent_aio",
    "confluent-thread": "benchmarks.clients.confluent_thread",
}

OURS = "aioproducer"

TITLES: dict[str, str] = {
    "aioproducer": "aioproducer",
    "aiokafka": "aiokafka",
    "confluent": "confluent, delivery callback",
    "confluent-aio": "confluent AIOProducer",
    "confluent-thread": "confluent, poll thread + futures",
}


def client_named(name: str) -> type[Client]:
    """The client class of that name; imports its module. ValueError lists the names there are."""
    if name not in CLIENTS:
        raise ValueError(f"no client is called {name!r}; there are: {', '.join(CLIENTS)}")
    found: type[Client] = import_module(CLIENTS[name]).BenchmarkClient
    return found
