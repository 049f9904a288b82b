"""What a network does to connections: refused, late, silent, frozen, byte by byte, and each of the other requests a
producer makes losing its answer. The records come through once and in order, or the error says what is known of them.
"""

from __future__ import annotations

import asyncio

import pytest

from aioproducer import Persisted, Producer
from aioproducer.config import Options
from aioproducer.errors import (
    ConnectionFailedError,
    DeliveryTimeoutError,
    RequestTimeoutError,
    StartTimeoutError,
)
from tests.support.fault_proxy import Act
from tests.support.faulty import API_VERSIONS, INIT_PRODUCER_ID, METADATA, PRODUCE, FaultyBroker, producer_of, until
from tests.support.readback import Sent, check_log

pytestmark = pytest.mark.usefixtures("no_leaks")

QUICK: Options = {
    "linger_ms": 0,
    "batch_size": 200,
    "retry_backoff_ms": 5,
    "retry_backoff_max_ms": 40,
    "reconnect_backoff_ms": 1,
    "reconnect_backoff_max_ms": 20,
}


def send(producer: Producer, topic: str, count: int) -> list[Sent]:
    values = [b"%06d" % number for number in range(count)]
    return [(value, producer.send(topic, value)) for value in values]


async def settled(sent: list[Sent]) -> None:
    await asyncio.gather(*[delivery for _, delivery in sent])


async def test_refused_connections_are_made_later(faulty: FaultyBroker, topic_name: str) -> None:
    await faulty.broker.create_topic(topic_name)
    async with producer_of(faulty.bootstrap, QUICK) as producer:
        sent = send(producer, topic_name, 20)
        await sent[0][1]
        await faulty.refuse()
        sent += send(producer, topic_name, 20)
        await asyncio.sleep(0.1)
        assert not sent[-1][1].done()
        await faulty.accept()
        await settled(sent)

    check_log(await faulty.broker.read(topic_name, 40), sent)


async def test_a_start_in_vain_leaves_nothing_behind(faulty: FaultyBroker) -> None:
    await faulty.refuse()
    producer = producer_of(faulty.bootstrap, QUICK, max_block_ms=100)
    with pytest.raises(StartTimeoutError) as caught:
        await producer.start()
    assert isinstance(caught.value.__cause__, ConnectionFailedError)
    await faulty.accept()


async def test_an_answer_after_its_time_out_confuses_nobody(
    faulty: FaultyBroker, topic_name: str, fast_loop: None
) -> None:
    """The connection is closed at the time-out, so the late answer has nobody to go to."""
    await faulty.broker.create_topic(topic_name)
    async with producer_of(faulty.bootstrap, QUICK, request_timeout_ms=200) as producer:
        sent = send(producer, topic_name, 1)
        await settled(sent)
        late = faulty.delay_answer(0.5)
        sent += send(producer, topic_name, 200)
        await settled(sent)
        assert late.hits == 1
        # Five were on their way, and nothing went that way any more.
        first = [event for event in faulty.proxy.events if event.api == PRODUCE and event.kind == "request"]
        assert sum(event.connection == first[0].connection for event in first) <= 6
        # The slow one has ended when both have lost the other side.
        await until(lambda: faulty.proxy.connections <= 2)
        sent += send(producer, topic_name, 20)
        await settled(sent)
        assert producer.metrics().record_error_total == 0

    check_log(await faulty.broker.read(topic_name, 221), sent)


async def test_silence_beyond_the_retries_is_a_request_time_out(faulty: FaultyBroker, topic_name: str) -> None:
    await faulty.broker.create_topic(topic_name)
    options: Options = {"enable_idempotence": False, "retries": 1, "request_timeout_ms": 400}
    async with producer_of(faulty.bootstrap, QUICK, options) as producer:
        await producer.send(topic_name, b"0")
        faulty.silence(times=2)
        with pytest.raises(RequestTimeoutError, match="given up after 2 attempts") as caught:
            await producer.send(topic_name, b"1")
        assert caught.value.persisted is Persisted.MAYBE
        await producer.send(topic_name, b"2")

    values = [record.value for record in await faulty.broker.read(topic_name, 4)]
    assert values == [b"0", b"1", b"1", b"2"]


async def test_one_byte_at_a_time(faulty: FaultyBroker, topic_name: str, fast_loop: None) -> None:
    await faulty.broker.create_topic(topic_name)
    faulty.proxy.one_byte_at_a_time = True
    async with producer_of(faulty.bootstrap, QUICK) as producer:
        sent = send(producer, topic_name, 40)
        await settled(sent)
    faulty.proxy.one_byte_at_a_time = False

    check_log(await faulty.broker.read(topic_name, 40), sent)


@pytest.mark.parametrize("patient", [True, False])
async def test_frozen_and_thawed(faulty: FaultyBroker, topic_name: str, patient: bool) -> None:
    """A producer without patience closes its connections meanwhile; what it wrote to them arrives all the same, beside
    its retries, when the network thaws.
    """
    await faulty.broker.create_topic(topic_name)
    async with producer_of(faulty.bootstrap, QUICK, request_timeout_ms=10_000 if patient else 100) as producer:
        sent = send(producer, topic_name, 5)
        await settled(sent)
        faulty.proxy.freeze()
        sent += send(producer, topic_name, 40)
        await asyncio.sleep(0.4)
        assert not any(delivery.done() for _, delivery in sent[5:])
        faulty.proxy.thaw()
        await settled(sent)

    check_log(await faulty.broker.read(topic_name, 45), sent)


async def test_delivery_timeout_under_silence(faulty: FaultyBroker, topic_name: str) -> None:
    """What was written may be in the log, and here it is; what never was is not."""
    await faulty.broker.create_topic(topic_name)
    options: Options = {**QUICK, "batch_size": 0, "max_in_flight_requests_per_connection": 1}
    async with producer_of(
        faulty.bootstrap, options, delivery_timeout_ms=600, request_timeout_ms=500, acks="all"
    ) as producer:
        await producer.send(topic_name, b"0")
        silence = faulty.silence(times=None)
        written, waiting = producer.send(topic_name, b"1"), producer.send(topic_name, b"2")
        with pytest.raises(DeliveryTimeoutError, match="may be in the log") as caught:
            await written
        assert caught.value.persisted is Persisted.MAYBE
        with pytest.raises(DeliveryTimeoutError, match="not in the log") as caught:
            await waiting
        assert caught.value.persisted is Persisted.NO
        silence.remove()
        await producer.send(topic_name, b"3")

    assert [record.value for record in await faulty.broker.read(topic_name, 3)] == [b"0", b"1", b"3"]


async def test_delivery_timeout_while_connections_are_refused(faulty: FaultyBroker, topic_name: str) -> None:
    await faulty.broker.create_topic(topic_name)
    async with producer_of(faulty.bootstrap, QUICK, delivery_timeout_ms=600, request_timeout_ms=500) as producer:
        await producer.send(topic_name, b"0")
        await faulty.refuse()
        sent = [producer.send(topic_name, b"lost"), producer.send(topic_name, b"lost too")]
        for delivery in sent:
            with pytest.raises(DeliveryTimeoutError, match="connection refused") as caught:
                await delivery
            assert caught.value.persisted is Persisted.NO
            assert isinstance(caught.value.__cause__, ConnectionFailedError)
        await faulty.accept()
        await producer.send(topic_name, b"1")

    assert [record.value for record in await faulty.broker.read(topic_name, 2)] == [b"0", b"1"]


async def test_delivery_timeout_after_a_lost_answer(faulty: FaultyBroker, topic_name: str) -> None:
    """While it waits for its next attempt: nothing of it is on its way any more, but it was once."""
    await faulty.broker.create_topic(topic_name)
    options: Options = {"retry_backoff_ms": 60_000, "retry_backoff_max_ms": 60_000}
    async with producer_of(
        faulty.bootstrap, QUICK, options, delivery_timeout_ms=600, request_timeout_ms=500
    ) as producer:
        await producer.send(topic_name, b"0")
        faulty.lose_answer()
        with pytest.raises(DeliveryTimeoutError, match="may be in the log") as caught:
            await producer.send(topic_name, b"1")
        assert caught.value.persisted is Persisted.MAYBE
        assert isinstance(caught.value.__cause__, ConnectionFailedError)

    assert [record.value for record in await faulty.broker.read(topic_name, 2)] == [b"0", b"1"]


ACTS = (Act.LOSE_ANSWER, Act.CUT_ANSWER, Act.SILENCE, Act.REPEAT_ANSWER)
APIS = {"ApiVersions": API_VERSIONS, "Metadata": METADATA, "InitProducerId": INIT_PRODUCER_ID}


@pytest.mark.parametrize("api", APIS)
async def test_other_requests_lose_their_answers(
    faulty: FaultyBroker, topic_name: str, api: str, fast_loop: None
) -> None:
    """On the way to the first record, and again on the way to a second topic."""
    topics = [f"{topic_name}-{number}" for number in range(2)]
    sent: dict[str, list[Sent]] = {}
    options: Options = {"request_timeout_ms": 100, "socket_connection_setup_timeout_ms": 100}
    for act in ACTS:
        faulty.proxy.order(act, APIS[api])
    async with producer_of(faulty.bootstrap, QUICK, options) as producer:
        for topic in topics:
            await faulty.broker.create_topic(topic)
            sent[topic] = send(producer, topic, 20)
            await settled(sent[topic])
            for act in ACTS:
                faulty.proxy.order(act, APIS[api])
            await faulty.proxy.cut()
    # Those that nobody met would hit the reader.
    faulty.proxy.clear()

    for topic in topics:
        check_log(await faulty.broker.read(topic, 20), sent[topic])


async def test_a_connection_is_closed_when_it_is_reset(faulty: FaultyBroker, topic_name: str) -> None:
    await faulty.broker.create_topic(topic_name)
    options: Options = {"enable_idempotence": False, "retries": 0}
    async with producer_of(faulty.bootstrap, QUICK, options) as producer:
        await producer.send(topic_name, b"0")
        faulty.proxy.order(Act.CUT_BEFORE, PRODUCE, reset=True)
        with pytest.raises(ConnectionFailedError, match=r"(?i)reset") as caught:
            await producer.send(topic_name, b"1")
        assert caught.value.persisted is Persisted.MAYBE
        await producer.send(topic_name, b"2")

    assert [record.value for record in await faulty.broker.read(topic_name, 2)] == [b"0", b"2"]
