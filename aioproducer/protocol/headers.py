"""Frames as a client needs them: the four bytes of length, the header, and the body that a message encodes to.

A request's header is version 1, or 2 with tagged fields where the request's version is flexible; a response's is 0 or 1
likewise. Two oddities are Kafka's: the client id keeps its length of two bytes in header 2, and a response to
ApiVersions has header 0 in every version, so that a client can read the answer to a version the broker does not know.
What a server needs is in `serving`. Nothing is read from or written to anywhere.
"""

from __future__ import annotations

from struct import Struct as Packer

from aioproducer.errors import ProtocolError
from aioproducer.protocol.messages.api_versions import ApiVersions
from aioproducer.protocol.primitives import Chunk, MalformedError, skip_tagged_fields
from aioproducer.protocol.schema import Request, api_name

_REQUEST_START = Packer(">ihhih")  # length of the frame, api key, version, correlation id, length of the client id
_CORRELATION_ID = Packer(">i")


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
    return with_start(start + name + b"\0" if flexible else start + name, chunks)


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
    if not response_is_tagged(request_type, version):
        return correlation_id, view[4:]
    return correlation_id, view[skip_header_fields(view, 4, f"{api_name(request_type)} response") :]


def response_is_tagged(request_type: type[Request], version: int) -> bool:
    """Whether the header of the answer to a `request_type` in `version` has tagged fields."""
    return request_type.is_flexible(version) and request_type.api_key != ApiVersions.api_key


def skip_header_fields(view: memoryview, position: int, what: str) -> int:
    """The position behind the tagged fields of a header. Raises ProtocolError, which says of `what` the header is."""
    try:
        return skip_tagged_fields(view, position)
    except (IndexError, MalformedError) as error:
        raise ProtocolError(f"the tagged fields in the header of a {what} are malformed: {error}") from error


def with_start(start: bytes, chunks: list[Chunk]) -> list[Chunk]:
    """`start` and the first chunk, which never holds records, as one chunk; the others behind it."""
    if chunks:
        chunks[0] = start + chunks[0]
        return chunks
    return [start]
