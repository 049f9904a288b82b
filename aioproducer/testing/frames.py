"""Cuts a stream of bytes into Kafka's frames, and reads the eight bytes that each request begins with. Pure."""

from __future__ import annotations

import struct
from typing import NamedTuple

MAX_FRAME = 104_857_600
"""Kafka's `socket.request.max.bytes`: a peer that announces more is not heard any further."""

_LENGTH = struct.Struct(">i")
_START = struct.Struct(">hhi")


class FrameError(ValueError):
    """The bytes are no frame of a Kafka request."""


class Start(NamedTuple):
    api_key: int
    api_version: int
    correlation_id: int


class Framer:
    """Takes bytes as they come, gives whole frames without their length."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._size = 0
        self._needed = _LENGTH.size

    def feed(self, data: bytes) -> None:
        self._chunks.append(data)
        self._size += len(data)

    def next_frame(self) -> bytes | None:
        """The next whole frame, or None until more bytes come. Raises FrameError for an impossible length."""
        if self._size < self._needed:
            return None
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        (length,) = _LENGTH.unpack_from(data)
        if length < _START.size or length > MAX_FRAME:
            self._chunks = [data]
            raise FrameError(f"a frame of {length} bytes: 8 to {MAX_FRAME} are allowed")
        end = _LENGTH.size + length
        if len(data) < end:
            self._chunks, self._needed = [data], end
            return None
        rest = data[end:]
        self._chunks, self._size, self._needed = [rest] if rest else [], len(rest), _LENGTH.size
        return data[_LENGTH.size : end]


def start_of(frame: bytes) -> Start:
    return Start._make(_START.unpack_from(frame))
