"""The public face: the life of a producer, `send`, and what waits for many records at once. No rules of its own.

The arguments of a call are checked here, before anything is buffered. What happens to a record then is the walk
through the folders: `batching` (room and batches), `sending` (requests and outcomes), `cluster` and `network`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterable, Collection, Iterable, Mapping, Sequence
from copy import copy
from os import PathLike
from random import Random
from threading import get_ident
from types import TracebackType
from typing import Any, Unpack

from aioproducer.arguments import (
    check_callback,
    check_headers,
    check_partition,
    check_size,
    check_timeout,
    check_timestamp,
    check_topic,
)
from aioproducer.batching.intake import Intake
from aioproducer.bulk import SENDS_PER_TURN, Entrance, ProducerRecord, send_all
from aioproducer.config import Config, Options
from aioproducer.delivery import Delivery
from aioproducer.endings import closed_error
from aioproducer.errors import (
    FlushTimeoutError,
    KafkaError,
    MetadataTimeoutError,
    MisuseError,
)
from aioproducer.lifecycle import Open, State, misuse
from aioproducer.models import Headers, PartitionInfo
from aioproducer.network.sockets import SocketDialer
from aioproducer.network.stream import Dialer
from aioproducer.outcome import OnDelivery
from aioproducer.records.headers import NO_HEADERS, encode_headers, encode_usual_headers
from aioproducer.runtime import Runtime
from aioproducer.sending.produce import prepare
from aioproducer.serializers import serialize
from aioproducer.telemetry.metrics import ProducerMetrics

logger = logging.getLogger("aioproducer")

# More than the overhead of any record without headers: up to this far below the limit no sum has to be made.
_SIZE_MARGIN = 128


class Producer:
    """A Kafka producer for one event loop.

        async with Producer("localhost:9092") as producer:
            metadata = await producer.send("orders", b"...", key=b"42")

    It belongs to the loop it was started on, and is not for other threads. Options are Kafka's, in snake case and with
    Kafka's units; `aioproducer.config.Config` lists them.
    """

    def __init__(self, bootstrap_servers: str | Sequence[str], **options: Unpack[Options]) -> None:
        """Check the options; nothing is connected yet. Raises ConfigurationError with every fault there is.

        bootstrap_servers: "host:9092,other:9092", or one such string for each server.
        """
        self._set_up(Config(bootstrap_servers, **options))

    @classmethod
    def from_properties(cls, properties: Mapping[str, object] | str | PathLike[str]) -> Producer:
        """A producer with the options of a mapping, or of a `.properties` file, under Kafka's dotted names."""
        self = cls.__new__(cls)
        self._set_up(Config.from_properties(properties))
        return self

    def _set_up(self, config: Config) -> None:
        prepare()
        self.config = config
        self._state = State.NEW
        self._failure: KafkaError | None = None
        self._open = Open()
        self._home: asyncio.AbstractEventLoop | None = None
        self._runtime: Runtime | None = None
        self._intake: Intake | None = None
        self._ending: asyncio.Task[None] | None = None
        self._drainers: list[asyncio.Future[None]] = []
        self._topic_waiters: dict[str, list[asyncio.Future[None]]] = {}
        self._sends = 0
        self._checked_callback: object = None
        self._size_limit = min(config.max_request_size, config.buffer_memory)
        self._small = self._size_limit - _SIZE_MARGIN
        self._key_serializer, self._value_serializer = config.key_serializer, config.value_serializer
        for adjustment in config.adjustments:
            logger.info("%s: %s", config.client_id, adjustment)

    def __repr__(self) -> str:
        servers = ",".join(map(str, self.config.bootstrap_servers))
        return f"<Producer {self.config.client_id} of {servers}, {self._state.name.lower()}>"

    # Life

    async def __aenter__(self) -> Producer:
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self, *, dial: Dialer | None = None, random: Random | None = None) -> None:
        """Find the cluster, and take records from now on.

        dial, random: what makes connections, and what chance comes from; for tests and simulations.

        Raises StartTimeoutError after `max_block_ms` if no server answered; the call may be made again then.
        MisuseError if the producer was started before.
        """
        if self._state is not State.NEW:
            raise self._misuse("start()")
        loop = asyncio.get_running_loop()
        config = self.config
        self._failure = None
        self._state = State.STARTING
        self._home = loop
        try:
            self._runtime = Runtime(
                config,
                loop=loop,
                dial=dial
                or SocketDialer(
                    send_buffer_bytes=config.send_buffer_bytes, receive_buffer_bytes=config.receive_buffer_bytes
                ),
                random=random or Random(),
                on_failed=self._failed,
                on_all_accepted=self._all_accepted,
                on_topics=self._topics_changed,
                is_awaited=self._topic_waiters.__contains__,
            )
            await self._runtime.start(config.max_block_ms / 1000)
        except BaseException:
            self._state = State.NEW
            self._failure = self._runtime = None
            raise
        self._state = State.RUNNING
        self._intake = self._runtime.intake
        self._open.begin(loop)

    async def close(self, timeout: float | None = None) -> None:
        """Take no more records, finish those that were accepted, and end everything.

        It returns within `timeout` seconds, with every delivery settled: those that were not acknowledged by then fail
        with ProducerClosedError. Without a timeout they have their `delivery_timeout_ms`. Cancelled, it ends everything
        at once. It may be called again, also with less time than before.
        """
        check_timeout("close()", timeout)
        if self._state in (State.NEW, State.CLOSED):
            self._state = State.CLOSED
            return
        if _running_loop() is not self._home:
            raise self._misuse("close()")
        if self._state is State.STARTING:
            raise MisuseError("close() while start() is under way: cancel the task that starts the producer")
        loop, runtime = self._home, self._runtime
        assert loop is not None
        assert runtime is not None
        failed = self._failure is not None
        self._state = State.CLOSING
        self._open.end()
        try:
            if not failed and timeout != 0 and self._ending is None:
                await runtime.settle_all(timeout)
        except FlushTimeoutError:
            pass
        finally:
            # Even if this is cancelled, and cancelled again: what is not settled fails now, and the end has a task of
            # its own, which a second call waits for.
            if self._ending is None or self._ending.cancelled():
                self._ending = loop.create_task(self._end(runtime), name="aioproducer closing")
                runtime.fail_everything(closed_error)
            await asyncio.shield(self._ending)

    async def _end(self, runtime: Runtime) -> None:
        await runtime.stop(closed_error)
        self._state = State.CLOSED
        self._wake_everybody()

    # Records

    def send(
        self,
        topic: str,
        value: Any = None,
        *,
        key: Any = None,
        partition: int | None = None,
        headers: Headers = (),
        timestamp_ms: int | None = None,
        on_delivery: OnDelivery | None = None,
    ) -> Delivery:
        """Buffer one record. Never blocks: `await` the result for the record's fate, `await drain()` for back-pressure.

        value, key: bytes-like, or what the serializers take; None is null. partition: by the key, or sticky without
        one, if not given. headers: (str, bytes-like or None) pairs. timestamp_ms: milliseconds since the epoch, now if
        not given. on_delivery: called on the loop with (metadata, None) or (None, error), in the order of the sends to
        a partition.

        Raises what is wrong with the call (InvalidArgumentError, ArgumentTypeError, SerializationError,
        PartitionerError, RecordTooLargeError, InvalidTopicError, MisuseError); nothing is buffered then. Whatever the
        brokers say is in the delivery.
        """
        # What `Open.here` looks at, without the call: 60 ns.
        loop, intake = self._open.loop, self._intake
        if loop is None or intake is None or get_ident() != self._open.thread or not loop.is_running():
            raise self._misuse("send()")
        try:
            topic_intake = intake.topics.get(topic)
        except TypeError:  # not even hashable
            topic_intake = None
        if topic_intake is None:
            check_topic(topic)
        if type(value) is not bytes or self._value_serializer is not None:
            value = serialize(self._value_serializer, topic, value, "value")
        size = 0 if value is None else len(value)
        if key is not None:
            # As with the value, no call for what is bytes already: 90 ns.
            if type(key) is not bytes or self._key_serializer is not None:
                key = serialize(self._key_serializer, topic, key, "key")
            size += 0 if key is None else len(key)
        if headers:
            tail = encode_usual_headers(headers) or encode_headers(check_headers(headers))
            size += len(tail)
        else:
            tail = NO_HEADERS
        if partition is not None:
            check_partition(partition)
        if timestamp_ms is None:
            timestamp_ms = time.time_ns() // 1_000_000
        elif type(timestamp_ms) is not int or not 0 <= timestamp_ms < 1 << 63:  # without the call, as above
            check_timestamp(timestamp_ms)
        if on_delivery is not None and on_delivery is not self._checked_callback:
            check_callback(on_delivery)
            self._checked_callback = on_delivery
        if size > self._small:
            check_size(topic, key, value, tail, self.config.max_request_size, self.config.buffer_memory)
        self._sends += 1
        if topic_intake is None:
            topic_intake = intake.topic(topic)
        outcome = intake.append(topic_intake, key, value, tail, partition, timestamp_ms)
        if outcome is None:
            return intake.accept(topic_intake, key, value, tail, partition, timestamp_ms, on_delivery, loop.time())
        index = len(outcome.deltas) - 1
        if on_delivery is not None:
            outcome.report(index, on_delivery)
        return Delivery(outcome, index)

    async def send_all(
        self, topic: str, records: Iterable[ProducerRecord | Any] | AsyncIterable[ProducerRecord | Any]
    ) -> int:
        """Send many records, pipelined and with back-pressure; returns how many, once all are acknowledged.

        records: values as `send` takes them, or ProducerRecord for those with key, headers, partition or timestamp.

        Raises BulkSendError when all are settled and some failed: how many, which was the first, and why. What `send`
        or the iterable raises ends it at once; the records sent before go on.
        """
        entrance = None
        if type(topic) is str and self._intake is not None and self._value_serializer is None and self._open.here():
            entrance = Entrance(self._open, self._intake, self._small)
        return await send_all(self, topic, records, entrance)

    async def drain(self) -> None:
        """Wait until no send waits for room, or for its topic. Call it between sends that are not awaited."""
        intake = self._intake
        if self._sends < SENDS_PER_TURN and intake is not None and not intake.parked and self._open.here():
            return
        loop, runtime = self._usable("drain()")
        if not runtime.intake.parked:
            self._sends = 0
            await asyncio.sleep(0)
            return
        waiter = loop.create_future()
        self._drainers.append(waiter)
        try:
            await waiter
        finally:
            if waiter in self._drainers:
                self._drainers.remove(waiter)

    async def flush(self, timeout: float | None = None) -> None:
        """Wait until everything that was sent before this call is settled, successfully or not. It does not sit out
        lingers.

        timeout: seconds, after which FlushTimeoutError is raised; the records go on.
        """
        check_timeout("flush()", timeout)
        await self._usable("flush()")[1].settle_all(timeout)

    async def partitions_for(self, topic: str) -> tuple[PartitionInfo, ...]:
        """The partitions of a topic, with leaders. Waits for the metadata, MetadataTimeoutError after `max_block_ms`.

        Raises InvalidTopicError, TopicAuthorizationError.
        """
        check_topic(topic)
        loop, runtime = self._usable("partitions_for()")
        cluster = runtime.cluster
        max_block = self.config.max_block_ms / 1000
        deadline = loop.time() + max_block
        while True:
            cluster.want(topic)
            infos = cluster.view.partition_infos(topic)
            if infos:
                return infos
            error = cluster.topic_error(topic)
            if error is not None and not error.retriable:
                raise error
            waiter = loop.create_future()
            self._topic_waiters.setdefault(topic, []).append(waiter)
            try:
                async with asyncio.timeout_at(deadline):
                    await waiter
            except TimeoutError:
                last = f"; the last answer was: {error}" if error else "; no broker has answered for it"
                raise MetadataTimeoutError(
                    f"topic {topic!r} stayed unknown for {max_block:g} s (max_block_ms){last}"
                ) from error
            finally:
                waiters = self._topic_waiters.get(topic, [])
                if waiter in waiters:
                    waiters.remove(waiter)
                    if not waiters:
                        del self._topic_waiters[topic]
            self._usable("partitions_for()")

    def metrics(self) -> ProducerMetrics:
        """A snapshot of what the producer holds and has done since `start()`."""
        runtime = self._runtime
        if runtime is None:
            raise self._misuse("metrics()")
        return runtime.metrics()

    # Behind the calls

    def _all_accepted(self) -> None:
        drainers, self._drainers = self._drainers, []
        for waiter in drainers:
            if not waiter.done():
                waiter.set_result(None)

    def _topics_changed(self, names: Collection[str]) -> None:
        for name in names:
            for waiter in self._topic_waiters.pop(name, ()):
                if not waiter.done():
                    waiter.set_result(None)

    def _failed(self, error: KafkaError) -> None:
        """Nothing can be sent any more: a bug, or the brokers have shut this producer out."""
        self._failure = error
        self._open.end()
        if self._state is State.RUNNING:
            self._state = State.FAILED
        self._wake_everybody()

    def _wake_everybody(self) -> None:
        """Those who wait in `drain` go on; those in `partitions_for` look again."""
        self._all_accepted()
        self._topics_changed(tuple(self._topic_waiters))

    def _usable(self, call: str) -> tuple[asyncio.AbstractEventLoop, Runtime]:
        """The loop and the parts, if `call` may be made from here and now."""
        loop, runtime = self._open.here(), self._runtime
        if loop is None or runtime is None:
            raise self._misuse(call)
        return loop, runtime

    def _misuse(self, call: str) -> KafkaError:
        if self._failure is not None and _running_loop() is self._home:
            # A copy for each: what is raised collects a traceback, which would grow with every call.
            failure = copy(self._failure)
            failure.__cause__ = self._failure.__cause__
            return failure
        return misuse(self._state, call)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


__all__ = ["Producer", "ProducerRecord"]
