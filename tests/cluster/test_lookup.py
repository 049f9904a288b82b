"""The cluster by names that lead to several addresses, and to others later: `client_dns_lookup` in both its values."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random

import pytest

from aioproducer.cluster.cluster import Cluster
from aioproducer.config import Config
from aioproducer.configuration.arguments import DnsLookup
from aioproducer.errors import StartTimeoutError
from aioproducer.models import Node
from tests.support.scripted_peer import MemoryNetwork, ScriptedBroker, serve_metadata
from tests.support.virtual_time import Background, virtual_time

ALL: DnsLookup = "use_all_dns_ips"
CANONICAL: DnsLookup = "resolve_canonical_bootstrap_servers_only"


class Names:
    """What a name server knows: the addresses of names, and the names of addresses."""

    def __init__(self, **addresses: Sequence[str]) -> None:
        self.addresses = dict(addresses)
        self.canonical: dict[str, str] = {}
        self.asked: list[str] = []

    async def resolve(self, host: str, _port: int) -> Sequence[str]:
        self.asked.append(host)
        if host[0].isdigit():
            return (host,)
        if host not in self.addresses:
            raise socket.gaierror(-2, "Name or service not known")
        return self.addresses[host]

    async def name_of(self, address: str) -> str:
        if address not in self.canonical:
            raise socket.gaierror(-2, "Name or service not known")
        return self.canonical[address]


@asynccontextmanager
async def running(network: MemoryNetwork, names: Names, lookup: DnsLookup) -> AsyncIterator[Cluster]:
    """A cluster that is found through the name "lb"."""
    background = Background()
    cluster = Cluster(
        Config.from_options("lb:9092", client_dns_lookup=lookup, reconnect_backoff_max_ms=100),
        dial=network,
        clock=asyncio.get_running_loop().time,
        random=Random(1),
        spawn=background.spawn,
        resolve=names.resolve,
        canonical_name=names.name_of,
    )
    runner = background.spawn(cluster.run())
    try:
        yield cluster
    finally:
        runner.cancel()
        await cluster.close()
        await asyncio.wait([runner])
        await background.end()


def serve(network: MemoryNetwork, address: str, *nodes: Node) -> ScriptedBroker:
    broker = network.add(address)
    serve_metadata(broker, nodes, {})
    return broker


def ends(network: MemoryNetwork, address: str) -> None:
    """Nothing is there any more, and whoever was connected notices it."""
    for stream in network.brokers.pop((address, 9092)).streams:
        stream.feed(b"")


@pytest.mark.parametrize("dead", ["refuses", "is silent"])
@virtual_time
async def test_every_address_of_a_name_is_tried(dead: str) -> None:
    network, names = MemoryNetwork(), Names(lb=["10.0.0.1", "10.0.0.2", "10.0.0.3"])
    if dead == "is silent":
        network.silent |= {("10.0.0.1", 9092), ("10.0.0.2", 9092)}
    alive = serve(network, "10.0.0.3", Node(3, "10.0.0.3", 9092))
    async with running(network, names, ALL) as cluster:
        await cluster.bootstrap(10)
        assert cluster.view.brokers.keys() == {3}
    assert alive.connections == 1
    assert [host for _, host, _ in network.dialled] == names.addresses["lb"]


@virtual_time
async def test_a_broker_whose_name_has_several_addresses_is_reached_at_any() -> None:
    """Not the bootstrap name alone: also those that the cluster tells."""
    network, names = MemoryNetwork(), Names(lb=["10.0.0.1"], broker=["10.0.0.7", "10.0.0.8"])
    serve(network, "10.0.0.1", Node(1, "broker", 9092))
    there = serve(network, "10.0.0.8", Node(1, "broker", 9092))
    async with running(network, names, ALL) as cluster:
        await cluster.bootstrap(10)
        connection = await cluster.link(1).connection()
        assert "10.0.0.8" in connection.name
    assert there.connections == 1


@pytest.mark.parametrize("lookup", [ALL, CANONICAL])
@virtual_time
async def test_a_name_is_looked_up_again_when_all_known_brokers_are_gone(lookup: DnsLookup) -> None:
    network, names = MemoryNetwork(), Names(lb=["10.0.0.1"])
    names.canonical = {"10.0.0.1": "10.0.0.1", "10.0.0.9": "10.0.0.9"}
    serve(network, "10.0.0.1", Node(1, "10.0.0.1", 9092))
    async with running(network, names, lookup) as cluster:
        await cluster.bootstrap(10)
        assert cluster.view.brokers.keys() == {1}
        ends(network, "10.0.0.1")
        names.addresses["lb"] = ["10.0.0.9"]
        serve(network, "10.0.0.9", Node(9, "10.0.0.9", 9092))
        await asyncio.sleep(5)
        assert cluster.view.brokers.keys() == {9}


@virtual_time
async def test_the_names_of_the_addresses_take_the_place_of_a_bootstrap_name() -> None:
    """So that servers are asked for by the names that their certificates and tickets have."""
    network = MemoryNetwork()
    names = Names(lb=["10.0.0.1", "10.0.0.2", "10.0.0.3"], one=["10.0.0.1"], two=["10.0.0.2"])
    names.canonical = {"10.0.0.1": "one", "10.0.0.2": "two"}
    serve(network, "10.0.0.2", Node(2, "two", 9092))
    async with running(network, names, CANONICAL) as cluster:
        await cluster.bootstrap(10)
        assert cluster.view.brokers.keys() == {2}
    # An address without a name stays one; the name that was given is not dialled itself.
    assert {host for _, host, _ in network.dialled} <= {"10.0.0.1", "10.0.0.2", "10.0.0.3"}
    assert names.asked.count("lb") == 1
    assert "two" in names.asked


@pytest.mark.parametrize(
    ("lookup", "places"),
    [(ALL, ["lb:9092 (10.0.0.1)", "lb:9092 (10.0.0.2)"]), (CANONICAL, ["one:9092 (10.0.0.1)", "10.0.0.2:9092"])],
)
@virtual_time
async def test_a_start_in_vain_names_what_was_tried(lookup: DnsLookup, places: list[str]) -> None:
    network, names = MemoryNetwork(), Names(lb=["10.0.0.1", "10.0.0.2"], one=["10.0.0.1"])
    names.canonical = {"10.0.0.1": "one"}
    async with running(network, names, lookup) as cluster:
        with pytest.raises(StartTimeoutError) as raised:
            await cluster.bootstrap(3)
    for place in places:
        assert f"{place}: connection refused" in str(raised.value)
