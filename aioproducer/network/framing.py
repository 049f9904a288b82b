"""Cuts the bytes that arrive into frames: four bytes of length, then that many bytes. Pure; it decodes nothing.

A length that no broker sends is the surest sign of a peer that is no broker, so here such peers are recognised.
"""

from __future__ import annotations

from collections.abc import Iterator

from aioproducer.errors import ProtocolError

MAX_FRAME_SIZE = 100 * 1024 * 1024
"""No frame is longer: a broker's own limit for what it receives, `socket.request.max.bytes`, by default."""


class FrameReader:
    """Bytes in, frames out. What is incomplete waits here, so memory is what has arrived, never what was announced."""

    __slots__ = ("_needed", "_waiting")

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._needed = 4

    @property
    def empty(self) -> bool:
        """Whether all that has arrived was complete frames."""
        return not self._waiting

    def feed(self, data: bytes) -> Iterator[memoryview]:
        """The frames that `data` completes, without their length, as views of it. To be iterated to its end.

        Raises ProtocolError where a length is negative or above MAX_FRAME_SIZE, behind the frames before it.
        """
        if self._waiting:
            self._waiting += data
            if len(self._waiting) < self._needed:
                return
            data = bytes(self._waiting)
            self._waiting.clear()
        view = memoryview(data)
        size = len(data)
        position = 0
        needed = 4
        while size - position >= 4:
            length = int.from_bytes(data[position : position + 4], "big", signed=True)
            if not 0 <= length <= MAX_FRAME_SIZE:
                raise ProtocolError(_describe(data[position : position + 40], length))
            end = position + 4 + length
            if end > size:
                needed = 4 + length
                break
            yield view[position + 4 : end]
            position = end
        if position < size:
            self._waiting += view[position:]
        self._needed = needed


def _describe(begin: bytes, length: int) -> str:
    if begin.startswith(b"HTTP"):
        return f"it answered {_line(begin)!r}: looks like an HTTP server; is this the Kafka port?"
    if begin[:1] in (b"\x15", b"\x16") and begin[1:2] == b"\x03":
        return "it answered in TLS: this is a listener for encrypted connections; use the broker's PLAINTEXT port"
    if all(32 <= octet < 127 or octet in b"\r\n\t" for octet in begin):
        return f"it sent the text {_line(begin)!r}, which is not Kafka's protocol; is this the Kafka port?"
    return (
        f"it announced a frame of {length} bytes, and frames have 0 to {MAX_FRAME_SIZE}: "
        "this is not Kafka's protocol; is this the Kafka port?"
    )


def _line(begin: bytes) -> str:
    return begin.decode("latin-1").splitlines()[0] if begin.strip() else ""
