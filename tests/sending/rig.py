"""A sender on a connection and a link that a test plays: what it writes is seen, what comes back is given."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from aioproducer.batching.batch import Batch, State
from aioproducer.batching.node_queue import NodeQueue
from aioproducer.batching.partition_queue import PartitionQueue
from aioproducer.cluster.links import BrokerLink
from aioproducer.errors import ConnectionFailedError, KafkaError
from aioproducer.models import Acks
from aioproducer.network.connection import OnAnswer
from aioproducer.protocol.messages.api_versions import ApiVersion, ApiVersionsResponse
from aioproducer.protocol.messages.produce import (
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceResponse,
)
from aioproducer.protocol.primitives import ZERO_UUID
from aioproducer.protocol.schema import Request
from aioproducer.protocol.versions import BrokerVersions
from aioproducer.records.codecs import Codec, codec
from aioproducer.sending.sender import Sender, SenderOptions
from aioproducer.sending.threads import compressing_threads
from aioproducer.turns import Turn
from tests.sending.bench import Bench
from tests.support.virtual_time import Background

CUT = ConnectionFailedError("cut")


class FakeConnection:
    """What a sender uses of a `Connection`. Answers are given by the test, `gate` holds `drain` up while it is closed.

    `unanswered` are the requests with their callbacks, oldest first.
    """

    def __init__(self, newest: int = 13) -> None:
        api = ApiVersion(api_key=0, min_version=3, max_version=newest)
        self.versions = BrokerVersions(ApiVersionsResponse(api_keys=(api,)))
        self.throttled_until = 0.0
        self.turn: Turn | None = None
        self.error: KafkaError | None = None
        self.sent: list[ProduceRequest] = []
        self.sent_at: list[float] = []
        self.unanswered: list[tuple[ProduceRequest, OnAnswer]] = []
        self.most_unanswered = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._on_close: list[Callable[[KafkaError], None]] = []

    @property
    def closed(self) -> bool:
        return self.error is not None

    def on_close(self, callback: Callable[[KafkaError], None]) -> None:
        self._on_close.append(callback)

    def send(self, request: Request, version: int, on_answer: OnAnswer, *, timeout: float) -> None:
        assert timeout == 30.0
        self.send_unanswered(request, version)
        self.unanswered.append((self.sent[-1], on_answer))
        self.most_unanswered = max(self.most_unanswered, len(self.unanswered))

    def send_unanswered(self, request: Request, version: int) -> None:
        assert isinstance(request, ProduceRequest)
        assert not self.closed
        assert request.topic_data, "an empty request"
        self.sent.append(request)
        self.sent_at.append(asyncio.get_running_loop().time())

    async def drain(self) -> None:
        await self.gate.wait()
        if self.error is not None:
            raise self.error

    def answer(self, code: int = 0) -> None:
        request, on_answer = self.unanswered.pop(0)
        topics = tuple(
            TopicProduceResponse(
                name=topic.name,
                partition_responses=tuple(
                    PartitionProduceResponse(index=data.index, error_code=code, base_offset=-1 if code else 0)
                    for data in topic.partition_data
                ),
            )
            for topic in request.topic_data
        )
        on_answer(ProduceResponse(responses=topics))

    def close(self, reason: KafkaError = CUT) -> None:
        self.error = reason
        while self.unanswered:
            self.unanswered.pop(0)[1](reason)
        for callback in self._on_close:
            callback(reason)
        self.gate.set()


class FakeLink:
    """Gives the connections, or raises the errors, that are `next`; waits when there are none."""

    def __init__(self) -> None:
        self.next: list[FakeConnection | KafkaError] = []
        self.asked = 0
        self.closed = False
        self.current: FakeConnection | None = None

    async def connection(self) -> FakeConnection:
        self.asked += 1
        if self.closed:
            raise ConnectionFailedError("closed by this client")
        if self.current is None or self.current.closed:
            await asyncio.sleep(0.1)
            outcome = self.next.pop(0)
            if isinstance(outcome, KafkaError):
                raise outcome
            self.current = outcome
        return self.current


class Rig:
    """A sender to broker 1, its link and one connection."""

    def __init__(
        self,
        *,
        acks: Acks = Acks.ALL,
        max_in_flight: int = 5,
        codec: Codec = codec("none"),  # noqa: B008  # immutable
        newest: int = 13,
        max_request_size: int = 1_000_000,
        delivery_timeout: float = 120.0,
        retries: int = 2**31 - 1,
    ) -> None:
        loop = asyncio.get_running_loop()
        idempotent = acks is Acks.ALL
        self.bench = Bench(
            idempotent=idempotent,
            max_in_flight=max_in_flight,
            loop=loop,
            delivery_timeout=delivery_timeout,
            retries=0 if acks is Acks.NONE else retries,
        )
        self.link = FakeLink()
        self.connection = FakeConnection(newest)
        self.link.next.append(self.connection)
        self.unreachable = 0
        self.responses = 0
        self.queues = {0: self.bench.queue(0)}
        self.options = SenderOptions(
            acks=acks,
            codec=codec,
            max_in_flight=max_in_flight,
            max_request_size=max_request_size,
            request_timeout=30.0,
            threads=compressing_threads(codec),
        )
        self.sender = Sender(
            self.node,
            cast(BrokerLink, self.link),
            self.bench.accumulator,
            self.bench.settlement,
            self.bench.counters,
            self.options,
            loop=loop,
            turn=self.bench.turn,
            topic_id_of=lambda _name: ZERO_UUID,
            on_unreachable=self._on_unreachable,
            on_response=self._on_response,
            emit=self.bench.events.append,
        )
        self.background = Background()
        self.task = self.background.spawn(self.sender.run())

    def _on_unreachable(self) -> None:
        self.unreachable += 1

    def _on_response(self, _answers: object, _endpoints: object) -> None:
        self.responses += 1

    @property
    def node(self) -> NodeQueue:
        return self.bench.node()

    def queue(self, partition: int) -> PartitionQueue:
        if partition not in self.queues:
            self.queues[partition] = self.bench.queue(partition)
        return self.queues[partition]

    def batch(self, partition: int = 0, value: bytes = b"v") -> Batch:
        self.bench.now = self.bench.loop.time()
        return self.bench.batch(self.queue(partition), value=value)

    def expire(self) -> None:
        self.bench.settlement.expire(self.bench.loop.time())

    async def accepted(self) -> None:
        """Have one batch acknowledged, so that several may be in flight."""
        batch = self.batch()
        await asyncio.sleep(1)
        self.connection.answer()
        assert batch.state is State.SETTLED

    async def end(self) -> None:
        await self.background.end()
