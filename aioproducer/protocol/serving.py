"""Frames as a server needs them: the header of a request is read, a response gets its own. For brokers of tests.

The forms of headers are told in `headers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct as Packer

from aioproducer.errors import ProtocolError
from aioproducer.protocol.headers import response_is_tagged, skip_header_fields, with_start
from aioproducer.protocol.primitives import Chunk
from aioproducer.protocol.requests import REQUESTS
from aioproducer.protocol.schema import Request, Response, api_name

_REQUEST_FIELDS = Packer(">hhih")  # api key, version, correlation id, length of the client id
_RESPONSE_START = Packer(">ii")  # length of the frame, correlation id


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHeader:
    """What precedes a request's body: which API in which version, the number of the request, who asks."""

    api_key: int
    api_version: int
    correlation_id: int
    client_id: str | None


def encode_response(
    response: Response, request_type: type[Request], *, version: int, correlation_id: int
) -> list[Chunk]:
    """The whole frame, its length included, of the answer to a `request_type` in `version`."""
    chunks = response.encode(version)
    tagged = response_is_tagged(request_type, version)
    start = _RESPONSE_START.pack(4 + tagged + sum(map(len, chunks)), correlation_id)
    return with_start(start + b"\0" if tagged else start, chunks)


def decode_request_header(frame: bytes | memoryview) -> tuple[RequestHeader, memoryview]:
    """The header of a frame (without its length), and the body.

    The header of an API that is not in `REQUESTS` is read as version 1, because nothing tells whether it is flexible.
    Raises ProtocolError.
    """
    view = memoryview(frame)
    if len(view) < _REQUEST_FIELDS.size:
        raise ProtocolError(f"a frame of {len(view)} bytes is too short for a request's header")
    api_key, api_version, correlation_id, length = _REQUEST_FIELDS.unpack_from(view)
    position = _REQUEST_FIELDS.size
    client_id = None
    if length < -1 or position + length > len(view):
        raise ProtocolError(f"a request's header announces a client id of {length} bytes in a frame of {len(view)}")
    if length >= 0:
        try:
            client_id = str(view[position : position + length], "utf-8")
        except UnicodeDecodeError as error:
            raise ProtocolError("the client id in a request's header is not UTF-8") from error
        position += length
    request_type = REQUESTS.get(api_key)
    if request_type is not None and request_type.is_flexible(api_version):
        position = skip_header_fields(view, position, f"{api_name(request_type)} request")
    header = RequestHeader(api_key=api_key, api_version=api_version, correlation_id=correlation_id, client_id=client_id)
    return header, view[position:]
