"""A request in flight, and who decodes its answer: the connection where it arrives, or whoever waits for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar

from aioproducer.errors import KafkaError
from aioproducer.protocol.decoding import Takers
from aioproducer.protocol.schema import Request, Response
from aioproducer.work import Work

T = TypeVar("T")

# Bytes of an answer that are decoded in a millisecond or two.
_LARGE = 16 * 1024

OpenBody: TypeAlias = Callable[[type[Request], int, memoryview], T]
"""Gets the class of the request, its version, and the body of the answer, which is a view of what has arrived."""


class Pending(Generic[T]):
    """`on_answer` gets what `open_body` makes of the answer, or the error that came in its place. deadline: of the
    answer, in loop seconds.
    """

    __slots__ = ("correlation_id", "deadline", "on_answer", "open_body", "request_type", "version")

    def __init__(
        self,
        request_type: type[Request],
        version: int,
        correlation_id: int,
        open_body: OpenBody[T],
        on_answer: Callable[[T | KafkaError], None],
        deadline: float,
    ) -> None:
        self.request_type = request_type
        self.version = version
        self.correlation_id = correlation_id
        self.open_body = open_body
        self.on_answer = on_answer
        self.deadline = deadline


def decoded(request_type: type[Request], version: int, body: bytes | memoryview) -> Response:
    """The answer. Not exact: some brokers, librdkafka's mock among them, write more than the schema has."""
    return request_type.response.decode(body, version, exact=False)


def decoding(request_type: type[Request], version: int, body: bytes, takers: Takers | None) -> Work[Response]:
    """The same, step by step where it is large. takers: as in `Message.decode_in_steps`."""
    if takers is None and len(body) < _LARGE:
        return decoded(request_type, version, body)
    return (yield from request_type.response.decode_in_steps(body, version, exact=False, takers=takers))


def undecoded(_request_type: type[Request], _version: int, body: memoryview) -> bytes:
    """The body, to be decoded later."""
    return bytes(body)
