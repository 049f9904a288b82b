"""Where batches are compressed: beside the loop, and in a few threads at once."""

from __future__ import annotations

import asyncio
import threading

from aioproducer.records.codecs import codec
from aioproducer.sending.threads import compressing_threads


def test_none_for_those_who_do_not_compress() -> None:
    assert compressing_threads(codec("none")) is None


async def test_four_at_once_and_none_of_them_the_loops() -> None:
    threads = compressing_threads(codec("gzip"))
    assert threads is not None
    all_four, lock = threading.Barrier(4, timeout=10), threading.Lock()
    inside, most = set[int](), 0

    def work(number: int) -> int:
        nonlocal most
        with lock:
            inside.add(threading.get_ident())
            most = max(most, len(inside))
        all_four.wait()
        assert threading.get_ident() != loop_thread
        with lock:
            inside.discard(threading.get_ident())
        return number * number

    loop_thread = threading.get_ident()
    assert await asyncio.gather(*(threads.run(work, number) for number in range(8))) == [n * n for n in range(8)]
    assert most == 4
