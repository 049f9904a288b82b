"""The first exchange on a connection: who we are, and which versions the broker speaks (ApiVersions, KIP-511).

It reads and writes the stream itself, because the answer to a version that the broker does not know is not one that the
ordinary path could decode. It sets no time-out; `open_connection` does.
"""

from __future__ import annotations

import re

from aioproducer.errors import ConnectionFailedError, ProtocolError, UnsupportedVersionError
from aioproducer.network.framing import FrameReader
from aioproducer.network.stream import Stream
from aioproducer.protocol.error_codes import broker_error
from aioproducer.protocol.headers import decode_response_header, encode_request
from aioproducer.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse, first_error_code
from aioproducer.version import __version__

_UNSUPPORTED_VERSION = 35

# A broker refuses a version that is anything but letters, digits, and inner dots and dashes (KIP-511).
_SOFTWARE_VERSION = re.sub(r"[^0-9A-Za-z.-]+", "-", __version__).strip(".-")
_REQUEST = ApiVersionsRequest(client_software_name="aioproducer", client_software_version=_SOFTWARE_VERSION)


async def negotiate(stream: Stream, frames: FrameReader, *, client_id: str) -> tuple[ApiVersionsResponse, int]:
    """The broker's answer and its version. Correlation ids 0 and 1 are used up.

    Raises ConnectionFailedError, ProtocolError, UnsupportedVersionError, BrokerError, and the OSError of the stream.
    """
    asked = ApiVersionsRequest.max_version
    body = await _exchange(stream, frames, asked, 0, client_id)
    code = first_error_code(body)
    if code == _UNSUPPORTED_VERSION:
        asked = _fallback(body, asked)
        body = await _exchange(stream, frames, asked, 1, client_id)
        code = first_error_code(body)
        if code == _UNSUPPORTED_VERSION:
            raise UnsupportedVersionError(
                f"it speaks no version of ApiVersions up to {ApiVersionsRequest.max_version}; use Kafka 2.1 or later"
            )
    if code:
        raise broker_error(code, "the handshake (ApiVersions)")
    return ApiVersionsResponse.decode(body, asked), asked


def _fallback(body: memoryview, refused: int) -> int:
    """The version to ask in next: the highest that the refusal lists, else 0, for it need not be well-formed."""
    try:
        listed = ApiVersionsResponse.decode(body, 0).api_keys
    except ProtocolError:
        return 0
    highest = max((api.max_version for api in listed if api.api_key == ApiVersionsRequest.api_key), default=0)
    return highest if 0 <= highest < refused else 0


async def _exchange(stream: Stream, frames: FrameReader, asked: int, correlation_id: int, client_id: str) -> memoryview:
    stream.write(encode_request(_REQUEST, version=asked, correlation_id=correlation_id, client_id=client_id))
    answers: list[memoryview] = []
    while not answers:
        data = await stream.read()
        if not data:
            raise ConnectionFailedError(
                "it closed the connection during the handshake; a broker that is still starting does that, and so does "
                "a listener for TLS or SASL, or a proxy without a broker behind it"
            )
        answers.extend(frames.feed(data))
    answered_id, body = decode_response_header(answers[0], ApiVersionsRequest, asked)
    if answered_id != correlation_id or len(answers) > 1 or not frames.empty:
        raise ProtocolError("its answer to the handshake is not one to the question; is this the Kafka port?")
    return body
