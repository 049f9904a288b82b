"""The network of the simulation: what it may do to bytes, and what not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import pytest

from aioproducer.testing.transport import Stream as ServerStream
from tests.support.memory_network import MemoryNetwork, Way, Weather
from tests.support.virtual_time import SimulatedTimeLoop

SENT = bytes(range(256)) * 4


def simulated(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    loop = SimulatedTimeLoop()
    try:
        loop.run_until_complete(main())
    finally:
        for task in loop.left:
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


async def connected(weather: Weather, seed: int = 0) -> tuple[MemoryNetwork, Any, ServerStream]:
    network = MemoryNetwork(Random(seed), weather)
    accepted: list[ServerStream] = []
    await network.listen("h", 9092, accepted.append)
    client = await network.dial("h", 9092)
    return network, client, accepted[0]


async def read_all(server: ServerStream) -> bytes:
    data = b""
    while piece := await server.read():
        data += piece
    return data


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "weather",
    [
        Weather(),
        Weather(latency=0.01, jitter=0.05),
        Weather(cut=1.0),
        Weather(crumble=1.0),
        Weather(latency=0.0001, jitter=0.01, cut=0.5, crumble=0.3, window=50),
    ],
)
def test_whatever_the_weather_bytes_arrive_once_and_in_order(weather: Weather, seed: int) -> None:
    async def main() -> None:
        network, client, server = await connected(weather, seed)
        arrived = bytearray()
        client.on_data(arrived.extend)
        reading = asyncio.ensure_future(read_all(server))
        for start in range(0, len(SENT), 100):
            client.write([SENT[start : start + 60], SENT[start + 60 : start + 100]])
            server.write([SENT[start : start + 100]])
        await client.drain()
        await asyncio.sleep(2)
        client.close()
        assert await reading == SENT
        assert bytes(arrived) == SENT
        server.close()
        assert not network.streams

    simulated(main)


def test_a_peer_that_does_not_read_holds_the_writer_up() -> None:
    async def main() -> None:
        _, client, server = await connected(Weather(window=100))
        client.write([SENT])
        draining = asyncio.ensure_future(client.drain())
        await asyncio.sleep(1)
        assert not draining.done()
        read = b""
        while len(read) < len(SENT):
            read += await server.read()
        await draining
        assert read == SENT

    simulated(main)


def test_what_is_held_arrives_when_it_is_released() -> None:
    async def main() -> None:
        network, client, server = await connected(Weather())
        network.hold(9092, Way.OUT)
        client.write([b"x"])
        reading = asyncio.ensure_future(server.read())
        dialling = asyncio.ensure_future(network.dial("h", 9092))
        await asyncio.sleep(5)
        assert not reading.done()
        assert not dialling.done()
        network.release(9092)
        assert await reading == b"x"
        await dialling

    simulated(main)


def test_a_cut_comes_behind_so_many_bytes() -> None:
    async def main() -> None:
        network, client, server = await connected(Weather())
        network.cut_after(9092, Way.IN, 10)
        arrived = bytearray()
        client.on_data(arrived.extend)
        server.write([SENT[:7], SENT[7:20]])
        with pytest.raises(ConnectionResetError):
            await client.read()
        assert bytes(arrived) == SENT[:10]
        assert await server.read() == b""

    simulated(main)


def test_a_reset_breaks_both_ends_and_a_closed_port_refuses() -> None:
    async def main() -> None:
        network = MemoryNetwork(Random(0), Weather())
        accepted: list[ServerStream] = []
        listener = await network.listen("h", 0, accepted.append)
        client = await network.dial("h", listener.port)
        network.reset(listener.port)
        with pytest.raises(ConnectionResetError):
            await client.read()
        with pytest.raises(ConnectionResetError):
            await client.drain()
        assert await accepted[0].read() == b""
        await listener.close()
        with pytest.raises(ConnectionRefusedError):
            await network.dial("h", listener.port)

    simulated(main)


def test_who_waits_for_ever_or_keeps_the_loop_is_stopped() -> None:
    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    async def spin() -> None:
        while True:
            asyncio.get_running_loop().time()

    async def circle() -> None:
        while True:  # noqa: ASYNC110  # that is what is looked for
            await asyncio.sleep(0)

    for main, what in ((wait, "for ever"), (spin, "for itself"), (circle, "in circles")):
        with pytest.raises(RuntimeError, match=what):
            simulated(main)
