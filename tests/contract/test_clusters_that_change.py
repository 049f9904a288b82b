"""A cluster that changes under a producer that goes on sending: partitions are added, topics deleted and made again,
leaders away, all brokers replaced.

Nothing acknowledged is missing from what is there afterwards, nothing is there twice or in another order, and every
delivery is settled. What only the embedded cluster's log of requests can show is in `test_leaders`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from aioproducer import Producer
from aioproducer.errors import DeliveryTimeoutError, MetadataTimeoutError, UnknownTopicOrPartitionError
from tests.support.brokers import BrokerUnderTest
from tests.support.foreign import ForeignRecord
from tests.support.readback import Sent, check_log
from tests.support.steady import steady_sends

pytestmark = pytest.mark.usefixtures("no_leaks", "fast_loop")


# -- partitions added


@pytest.mark.parametrize("keyed", [True, False], ids=["keyed", "sticky"])
async def test_partitions_are_added_while_records_are_sent(
    broker: BrokerUnderTest, topic_name: str, keyed: bool
) -> None:
    broker.needs("changing-topics")
    await broker.create_topic(topic_name, partitions=2)
    sent: list[Sent] = []

    async def send(count: int) -> None:
        for number in range(count):
            # So long that a thousand make more than a hundred visits, and no partition is left out by chance.
            value = b"%0100d" % len(sent)
            sent.append((value, producer.send(topic_name, value, key=b"%d" % (number % 50) if keyed else None)))
            # No drain(): that would wait for the one below that waits.
            if number % 50 == 49:
                await asyncio.sleep(0.005)

    async with (
        Producer(broker.bootstrap, linger_ms=0, batch_size=500, metadata_max_age_ms=300) as producer,
        asyncio.timeout(60),
    ):
        await send(1000)
        # It does not exist yet, and is waited for.
        early = (b"early", producer.send(topic_name, b"early", partition=5))
        adding = asyncio.ensure_future(broker.add_partitions(topic_name, 6))
        while not adding.done():
            await send(100)
        await adding
        # Where a leader is still to be elected, records without a key do not go.
        while sum(info.leader is not None for info in await producer.partitions_for(topic_name)) < 6:
            await send(50)
        assert (await early[1]).partition == 5
        await send(1000)
        await producer.flush()
        metrics = producer.metrics()
        assert metrics.record_error_total == 0
        assert metrics.growth_total == 1

    records = await broker.read(topic_name, len(sent) + 1)
    check_log([record for record in records if record.value != b"early"], sent)
    assert [record.partition for record in records if record.value == b"early"] == [5]
    assert {record.partition for record in records} == set(range(6))


# -- topics deleted and made again


def check_incarnations(records: Sequence[ForeignRecord], sent: Sequence[Sent]) -> None:
    """What is in the log of a topic that was deleted and made again is the end of what was acknowledged, in order and
    at the places told; the beginning went with the old one. What failed may be there, but not out of order.
    """
    place_of = {record.value: (record.partition, record.offset) for record in records}
    assert len(place_of) == len(records), "a record is there twice"
    number_of = {value: number for number, (value, _) in enumerate(sent)}
    numbers: dict[int, list[int]] = defaultdict(list)
    for record in records:
        numbers[record.partition].append(number_of[record.value])
    assert all(found == sorted(found) for found in numbers.values()), "a record is behind a younger one"
    begun: set[int] = set()
    for value, delivery in sent:
        if delivery.exception() is not None:
            continue
        metadata = delivery.result()
        place = place_of.get(value)
        if place is None:
            assert metadata.partition not in begun, f"{value!r} was acknowledged at {metadata} and is lost"
        else:
            begun.add(metadata.partition)
            assert place in (metadata[1:3], (metadata.partition, -1)), f"{value!r}, {metadata}, is at {place}"


@pytest.mark.parametrize("partitions_then", [3, 5])
async def test_a_topic_is_deleted_and_made_again_while_records_are_sent(
    broker: BrokerUnderTest, topic_name: str, partitions_then: int
) -> None:
    broker.needs("changing-topics")
    await broker.create_topic(topic_name, partitions=3)
    sent: list[Sent] = []
    async with (
        Producer(broker.bootstrap, linger_ms=0, batch_size=1000, request_timeout_ms=5000) as producer,
        asyncio.timeout(60),
    ):
        async with steady_sends(producer, topic_name, sent, partitions=3, pause=0.005) as progress:
            await progress(500)
            await broker.delete_topic(topic_name)
            await broker.make_again(topic_name, partitions_then)
            certain = len(sent)
            await progress(len(sent) - producer.metrics().record_send_total + 1000)
        await producer.flush()
        assert all(delivery.done() for _, delivery in sent)
        assert producer.metrics().buffered_bytes == 0

    # Whatever happened to those that were sent while there was no topic: now there is one, and nothing may fail.
    later = [(value, delivery) for value, delivery in sent[certain:] if delivery.exception() is None]
    assert len(later) == len(sent) - certain
    check_incarnations(await broker.read(topic_name, len(later)), sent)


@pytest.mark.parametrize("returns", [True, False])
async def test_a_topic_is_deleted_while_records_wait(broker: BrokerUnderTest, topic_name: str, returns: bool) -> None:
    """In a batch that lingers, and for a partition that the topic does not have. A neighbour notices nothing."""
    broker.needs("changing-topics")
    neighbour = f"{topic_name}-neighbour"
    for name in (topic_name, neighbour):
        await broker.create_topic(name)
    patience = 30_000 if returns else 1500
    async with (
        asyncio.timeout(60),
        Producer(
            broker.bootstrap,
            linger_ms=20_000 if returns else 1000,
            retry_backoff_max_ms=200,
            allow_auto_create_topics=False,
            request_timeout_ms=500,
            delivery_timeout_ms=patience,
            max_block_ms=patience,
        ) as producer,
    ):
        await producer.send(topic_name, b"of the first")
        queued = [producer.send(topic_name, b"queued %d" % number) for number in range(3)]
        parked = producer.send(topic_name, b"parked", partition=1)
        await broker.delete_topic(topic_name)
        flushing = asyncio.ensure_future(producer.flush())
        await producer.send(neighbour, b"1")
        if returns:
            assert not any(delivery.done() for delivery in (*queued, parked))
            await broker.make_again(topic_name, 2)
        await flushing
        answers = await asyncio.gather(*queued, return_exceptions=True)
        await producer.send(neighbour, b"2")
        if returns:
            assert (await parked).partition == 1
            assert [delivery.result().offset for delivery in queued] == [0, 1, 2]
        else:
            for answer in answers:
                assert isinstance(answer, DeliveryTimeoutError)
                assert isinstance(answer.__cause__, UnknownTopicOrPartitionError)
            with pytest.raises(MetadataTimeoutError) as raised:
                await parked
            assert isinstance(raised.value.__cause__, UnknownTopicOrPartitionError)
            with pytest.raises((DeliveryTimeoutError, MetadataTimeoutError), match="UNKNOWN_TOPIC_OR_PARTITION"):
                await producer.send(topic_name, b"another")
    assert [record.value for record in await broker.read(neighbour, 2)] == [b"1", b"2"]


# -- leaders away


async def test_leaders_are_away_while_records_are_sent(broker: BrokerUnderTest, topic_name: str) -> None:
    """Another replica leads what a broker led that was killed, which comes back elsewhere."""
    broker.needs("many-brokers", "restarts")
    await broker.create_topic(topic_name, 3, 3, min_insync_replicas=2)
    sent: list[Sent] = []
    async with (
        Producer(broker.bootstrap, batch_size=2000, linger_ms=0, request_timeout_ms=5000) as producer,
        asyncio.timeout(90),
    ):
        async with steady_sends(producer, topic_name, sent, partitions=3, pause=0.005) as progress:
            await progress(300)
            leader = await broker.leader(topic_name)
            before = broker.address(leader)
            await broker.kill(leader)
            # Acknowledgements alone do not show it: they may all be of the partitions that the others lead.
            while await broker.leader(topic_name) in (-1, leader):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            # More than was sent until now, so that each partition has gone on.
            await progress(len(sent) - producer.metrics().record_send_total + 500)
            await broker.bring_back(leader, other_ports=True)
            assert broker.address(leader) != before
            await progress(300)
        await producer.flush()
        assert producer.metrics().record_error_total == 0
    check_log(await broker.read(topic_name, len(sent)), sent)


async def test_a_partition_without_a_leader_gets_what_has_to_go_there_when_it_is_back(
    broker: BrokerUnderTest, topic_name: str
) -> None:
    """One replica, so nobody else can lead. Records without a key go elsewhere, as soon as that is known."""
    broker.needs("many-brokers", "restarts")
    await broker.create_topic(topic_name, 3, 1)
    away = await broker.leader(topic_name, 1)
    sent: list[Sent] = []
    async with (
        Producer(broker.bootstrap, batch_size=100, linger_ms=0, metadata_max_age_ms=200) as producer,
        asyncio.timeout(60),
    ):
        await producer.send(topic_name, b"first", partition=1)
        await broker.kill(away)
        while (await producer.partitions_for(topic_name))[1].leader is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        waiting = (b"waits", producer.send(topic_name, b"waits", partition=1))
        for number in range(200):
            value = b"%d" % number
            sent.append((value, producer.send(topic_name, value)))
            await sent[-1][1]
        assert {delivery.result().partition for _, delivery in sent} == {0, 2}
        assert not waiting[1].done()
        await broker.bring_back(away)
        assert (await waiting[1]).offset == 1
    records = await broker.read(topic_name, 202)
    check_log([record for record in records if record.partition != 1], sent)
    assert [record.value for record in records if record.partition == 1] == [b"first", b"waits"]


# -- brokers replaced


class Name:
    """A port that stays, and leads to wherever `target` (host:port) is: what a name in DNS is for a cluster."""

    def __init__(self, target: str) -> None:
        self.target = target

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        """Yields the address that stays."""
        server = await asyncio.start_server(self._lead, "127.0.0.1", 0)
        try:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = self.target.rpartition(":")
        try:
            there_reader, there_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.close()
            return
        await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def test_all_brokers_are_replaced_on_other_ports(broker: BrokerUnderTest, topic_name: str) -> None:
    """Nothing that the producer has been told leads anywhere; the bootstrap name does."""
    broker.needs("restarts")
    await broker.create_topic(topic_name, partitions=3)
    everyone = range(1, broker.size + 1)
    name = Name(broker.address(1))
    sent: list[Sent] = []

    def send(what: bytes) -> list[Sent]:
        values = [b"%s %d" % (what, number) for number in range(6)]
        sent.extend((value, producer.send(topic_name, value, partition=at % 3)) for at, value in enumerate(values))
        return sent[-6:]

    async with (
        asyncio.timeout(90),
        name.served() as bootstrap,
        Producer(
            bootstrap,
            linger_ms=0,
            request_timeout_ms=3000,
            reconnect_backoff_max_ms=200,
        ) as producer,
    ):
        await asyncio.gather(*(delivery for _, delivery in send(b"before")))
        old = [broker.address(node_id) for node_id in everyone]
        await broker.kill(*everyone)
        waiting = send(b"meanwhile")
        await asyncio.sleep(0.1)
        assert not any(delivery.done() for _, delivery in waiting)
        await broker.bring_back(*everyone, other_ports=True)
        new = [broker.address(node_id) for node_id in everyone]
        assert not set(old) & set(new)
        name.target = new[0]
        await asyncio.gather(*(delivery for _, delivery in waiting))
        await asyncio.gather(*(delivery for _, delivery in send(b"after")))
        leaders = [info.leader for info in await producer.partitions_for(topic_name)]
        assert {f"{leader.host}:{leader.port}" for leader in leaders if leader is not None} <= set(new)
        assert producer.metrics().record_error_total == 0
    check_log(await broker.read(topic_name, len(sent)), sent)
