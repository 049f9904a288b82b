"""The shell over scripted brokers in virtual time: start, refreshes, questions, going back to the bootstrap list."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from random import Random

import pytest

from aioproducer.cluster.cluster import Cluster
from aioproducer.config import Config, Options
from aioproducer.errors import (
    ConnectionFailedError,
    RequestTimeoutError,
    StartTimeoutError,
    UnknownTopicOrPartitionError,
    UnsupportedVersionError,
)
from aioproducer.models import Node
from aioproducer.network.sockets import SocketDialer
from aioproducer.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from aioproducer.protocol.messages.metadata import (
    MetadataRequest,
    MetadataResponse,
    MetadataResponsePartition,
)
from aioproducer.slices import SLICE
from tests.support.scripted_peer import (
    Answer,
    Close,
    Late,
    MemoryNetwork,
    ScriptedBroker,
    ScriptedPeer,
    response_brokers,
    serve_metadata,
)
from tests.support.virtual_time import Background, virtual_time

NODES = (Node(1, "one", 9092), Node(2, "two", 9092))
LED = (MetadataResponsePartition(partition_index=0, leader_id=1, leader_epoch=1),)
LEADERLESS = (MetadataResponsePartition(partition_index=0, leader_id=-1, leader_epoch=1, error_code=5),)


class Bench:
    """A cluster of two scripted brokers, "one" and "two", behind the bootstrap list `servers`."""

    def __init__(
        self,
        servers: str = "one:9092",
        *,
        in_use: set[str] | None = None,
        **options: object,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.network = MemoryNetwork()
        self.background = Background()
        self.topics: dict[str, Sequence[MetadataResponsePartition] | int] = {"orders": LED}
        self.brokers = [self.network.add(node.host) for node in NODES]
        for broker in self.brokers:
            serve_metadata(broker, NODES, self.topics)
            broker.script[InitProducerIdRequest] = lambda _: InitProducerIdResponse(producer_id=7)
        given: Options = dict(options)  # type: ignore[assignment]  # the tests pass options by name
        self.cluster = Cluster(
            Config.from_options(servers, **given),
            dial=self.network,
            clock=self.loop.time,
            random=Random(1),
            spawn=self.background.spawn,
            in_use=None if in_use is None else in_use.__contains__,
            resolve=resolve,
        )
        self.changes: list[Collection[str]] = []
        self.cluster.on_change(self.changes.append)
        self.runner = self.background.spawn(self.cluster.run())

    @property
    def asked(self) -> int:
        return sum(broker.count(MetadataRequest) for broker in self.brokers)

    async def settle(self, seconds: float = 0.01) -> None:
        await asyncio.sleep(seconds)

    async def end(self) -> None:
        assert not self.runner.done()
        self.runner.cancel()
        await self.cluster.close()
        await asyncio.wait([self.runner])
        assert self.background.alive == 0
        assert all(stream.closed for broker in self.brokers for stream in broker.streams)
        await self.background.end()


async def resolve(host: str, _port: int) -> Sequence[str]:
    return (host,)


@virtual_time
async def test_the_start_takes_one_connection_one_answer_and_no_time() -> None:
    bench = Bench()
    await bench.cluster.bootstrap(10)
    assert bench.loop.time() == 0.0
    assert bench.cluster.view.brokers == {node.id: node for node in NODES}
    assert bench.cluster.view.cluster_id == "test"
    await bench.cluster.ask(InitProducerIdRequest(), timeout=5)
    assert [broker.connections for broker in bench.brokers] == [1, 0], "questions use the first connection"
    assert repr(bench.cluster) == "<Cluster test, 2 brokers, <Metadata of 0 topics, idle>>"
    await bench.end()


@virtual_time
async def test_topics_wanted_in_one_turn_are_asked_for_together() -> None:
    bench = Bench()
    await bench.cluster.bootstrap(10)
    names = [f"t{number}" for number in range(5000)]
    bench.topics.update(dict.fromkeys(names, LED))
    for name in names:
        bench.cluster.want(name)
    assert bench.asked == 1, "at the end of the turn, not before"
    bench.changes.clear()
    await bench.settle()
    assert bench.asked == 2
    assert set(bench.cluster.view.topics) == set(names)
    assert sorted(name for changed in bench.changes for name in changed) == sorted(names), "each once"
    assert max(map(len, bench.changes)) <= 100
    assert bench.cluster.view.leader("t0", 0) == NODES[0]
    await bench.end()


@pytest.mark.parametrize(("topics", "partitions"), [(1, 10_000), (5000, 2)])
@virtual_time
async def test_a_large_answer_leaves_the_loop_its_turns(topics: int, partitions: int) -> None:
    bench = Bench()
    await bench.cluster.bootstrap(10)
    led = tuple(
        MetadataResponsePartition(partition_index=index, leader_id=1 + index % 2) for index in range(partitions)
    )
    names = [f"t{number}" for number in range(topics)]
    bench.topics.update(dict.fromkeys(names, led))
    for _ in ("learned", "refreshed"):
        for name in names:
            bench.cluster.want(name)
        bench.cluster.request_refresh()
        bench.changes.clear()
        turns = 0
        while not bench.changes and turns < 1000:
            await asyncio.sleep(0)
            turns += 1
        assert turns > (topics + topics * partitions) / SLICE
        await bench.settle(1)  # whatever pauses is over
    assert bench.cluster.view.leader(names[-1], 1) == NODES[1]
    await bench.end()


@virtual_time
async def test_dead_and_silent_servers_do_not_hold_up_the_start() -> None:
    bench = Bench("dead:1,silent-1:1,silent-2:1,mute:1,one:9092")
    bench.network.silent |= {("silent-1", 1), ("silent-2", 1)}
    bench.network.add("mute", 1).script[MetadataRequest] = lambda _: None
    await bench.cluster.bootstrap(10)
    assert bench.loop.time() <= 1.0
    await bench.settle()
    assert bench.background.alive == 2, "the refresher and one connection: the others were given up"
    await bench.end()


@virtual_time
async def test_a_start_in_vain_says_what_was_wrong_with_each_server(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench("dead:1,silent:1,http:1,mute:1,empty:1,[::1]:1")
    bench.network.silent.add(("silent", 1))
    web = bench.network.add("http", 1)
    web.script = {request: lambda _: b"HTTP/1.1 400 Bad Request\r\n" for request in web.versions}
    bench.network.add("mute", 1).script[MetadataRequest] = lambda _: None
    bench.network.add("empty", 1).script[MetadataRequest] = lambda _: MetadataResponse()
    with caplog.at_level(logging.INFO, "aioproducer"), pytest.raises(StartTimeoutError) as caught:
        await bench.cluster.bootstrap(5)
    assert bench.loop.time() == pytest.approx(5.0)
    text = str(caught.value)
    for part in (
        "none of the 6 servers",
        "dead:1: connection refused",
        "silent:1: no connection within",
        "http:1: it answered 'HTTP/1.1 400 Bad Request': looks like an HTTP server",
        "mute:1 left a Metadata request unanswered",
        "empty:1 knows no brokers yet",
        "[::1]:1: connection refused",
    ):
        assert part in text
    assert caught.value.__cause__ is not None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "no bootstrap server could be used so far" in caplog.text
    await bench.end()


@virtual_time
async def test_a_server_that_comes_up_late_is_found_although_another_is_silent() -> None:
    bench = Bench("silent:1,late:1")
    bench.network.silent.add(("silent", 1))
    starting = asyncio.create_task(bench.cluster.bootstrap(60))
    await asyncio.sleep(3)
    serve_metadata(bench.network.add("late", 1), NODES, bench.topics)
    await starting
    assert bench.loop.time() <= 4.3
    await bench.end()


@virtual_time
async def test_a_start_can_be_cancelled_and_tried_again() -> None:
    bench = Bench("late:1")
    with pytest.raises(StartTimeoutError):
        await bench.cluster.bootstrap(2)
    starting = asyncio.create_task(bench.cluster.bootstrap(60))
    await asyncio.sleep(1)
    starting.cancel()
    await asyncio.wait([starting])
    serve_metadata(bench.network.add("late", 1), NODES, bench.topics)
    await bench.cluster.bootstrap(5)
    await bench.end()


@virtual_time
async def test_a_leaderless_topic_costs_few_requests_however_often_one_asks() -> None:
    bench = Bench()
    bench.topics["orders"] = LEADERLESS
    await bench.cluster.bootstrap(10)
    bench.cluster.want("orders")
    for _ in range(1000):
        bench.cluster.request_refresh()
        bench.cluster.request_refresh(["orders"])
        await bench.settle(0.01)
    assert bench.asked <= 20
    bench.topics["orders"] = LED
    await bench.settle(1.0)
    assert bench.cluster.view.leader("orders", 0) == NODES[0]
    await bench.end()


@virtual_time
async def test_an_unknown_topic_has_an_error_until_it_is_there() -> None:
    in_use = {"later"}
    bench = Bench(in_use=in_use)
    await bench.cluster.bootstrap(10)
    bench.cluster.want("later")
    await bench.settle()
    error = bench.cluster.topic_error("later")
    assert isinstance(error, UnknownTopicOrPartitionError)
    assert "later" in str(error)
    assert bench.cluster.topic_error("orders") is None
    await bench.settle(30)
    bench.topics["later"] = LED
    await bench.settle(1.1)
    assert bench.cluster.topic_error("later") is None
    assert bench.cluster.view.leader("later", 0) == NODES[0]
    await bench.end()


@virtual_time
async def test_idle_topics_are_forgotten() -> None:
    in_use: set[str] = set()
    bench = Bench(in_use=in_use, metadata_max_idle_ms=5000, metadata_max_age_ms=4000)
    await bench.cluster.bootstrap(10)
    bench.cluster.want("orders")
    await bench.settle(4.5)
    bench.cluster.use("orders")
    await bench.settle(4.5)
    assert "orders" in bench.cluster.view.topics
    await bench.settle(4.0)
    assert "orders" not in bench.cluster.view.topics
    await bench.end()


@virtual_time
async def test_links_lead_to_the_leaders_and_follow_them() -> None:
    bench = Bench()
    await bench.cluster.bootstrap(10)
    link = bench.cluster.link(1)
    assert bench.cluster.link(1) is link
    connection = await link.connection()
    assert bench.brokers[0].connections == 2, "beside the one for questions"
    with pytest.raises(ConnectionFailedError, match="broker 9"):
        bench.cluster.link(9)
    bench.cluster.want("orders")
    await bench.settle()
    assert not bench.cluster.update_leader("orders", 0, 1, 1, None)
    bench.network.add("three")
    assert bench.cluster.update_leader("orders", 0, 1, 2, Node(1, "three", 9092))
    assert bench.changes[-1] == ["orders"]
    assert connection.closed
    assert (await link.connection()).name == "three:9092"
    await bench.end()


@virtual_time
async def test_a_topic_looks_different_when_its_leader_leaves_or_comes_back() -> None:
    bench = Bench()
    await bench.cluster.bootstrap(10)
    bench.cluster.want("orders")
    await bench.settle()
    left: dict[str, Sequence[MetadataResponsePartition] | int] = {"bills": ()}
    for nodes in (NODES[1:], NODES):
        # An answer about another topic tells which brokers there are.
        for broker in bench.brokers:
            serve_metadata(broker, nodes, left)
        bench.cluster.want(f"bills-{len(nodes)}")
        await bench.settle()
        assert "orders" in bench.changes[-1]
        leader = bench.cluster.view.leader("orders", 0)
        assert (leader is None) == (nodes != NODES)
    await bench.end()


@virtual_time
async def test_another_cluster_in_the_place_of_the_first_is_announced(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    await bench.cluster.bootstrap(10)
    for broker in bench.brokers:
        serve_metadata(broker, NODES, bench.topics, cluster_id="other")
    for _ in range(2):
        bench.cluster.request_refresh()
        await bench.settle(2)
    assert bench.cluster.view.cluster_id == "other"
    assert [record.message for record in caplog.records] == [
        "cluster other answers where cluster test did; records go there from now on"
    ]
    await bench.end()


@virtual_time
async def test_a_lost_connection_makes_a_refresh() -> None:
    bench = Bench()
    await bench.cluster.bootstrap(10)
    await bench.settle(1)
    await bench.cluster.link(2).connection()
    bench.brokers[1].streams[-1].feed(b"")
    await bench.settle()
    assert bench.asked == 2
    await bench.end()


# Questions


@virtual_time
async def test_a_question_goes_to_the_next_broker_when_one_fails() -> None:
    bench = Bench()
    await bench.cluster.bootstrap(10)
    bench.brokers[0].script[InitProducerIdRequest] = lambda _: Close
    answer = await bench.cluster.ask(InitProducerIdRequest(), timeout=5)
    assert isinstance(answer, InitProducerIdResponse)
    assert bench.loop.time() < 0.1
    assert bench.brokers[1].count(InitProducerIdRequest) == 1
    await bench.end()


@virtual_time
async def test_a_question_is_bounded_in_time_and_says_why() -> None:
    bench = Bench(request_timeout_ms=1000)
    await bench.cluster.bootstrap(10)
    for broker in bench.brokers:
        broker.script[InitProducerIdRequest] = lambda _: None
    with pytest.raises(RequestTimeoutError, match="no broker answered InitProducerId within 5 s; last: ") as caught:
        await bench.cluster.ask(InitProducerIdRequest(), timeout=5)
    assert isinstance(caught.value.__cause__, RequestTimeoutError)
    assert bench.loop.time() == pytest.approx(5.0)
    assert sum(broker.count(InitProducerIdRequest) for broker in bench.brokers) >= 4
    with pytest.raises(UnsupportedVersionError):
        await bench.cluster.ask(MetadataRequest(), timeout=5, at_most=0)
    await bench.end()


@virtual_time
async def test_a_broker_that_drops_every_question_is_not_asked_in_a_busy_loop() -> None:
    bench = Bench()
    await bench.cluster.bootstrap(10)
    for broker in bench.brokers:
        broker.script[InitProducerIdRequest] = lambda _: Close
    with pytest.raises(RequestTimeoutError):
        await bench.cluster.ask(InitProducerIdRequest(), timeout=10)
    assert sum(broker.count(InitProducerIdRequest) for broker in bench.brokers) < 50
    await bench.end()


@virtual_time
async def test_a_cancelled_question_leaves_the_connection_usable() -> None:
    bench = Bench()
    await bench.cluster.bootstrap(10)
    bench.brokers[0].script[InitProducerIdRequest] = lambda _: Late(2.0, InitProducerIdResponse(producer_id=1))
    asking = asyncio.create_task(bench.cluster.ask(InitProducerIdRequest(), timeout=5))
    await bench.settle(1)
    asking.cancel()
    await asyncio.wait([asking])
    assert asking.cancelled()
    await bench.cluster.ask(InitProducerIdRequest(), timeout=5)
    assert bench.brokers[0].connections == 1
    await bench.end()


@virtual_time
async def test_a_throttled_broker_is_left_alone() -> None:
    bench = Bench()
    throttled = MetadataResponse(brokers=response_brokers(NODES[:1]), throttle_time_ms=3000)
    bench.brokers[0].script[MetadataRequest] = lambda _: throttled
    await bench.cluster.bootstrap(10)
    await bench.cluster.ask(InitProducerIdRequest(), timeout=10)
    assert bench.loop.time() == pytest.approx(3.0), "there is no other broker"
    assert bench.brokers[0].connections == 1
    await bench.end()


@virtual_time
async def test_with_another_broker_a_throttle_costs_nothing() -> None:
    bench = Bench()
    throttled = MetadataResponse(brokers=response_brokers(NODES), throttle_time_ms=3000)
    bench.brokers[0].script[MetadataRequest] = lambda _: throttled
    await bench.cluster.bootstrap(10)
    await bench.cluster.ask(InitProducerIdRequest(), timeout=10)
    assert bench.loop.time() == 0.0
    assert bench.brokers[1].count(InitProducerIdRequest) == 1
    await bench.end()


@virtual_time
async def test_closing_ends_a_question() -> None:
    bench = Bench()
    await bench.cluster.bootstrap(10)
    bench.brokers[0].script[InitProducerIdRequest] = lambda _: None
    asking = asyncio.create_task(bench.cluster.ask(InitProducerIdRequest(), timeout=100))
    await bench.settle(1)
    await bench.end()
    await asyncio.wait([asking])
    assert isinstance(asking.exception(), ConnectionFailedError)
    assert bench.loop.time() < 2


# Going back to the bootstrap list


def gone(bench: Bench) -> None:
    """All known brokers go down."""
    for node in NODES:
        broker = bench.network.brokers.pop((node.host, node.port), None)
        for stream in broker.streams if broker else ():
            stream.feed(b"")


@virtual_time
async def test_when_no_known_broker_is_left_the_bootstrap_list_is_used_again(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench("lb:1")
    first = bench.network.add("lb", 1)
    serve_metadata(first, NODES, bench.topics)
    await bench.cluster.bootstrap(10)
    gone(bench)
    first.streams[0].feed(b"")
    other = Node(5, "five", 9092)
    second = bench.network.add("lb", 1)
    serve_metadata(second, [other], bench.topics)
    bench.cluster.request_refresh()
    await bench.settle(1)
    assert bench.cluster.view.brokers == {5: other}
    await bench.end()


@virtual_time
async def test_with_the_strategy_none_only_known_brokers_are_tried() -> None:
    bench = Bench("lb:1", metadata_recovery_strategy="none")
    balancer = bench.network.add("lb", 1)
    serve_metadata(balancer, NODES, bench.topics)
    await bench.cluster.bootstrap(10)
    gone(bench)
    balancer.streams[0].feed(b"")
    bench.cluster.request_refresh()
    await bench.settle(20)
    assert balancer.connections == 1
    assert 15 <= len(bench.network.times("one")) <= 45
    back = bench.network.add("two")
    serve_metadata(back, NODES, bench.topics)
    await bench.settle(2)
    assert back.count(MetadataRequest) >= 1
    await bench.end()


@virtual_time
async def test_without_metadata_for_long_everything_starts_over(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench("lb:1", metadata_recovery_rebootstrap_trigger_ms=20_000, request_timeout_ms=60_000)
    balancer = bench.network.add("lb", 1)
    serve_metadata(balancer, NODES, bench.topics)
    await bench.cluster.bootstrap(10)
    await bench.settle(1)
    link = bench.cluster.link(2)
    data = await link.connection()
    scripts = dict(balancer.script)
    balancer.script[MetadataRequest] = lambda _: None
    with caplog.at_level(logging.INFO, "aioproducer"):
        bench.cluster.request_refresh()
        await bench.settle(19)
        assert not data.closed
        balancer.script.update(scripts)
        await bench.settle(2)
    assert data.closed
    assert bench.cluster.view.brokers, "the view stays until there is another"
    assert balancer.connections == 2
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    await bench.end()


@virtual_time
async def test_a_broker_may_require_to_start_over() -> None:
    bench = Bench("lb:1")
    balancer = bench.network.add("lb", 1)
    serve_metadata(balancer, NODES, bench.topics)
    await bench.cluster.bootstrap(10)
    await bench.settle(1)
    data = await bench.cluster.link(2).connection()
    answers: list[Answer] = [MetadataResponse(error_code=129)]
    usual = balancer.script[MetadataRequest]
    balancer.script[MetadataRequest] = lambda request: answers.pop() if answers else usual(request)
    bench.cluster.request_refresh()
    await bench.settle(1)
    assert data.closed
    assert balancer.connections == 2
    assert balancer.count(MetadataRequest) == 3
    await bench.end()


@virtual_time
async def test_idle_connections_are_closed_and_made_again_when_needed() -> None:
    bench = Bench(connections_max_idle_ms=10_000)
    await bench.cluster.bootstrap(10)
    data = await bench.cluster.link(2).connection()
    await bench.settle(5)
    await bench.cluster.ask(InitProducerIdRequest(), timeout=5)
    await bench.settle(8)
    assert data.closed
    assert not bench.brokers[0].streams[0].closed
    await bench.settle(5)
    assert bench.brokers[0].streams[0].closed
    assert bench.asked == 1, "nothing was lost, so nothing has to be asked"
    await bench.cluster.ask(InitProducerIdRequest(), timeout=5)
    await bench.end()


@virtual_time
async def test_canonical_names_of_the_bootstrap_list() -> None:
    bench = Bench(client_dns_lookup="resolve_canonical_bootstrap_servers_only")

    async def canonical(address: str) -> str:
        assert address == "one"
        return "two"

    cluster = Cluster(
        Config.from_options("one:9092", client_dns_lookup="resolve_canonical_bootstrap_servers_only"),
        dial=bench.network,
        clock=bench.loop.time,
        random=Random(1),
        spawn=bench.background.spawn,
        resolve=resolve,
        canonical_name=canonical,
    )
    await cluster.bootstrap(5)
    assert [broker.connections for broker in bench.brokers] == [0, 1]
    await cluster.close()
    await bench.end()


@pytest.mark.usefixtures("no_leaks")
async def test_over_real_sockets() -> None:
    background = Background()
    async with ScriptedPeer(ScriptedBroker()) as peer:
        node = Node(1, "127.0.0.1", peer.port)
        serve_metadata(peer.broker, [node], {"orders": LED})
        cluster = Cluster(
            Config.from_options(f"localhost:{peer.port}"),
            dial=SocketDialer(),
            clock=asyncio.get_running_loop().time,
            random=Random(1),
            spawn=background.spawn,
        )
        runner = background.spawn(cluster.run())
        await cluster.bootstrap(5)
        changed = asyncio.Event()
        cluster.on_change(lambda _: changed.set())
        cluster.want("orders")
        await asyncio.wait_for(changed.wait(), 5)
        assert cluster.view.leader("orders", 0) == node
        connection = await cluster.link(1).connection()
        await connection.call(MetadataRequest(), timeout=5)
        runner.cancel()
        await cluster.close()
        await asyncio.wait([runner])
        assert background.alive == 0
