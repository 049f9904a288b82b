"""Asks a broker, in a few bytes written by hand, whether it is ready: which brokers it sees, whether it gives
producer ids.

Neither the package under test nor a client library is used, so nothing of theirs (retries, caches) hides an answer.
"""

from __future__ import annotations

import socket
import struct

_METADATA, _METADATA_VERSION = 3, 1
_INIT_PRODUCER_ID, _INIT_PRODUCER_ID_VERSION = 22, 0
_TIMEOUT = 2.0


def brokers_seen(port: int, host: str = "127.0.0.1") -> int:
    """How many brokers this one names in its metadata; 0 while it does not answer."""
    no_topics = struct.pack(">i", 0)
    # Metadata v1 begins with the array of brokers, hence with its length.
    answer = _ask(host, port, _METADATA, _METADATA_VERSION, no_topics, at_least=4)
    return int(struct.unpack_from(">i", answer)[0]) if answer is not None else 0


def gives_producer_ids(port: int, host: str = "127.0.0.1") -> bool:
    """Whether InitProducerId succeeds for an idempotent producer without transactions."""
    no_transactional_id, transaction_timeout_ms = -1, 60_000
    body = struct.pack(">hi", no_transactional_id, transaction_timeout_ms)
    answer = _ask(host, port, _INIT_PRODUCER_ID, _INIT_PRODUCER_ID_VERSION, body, at_least=16)
    if answer is None:
        return False
    _throttle_ms, error_code, producer_id, _epoch = struct.unpack_from(">ihqh", answer)
    return bool(error_code == 0 and producer_id >= 0)


def _ask(host: str, port: int, api_key: int, version: int, body: bytes, *, at_least: int) -> bytes | None:
    """The answer's body, or None if there is none of `at_least` bytes."""
    client_id = b"probe"
    header = struct.pack(">hhih", api_key, version, 1, len(client_id)) + client_id
    try:
        with socket.create_connection((host, port), timeout=_TIMEOUT) as connection:
            connection.sendall(struct.pack(">i", len(header) + len(body)) + header + body)
            length, _correlation_id = struct.unpack(">ii", _read(connection, 8))
            answer = _read(connection, length - 4)
    except OSError:
        return None
    return answer if len(answer) >= at_least else None


def _read(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            raise ConnectionError("the broker closed the connection")
        parts += part
    return bytes(parts)
