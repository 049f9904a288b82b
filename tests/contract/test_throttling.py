"""Throttling (KIP-219): the broker answers at once and asks to be left alone, and the client is silent by itself.

On the embedded cluster, behind a proxy that sees what the client writes while the broker does not read. A real Kafka
throttles by quotas alone, measured over many seconds.
"""

from __future__ import annotations

import asyncio

import pytest

from aioproducer import Persisted, Producer
from aioproducer.errors import DeliveryTimeoutError
from tests.support.faulty import PRODUCE, open_embedded

pytestmark = pytest.mark.usefixtures("no_leaks")

SECONDS = 0.3


async def test_nothing_is_written_during_the_throttle_time() -> None:
    async with open_embedded() as faulty:
        faulty.cluster.create_topic("t")
        async with Producer(faulty.bootstrap, batch_size=0, linger_ms=0, request_timeout_ms=200) as producer:
            await producer.send("t", b"0")
            faulty.cluster.throttle("Produce", int(SECONDS * 1000))
            await producer.send("t", b"1")
            # More than one turn of the request time-out: being throttled is no silence.
            await asyncio.gather(*[producer.send("t", b"%d" % number) for number in range(2, 12)])
            assert producer.metrics().batch_retry_total == 0

        assert [record.value for record in faulty.cluster.records("t")] == [b"%d" % number for number in range(12)]
        produced = [event for event in faulty.proxy.events if event.api == PRODUCE]
        assert len({event.connection for event in produced}) == 1
        throttled = [event for event in produced if event.kind == "answer"][1]
        of_connection = [event for event in faulty.proxy.events if event.connection == throttled.connection]
        after = [event for event in of_connection[of_connection.index(throttled) :] if event.kind == "request"]
        assert after[0].at - throttled.at >= SECONDS


async def test_requests_on_their_way_are_answered_in_the_throttle_time() -> None:
    """The second was written before the first was answered; the broker reads it only after the time is over."""
    async with open_embedded() as faulty:
        faulty.cluster.create_topic("t")
        async with Producer(faulty.bootstrap, batch_size=0, linger_ms=0, request_timeout_ms=200) as producer:
            await producer.send("t", b"0")
            faulty.cluster.delay("Produce", 0.05)
            faulty.cluster.throttle("Produce", int(SECONDS * 1000))
            deliveries = [producer.send("t", b"%d" % number) for number in range(1, 4)]
            await asyncio.gather(*deliveries)
            # The time that the broker keeps itself is none of theirs.
            assert producer.metrics().batch_retry_total == 0
        assert [record.value for record in faulty.cluster.records("t")] == [b"0", b"1", b"2", b"3"]


async def test_the_delivery_timeout_goes_on() -> None:
    async with open_embedded() as faulty:
        faulty.cluster.create_topic("t")
        async with Producer(faulty.bootstrap, linger_ms=0, delivery_timeout_ms=500, request_timeout_ms=400) as producer:
            faulty.cluster.throttle("Produce", 60_000)
            await producer.send("t", b"0")
            with pytest.raises(DeliveryTimeoutError) as caught:
                await producer.send("t", b"1")
            assert caught.value.persisted is Persisted.NO
        assert [record.value for record in faulty.cluster.records("t")] == [b"0"]
