from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioproducer.testing.frames import MAX_FRAME, FrameError, Framer, Start, start_of


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


@given(st.lists(st.binary(min_size=8, max_size=40), max_size=6), st.lists(st.integers(1, 30), min_size=1, max_size=50))
def test_frames_come_out_whole_however_they_come_in(bodies: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(framed, bodies))
    framer = Framer()
    found = []
    position = step = 0
    while position < len(stream):
        size = cuts[step % len(cuts)]
        framer.feed(stream[position : position + size])
        position += size
        step += 1
        while (frame := framer.next_frame()) is not None:
            found.append(frame)
    assert found == bodies


@pytest.mark.parametrize("length", [-1, 0, 7, MAX_FRAME + 1])
def test_impossible_lengths_are_refused(length: int) -> None:
    framer = Framer()
    framer.feed(length.to_bytes(4, "big", signed=True))
    with pytest.raises(FrameError, match=f"a frame of {length} bytes"):
        framer.next_frame()


def test_text_is_no_frame() -> None:
    framer = Framer()
    framer.feed(b"GET / HTTP/1.1\r\n")
    with pytest.raises(FrameError):
        framer.next_frame()


def test_the_start_of_a_frame() -> None:
    assert start_of(bytes.fromhex("0012 0003 00000007 ffff")) == Start(18, 3, 7)
