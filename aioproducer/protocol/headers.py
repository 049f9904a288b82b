"""Frames: the four bytes of length, the header, and the body that a message encodes to, for both directions.

A request's header is version 1, or 2 with tagged fields where the request's version is flexible; a response's is 0 or 1
likewise. Two oddities are Kafka's: the client id keeps its length of two bytes in header 2, and a response to
ApiVersions has header 0 in every version, so that a client can read the answer to a version the broker does not know.
Nothing is read from or written to anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct as Packer

from aioproducer.errors import ProtocolError
from aioproducer.protocol.messages.api_versions import ApiVersions
from aioproducer.protocol.primitives import Chunk, MalformedError, skip_tagged_fields
from aioproducer.protocol.schema import Request, Response, api_name
from aioproducer.protocol.versions import REQUESTS

_REQUEST_START = Packer(">ihhih")  # length of the frame, api key, version, correlation id, length of the client id
_REQUEST_FIELDS = Packer(">hhih")
_RESPONSE_START = Packer(">ii")
_CORRELATION_ID = Packer(">i")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHeader:
    """What precedes a request's body: which API in which version, the number of the request, who asks."""

    api_key: int
    api_version: int
    correlation_id: int
    client_id: str | None


def encode_request(request: Request, *, version: int, correlation_id: int, client_id: str | None) -> list[Chunk]:
    """The whole frame, its length included, as chunks to be sent one after another.

    Raises what `Message.encode` raises, and ValueError if `client_id` has more than 32,767 bytes in UTF-8.
    """
    chunks = request.encode(version)
    name = b"" if client_id is None else client_id.encode()
    if len(name) > 0x7FFF:
        raise ValueError(f"client_id takes {len(name)} bytes, 32767 is the most: use a shorter one")
    flexible = request.is_flexible(version)
    length = 10 + len(name) + flexible + sum(map(len, chunks))
    start = _REQUEST_START.pack(
        length, request.api_key, version, correlation_id, -1 if client_id is None else len(name)
    )
    return _before(start + name + b"\0" if flexible else start + name, chunks)


def encode_response(
    response: Response, request_type: type[Request], *, version: int, correlation_id: int
) -> list[Chunk]:
    """The whole frame, its length included, of the answer to a `request_type` in `version`."""
    chunks = response.encode(version)
    tagged = _response_is_tagged(request_type, version)
    start = _RESPONSE_START.pack(4 + tagged + sum(map(len, chunks)), correlation_id)
    return _before(start + b"\0" if tagged else start, chunks)


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
        position = _skip_tagged_fields(view, position, f"{api_name(request_type)} request")
    header = RequestHeader(api_key=api_key, api_version=api_version, correlation_id=correlation_id, client_id=client_id)
    return header, view[position:]


def decode_response_header(
    frame: bytes | memoryview, request_type: type[Request], version: int
) -> tuple[int, memoryview]:
    """The correlation id of a frame (without its length) that answers `request_type` in `version`, and the body.

    Raises ProtocolError.
    """
    view = memoryview(frame)
    if len(view) < 4:
        raise ProtocolError(f"a frame of {len(view)} bytes is too short for a response's header")
    (correlation_id,) = _CORRELATION_ID.unpack_from(view)
    if not _response_is_tagged(request_type, version):
        return correlation_id, view[4:]
    return correlation_id, view[_skip_tagged_fields(view, 4, f"{api_name(request_type)} response") :]


def _response_is_tagged(request_type: type[Request], version: int) -> bool:
    return request_type.is_flexible(version) and request_type.api_key != ApiVersions.api_key


def _skip_tagged_fields(view: memoryview, position: int, what: str) -> int:
    try:
        return skip_tagged_fields(view, position)
    except (IndexError, MalformedError) as error:
        raise ProtocolError(f"the tagged fields in the header of a {what} are malformed: {error}") from error


def _before(start: bytes, chunks: list[Chunk]) -> list[Chunk]:
    """`start` and the first chunk, which never holds records, as one chunk; the others behind it."""
    if chunks:
        chunks[0] = start + chunks[0]
        return chunks
    return [start]
