"""Frames cut anywhere come out whole; what no broker sends is recognised for what it is."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioproducer.errors import ProtocolError
from aioproducer.network.framing import MAX_FRAME_SIZE, FrameReader


def framed(payload: bytes) -> bytes:
    return struct.pack(">i", len(payload)) + payload


@given(st.lists(st.binary(max_size=50), max_size=10), st.lists(st.integers(0, 400), max_size=20))
def test_frames_come_out_however_the_bytes_are_cut(payloads: list[bytes], cuts: list[int]) -> None:
    data = b"".join(map(framed, payloads))
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    reader = FrameReader()
    found = [bytes(frame) for begin, end in pairwise(edges) for frame in reader.feed(data[begin:end])]
    assert found == payloads
    assert reader.empty


def test_all_frames_of_a_chunk_come_at_once_and_the_rest_waits() -> None:
    reader = FrameReader()
    assert [bytes(frame) for frame in reader.feed(framed(b"one") + framed(b"two") + framed(b"three")[:5])] == [
        b"one",
        b"two",
    ]
    assert not reader.empty
    assert [bytes(frame) for frame in reader.feed(framed(b"three")[5:])] == [b"three"]


def test_a_long_frame_in_many_pieces_is_put_together_once() -> None:
    reader = FrameReader()
    data = framed(bytes(3_000_000))
    frames = [frame for begin in range(0, len(data), 1000) for frame in reader.feed(data[begin : begin + 1000])]
    assert [len(frame) for frame in frames] == [3_000_000]


def test_the_longest_frame_is_accepted() -> None:
    reader = FrameReader()
    assert list(reader.feed(struct.pack(">i", MAX_FRAME_SIZE))) == []
    with pytest.raises(ProtocolError, match="announced a frame of 104857601 bytes"):
        list(FrameReader().feed(struct.pack(">i", MAX_FRAME_SIZE + 1)))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n", "'HTTP/1.1 400 Bad Request': looks like an HTTP server"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "in TLS"),
        (b"\x16\x03\x03\x00\x7a\x02", "in TLS"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "the text 'SSH-2.0-OpenSSH_9.2p1'"),
        (b"-ERR unknown command\r\n", "the text '-ERR unknown command'"),
        (b"\xff\xff\xff\xff", "a frame of -1 bytes"),
        (b"\x80\x00\x00\x00", "a frame of -2147483648 bytes"),
        (b"\r\n\r\n....", "the text ''"),
    ],
)
def test_another_protocol_is_named(data: bytes, said: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        list(FrameReader().feed(data))
    assert said in str(caught.value)
    assert "port" in str(caught.value)


def test_frames_before_a_wrong_length_still_come() -> None:
    frames = FrameReader().feed(framed(b"good") + b"HTTP/1.1 ")
    assert bytes(next(frames)) == b"good"
    with pytest.raises(ProtocolError):
        next(frames)


@given(st.binary(max_size=200))
def test_any_bytes_are_frames_or_a_protocol_error(data: bytes) -> None:
    reader = FrameReader()
    try:
        assert sum(4 + len(frame) for frame in reader.feed(data)) <= len(data)
    except ProtocolError:
        pass
