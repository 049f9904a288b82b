"""How a test orders a fault: Kafka's names of APIs and errors, and which requests are meant. It only builds rules."""

from __future__ import annotations

from typing import TypedDict

from aioproducer.protocol.error_codes import ERROR_CODES
from aioproducer.protocol.requests import REQUESTS
from aioproducer.protocol.schema import api_name
from aioproducer.testing.faults import CONNECT, WHOLE_TOPIC, Fault, Kind


class Target(TypedDict, total=False):
    """Which requests a fault hits, as keyword arguments.

    partition: only requests about this (topic, partition), or about this topic.
    broker: only requests to this broker.
    times: how many requests, 1 by default; None is all from now on.
    skip: how many that match are let pass first.
    """

    partition: tuple[str, int] | str | None
    broker: int | None
    times: int | None
    skip: int


_FOR_CONNECTIONS = (Kind.DELAY, Kind.SILENCE, Kind.GARBAGE, Kind.DISCONNECT)

_API_KEYS = {api_name(request).lower(): key for key, request in REQUESTS.items()} | {"connect": CONNECT}

_CODES = {row.name: row.code for row in ERROR_CODES.values()}


def api_key(name: str) -> int:
    """The key of an API by its name in any spelling, or CONNECT. Raises ValueError with the names there are."""
    key = _API_KEYS.get(name.replace("_", "").lower())
    if key is None:
        raise ValueError(f"api={name!r}: give one of {', '.join(sorted(_API_KEYS))}")
    return key


def code_of(code: int | str) -> int:
    """The number of an error code that is given as number or by Kafka's name. Raises ValueError for other names."""
    if isinstance(code, int):
        return int(code)
    if code not in _CODES:
        raise ValueError(f"error_code={code!r}: give Kafka's name of an error code, or its number")
    return _CODES[code]


def aimed(fault: Fault, target: Target) -> Fault:
    """The rule with its target. Raises TypeError for an argument that is none, ValueError for what can not be."""
    unknown = target.keys() - Target.__annotations__.keys()
    if unknown:
        raise TypeError(f"unknown arguments {sorted(unknown)}; there are {sorted(Target.__annotations__)}")
    partition = target.get("partition")
    if fault.api == CONNECT and (fault.after or partition is not None or fault.kind not in _FOR_CONNECTIONS):
        raise ValueError(
            f"{fault.kind.value} on 'connect' can not be: a new connection is delayed, silent, closed or gets garbage, "
            f"and is about no partition"
        )
    fault.partition = (partition, WHOLE_TOPIC) if isinstance(partition, str) else partition
    fault.broker = target.get("broker")
    fault.times = target.get("times", 1)
    fault.skip = target.get("skip", 0)
    return fault
