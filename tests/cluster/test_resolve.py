"""Names and addresses, the bootstrap list, and several addresses of one name."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

import pytest

from aioproducer.cluster.bootstrap import canonical_addresses, seed_nodes, start_timeout
from aioproducer.cluster.connector import Connector
from aioproducer.cluster.resolve import is_ip_address, resolve_host
from aioproducer.configuration.addresses import Address
from aioproducer.errors import ConnectionFailedError, ConnectTimeoutError
from aioproducer.models import Node
from tests.support.scripted_peer import MemoryNetwork
from tests.support.virtual_time import Background, virtual_time


@pytest.mark.parametrize(
    ("host", "is_one"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", False),
        ("a..b", False),
        ("x" * 70, False),
        ("", False),
        ("bücher", False),
    ],
)
def test_what_is_an_address(host: str, is_one: bool) -> None:
    assert is_ip_address(host) is is_one


async def test_the_systems_resolver() -> None:
    assert await resolve_host("::1", 9092) == ("::1",)
    assert set(await resolve_host("localhost", 9092)) & {"127.0.0.1", "::1"}
    with pytest.raises(OSError, match="not a host name"):
        await resolve_host("a..b", 9092)


def test_seeds_have_negative_ids() -> None:
    addresses = (Address("a", 1), Address("::1", 2), Address("a", 1))
    assert seed_nodes(addresses) == (Node(-1, "a", 1), Node(-2, "::1", 2))


async def test_canonical_names() -> None:
    async def resolve(host: str, _port: int) -> Sequence[str]:
        if host == "gone":
            raise socket.gaierror(-2, "unknown")
        return {"lb": ("10.0.0.1", "10.0.0.2", "10.0.0.3")}.get(host, (host,))

    async def name(address: str) -> str:
        if address in ("10.0.0.3", "::1"):
            raise socket.gaierror(-2, "no name")
        return f"broker-{address[-1]}"

    found = await canonical_addresses(
        (Address("lb", 1), Address("gone", 2), Address("::1", 3)), resolve=resolve, canonical_name=name
    )
    assert found == (
        Address("broker-1", 1),
        Address("broker-2", 1),
        Address("10.0.0.3", 1),
        Address("gone", 2),
        Address("::1", 3),
    )


def test_the_error_of_a_start_in_vain_names_each_server_once() -> None:
    seeds = seed_nodes((Address("a", 1), Address("::1", 2)))
    error = start_timeout(seeds, {-1: ConnectionFailedError("a:1: connection refused")}, 5.0)
    assert str(error) == (
        "none of the 2 servers of bootstrap_servers answered within 5 s; check the addresses, and that a broker is up. "
        "a:1: connection refused; [::1]:2: no answer"
    )
    assert "the server of bootstrap_servers did not answer within 1 s" in str(start_timeout(seeds[:1], {}, 1.0))


class Bench:
    def __init__(self, *addresses: str, seconds: float = 0.0) -> None:
        self.network = MemoryNetwork()
        self.background = Background()

        async def resolve(_host: str, _port: int) -> Sequence[str]:
            await asyncio.sleep(seconds)
            if not addresses:
                raise socket.gaierror(-2, "Name or service not known")
            return addresses

        self.connector = Connector(
            self.network,
            resolve=resolve,
            client_id="test",
            spawn=self.background.spawn,
            clock=asyncio.get_running_loop().time,
        )

    async def connect(self, *, setup_timeout: float = 10.0, last: str = "") -> str:
        connection, address = await self.connector.connect("name", 9092, setup_timeout=setup_timeout, last=last)
        connection.close()
        await connection.wait_closed()
        assert address in connection.name
        return address


@virtual_time
async def test_the_addresses_are_tried_in_turn() -> None:
    bench = Bench("10.0.0.1", "10.0.0.2", "10.0.0.3")
    bench.network.silent.add(("10.0.0.2", 9092))
    bench.network.add("10.0.0.3")
    assert await bench.connect() == "10.0.0.3"
    assert [(round(at, 2), host) for at, host, _ in bench.network.dialled] == [
        (0.0, "10.0.0.1"),
        (0.0, "10.0.0.2"),
        (0.25, "10.0.0.3"),
    ]


@virtual_time
async def test_the_address_that_was_lost_comes_last() -> None:
    bench = Bench("10.0.0.1", "10.0.0.2")
    bench.network.add("10.0.0.1")
    bench.network.add("10.0.0.2")
    assert await bench.connect() == "10.0.0.1"
    assert await bench.connect(last="10.0.0.1") == "10.0.0.2"


@virtual_time
async def test_all_addresses_are_in_the_error_and_share_the_time() -> None:
    bench = Bench("10.0.0.1", "10.0.0.2")
    bench.network.silent.add(("10.0.0.2", 9092))
    with pytest.raises(ConnectTimeoutError) as caught:
        await bench.connect(setup_timeout=3)
    assert "name:9092 (10.0.0.1): connection refused" in str(caught.value)
    assert "name:9092 (10.0.0.2): no connection within 3 s" in str(caught.value)
    assert asyncio.get_running_loop().time() == pytest.approx(3.0)


@virtual_time
async def test_a_name_that_is_not_resolved() -> None:
    with pytest.raises(ConnectionFailedError, match="name:9092: the name can not be resolved"):
        await Bench().connect()
    with pytest.raises(ConnectTimeoutError, match="name:9092: the name was not resolved within 2 s"):
        await Bench("10.0.0.1", seconds=5.0).connect(setup_timeout=2)
