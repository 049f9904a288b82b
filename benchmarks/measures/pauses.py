"""How long the loop is kept from its other work, while 50 MB/s go out compressed: p99.9 and the longest.

As a program, `python -m benchmarks.measures.pauses CLIENT CODEC BOOTSTRAP SECONDS`. A pause is one turn of the loop:
the time from when it has been told what is ready until it looks again, taken by a selector that asks the clock, so no
timer and no scheduler's delay while it waits is in it. Values of 1 KiB are sent every millisecond, as many as are
due, 200 at most; these sends are in their turn. A client that can not keep up has its rate beside the pauses.
"""

from __future__ import annotations

import asyncio
import json
import selectors
import sys
import time
from collections.abc import Sequence
from functools import partial
from random import Random
from typing import Any, Literal, TypeAlias, get_args

from benchmarks.clients.names import AIOKAFKA, OURS
from benchmarks.figures import Sample
from benchmarks.measures.base import Bench, Measure, half
from benchmarks.programs import run_program
from benchmarks.readback import ReadBackError
from benchmarks.shapes import STEADY
from benchmarks.worker import percentile

Codec: TypeAlias = Literal["lz4", "zstd"]
CODECS: tuple[Codec, ...] = get_args(Codec)

BYTES_PER_SECOND = 50_000_000
SLICE_SECONDS = 0.001
DISTINCT = 2_000
WARM_UP_SECONDS = 0.5
MOST_AT_ONCE = 200


class TimedSelector(selectors.DefaultSelector):
    """Keeps how long each turn took; `turns` may be emptied at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.turns: list[float] = []
        self._woke = time.perf_counter()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.turns.append(time.perf_counter() - self._woke)
        ready = super().select(timeout)
        self._woke = time.perf_counter()
        return ready


def texts() -> list[bytes]:
    """Lines as services log them: they compress to about a third."""
    random = Random(50)
    words = [random.randbytes(random.randint(2, 5)).hex() for _ in range(4_000)]
    values = []
    for number in range(DISTINCT):
        line = f'{{"order": {number}, "text": "' + " ".join(random.choices(words, k=200))
        values.append(line[: STEADY.value_size].encode())
    return values


async def _send(client: str, producer: Any, values: Sequence[bytes]) -> None:
    """Results are not looked at: what is asked for is the loop's time."""
    if client == OURS:
        for value in values:
            producer.send(STEADY.topic, value)
        await producer.drain()
    else:
        for value in values:
            await producer.send(STEADY.topic, value)


def producer_of(client: str, codec: Codec, bootstrap: str) -> Any:
    if client == OURS:
        from aioproducer import Producer

        return Producer(bootstrap, compression_type=codec, linger_ms=STEADY.linger_ms)
    from aiokafka import AIOKafkaProducer

    return AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        compression_type=codec,
        linger_ms=STEADY.linger_ms,
        acks="all",
        enable_idempotence=True,
    )


async def measure(client: str, codec: Codec, bootstrap: str, seconds: float, turns: list[float]) -> dict[str, float]:
    """`turns` is the selector's list."""
    values = texts()
    producer = producer_of(client, codec, bootstrap)
    await producer.start()
    clock = time.perf_counter
    sent = 0
    begin = clock()
    measured_from = begin + WARM_UP_SECONDS
    cpu = 0.0
    counted = 0
    while (now := clock()) < measured_from + seconds:
        if not cpu and now >= measured_from:
            turns.clear()
            cpu, counted = time.process_time(), sent
        owed = int((now - begin) * BYTES_PER_SECOND / STEADY.value_size) - sent
        # Who has fallen behind does not catch up in one turn.
        count = min(owed, MOST_AT_ONCE)
        await _send(client, producer, [values[(sent + number) % DISTINCT] for number in range(count)])
        sent += count
        await asyncio.sleep(SLICE_SECONDS)
    took = clock() - measured_from
    cpu = time.process_time() - cpu
    pauses = sorted(turns)
    await producer.flush()
    await (producer.close() if client == OURS else producer.stop())
    measured = sent - counted
    return {
        "acknowledged": measured,
        "sent": sent,
        "seconds": took,
        "cpu_seconds": cpu,
        "bytes": measured * STEADY.value_size,
        "turns": len(pauses),
        "pause_p999_ms": percentile(pauses, 0.999) * 1000,
        "pause_max_ms": pauses[-1] * 1000,
    }


def run(codec: str, bench: Bench, client: str) -> Sample:
    reader = bench.reader
    before = reader.ends((STEADY.topic, number) for number in range(STEADY.partitions))
    sample = run_program(__name__, client, codec, bench.broker.bootstrap, bench.seconds)
    appended, found = reader.counts(before, reader.ends(before))
    if appended != sample["sent"] or not found.keys() <= set(texts()):
        raise ReadBackError(f"{sample['sent']} records sent, {appended} in the log")
    return sample


MEASURES = tuple(
    Measure(
        name=f"pauses-{codec}",
        title=f"longest turns of the loop while 50 MB/s of 1 KiB values go out, compression {codec}",
        columns=("pause", "longest", "mb", "cpu"),
        brokers=STEADY.brokers,
        clients=(OURS, AIOKAFKA),
        rounds=half,
        run=partial(run, codec),
        quick=STEADY.brokers if codec == "zstd" else (),
    )
    for codec in CODECS
)


def main() -> None:
    client, name, bootstrap, seconds = sys.argv[1:]
    (codec,) = (codec for codec in CODECS if codec == name)
    selector = TimedSelector()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        print(json.dumps(runner.run(measure(client, codec, bootstrap, float(seconds), selector.turns))))


if __name__ == "__main__":
    main()
