"""The composition root: builds the parts of a running producer, connects them, runs their tasks, and ends them.

It has no rules of its own. Dialler and random source are arguments, the clock is the loop's, so that a test can replace
them all. If one of its tasks dies of a bug, everything pending fails with the cause.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from functools import partial
from random import Random

from aioproducer.background import Background
from aioproducer.batching.accumulator import Accumulator
from aioproducer.batching.batch import Batch
from aioproducer.batching.intake import Intake
from aioproducer.batching.node_queue import NodeQueue
from aioproducer.batching.partition_queue import NO_LEADER, PartitionQueue
from aioproducer.batching.sizes import BatchSizes
from aioproducer.batching.topic import Layout, Placement
from aioproducer.cluster.backoff import ExponentialBackoff
from aioproducer.cluster.cluster import Cluster
from aioproducer.config import Config
from aioproducer.delivery import Parked
from aioproducer.endings import closed_error, failed_error, is_bug
from aioproducer.errors import FlushTimeoutError, KafkaError, Persisted, ProducerClosedError
from aioproducer.models import Acks, Node
from aioproducer.network.stream import Dialer
from aioproducer.outcome import OnDelivery, Outcome, Owed
from aioproducer.protocol.messages.produce import NodeEndpoint
from aioproducer.protocol.primitives import ZERO_UUID
from aioproducer.records.codecs import Codec, codec
from aioproducer.sending.alarm import Alarm
from aioproducer.sending.identity import IdentityKeeper
from aioproducer.sending.produce import Answers
from aioproducer.sending.sender import Sender, SenderOptions
from aioproducer.sending.sequences import Sequencer
from aioproducer.sending.settlement import Settlement
from aioproducer.sending.threads import compressing_threads
from aioproducer.snapshot import snapshot
from aioproducer.telemetry.counters import Counters
from aioproducer.telemetry.events import EventKind, ProducerEvent
from aioproducer.telemetry.metrics import ProducerMetrics
from aioproducer.telemetry.observer import Observer
from aioproducer.turns import Turn
from aioproducer.waiting import Countdown

logger = logging.getLogger("aioproducer")


class Runtime:
    """The parts of one running producer: `accumulator`, `intake`, `settlement`, `cluster`, `counters`, `senders`."""

    def __init__(
        self,
        config: Config,
        *,
        loop: asyncio.AbstractEventLoop,
        dial: Dialer,
        random: Random,
        on_failed: Callable[[KafkaError], None],
        on_all_accepted: Callable[[], None],
        on_topics: Callable[[Collection[str]], None],
        is_awaited: Callable[[str], bool],
    ) -> None:
        """`on_failed` is told when the producer can not go on; `on_topics` of topics whose metadata changed.
        `is_awaited` tells whether somebody beside the records waits for a topic.
        """
        self.config = config
        self.counters = Counters()
        self._emit = Observer(self.counters, config.on_event, client_id=config.client_id, loop=loop).emit
        self.senders: dict[int, Sender] = {}
        self._away: dict[int, NodeQueue] = {}
        self._loop = loop
        self._on_failed = on_failed
        self._on_topics = on_topics
        self._is_awaited = is_awaited
        self.failure: KafkaError | None = None
        self._ending: asyncio.Task[None] | None = None
        self._background = Background(loop, config.client_id, on_death=self._died)
        self._turn = Turn(loop, lambda: not self.accumulator.unsettled)
        self._soon = self._turn.soon  # one for all outcomes
        self._owed: Owed = {}
        self._alarm = Alarm(loop)
        self._codec = _codec(config)
        self._threads = compressing_threads(self._codec)
        retry_backoff = ExponentialBackoff(config.retry_backoff_ms, config.retry_backoff_max_ms)

        def backoff(attempts: int) -> float:
            return retry_backoff.delay(attempts - 1, random.random())

        self.sequencer = Sequencer(
            idempotent=config.enable_idempotence,
            max_in_flight=config.max_in_flight_requests_per_connection,
            on_exhausted=self._need_identity,
            on_bump=partial(self._tell_of, EventKind.EPOCH_BUMP),
        )
        self.accumulator = Accumulator(
            buffer_memory=config.buffer_memory,
            sizes=BatchSizes(
                batch_size=config.batch_size,
                batch_max_size=config.batch_max_size,
                max_request_size=config.max_request_size,
                compressing=self._codec.id != 0,
            ),
            linger=config.linger_ms / 1000,
            strict_linger=config.strict_linger,
            delivery_timeout=config.delivery_timeout_ms / 1000,
            gate=self.sequencer,
            new_outcome=self._new_outcome,
            on_node=self._add_sender,
            on_moved=partial(self._tell_of, EventKind.REROUTE),
        )
        self.intake = Intake(
            self.accumulator,
            Placement(
                partitioner=config.partitioner,
                ignore_keys=config.partitioner_ignore_keys,
                adaptive=config.partitioner_adaptive_partitioning_enable,
                patience=config.partitioner_availability_timeout_ms / 1000,
                batch_size=config.batch_size,
                random=lambda: random.getrandbits(31),
            ),
            max_block=config.max_block_ms / 1000,
            delivery_timeout=config.delivery_timeout_ms / 1000,
            park=self._park,
            refuse=self._refuse,
            on_unknown_topic=self._want_topic,
            on_new_partition=self._want_partition,
            on_grown=self._topic_grown,
            on_parked=self._alarm.set,
            on_all_accepted=on_all_accepted,
        )
        self.settlement = Settlement(
            self.accumulator,
            self.sequencer,
            self.counters,
            # Nothing that was written may be written again if the broker is not asked whether it came (at most once).
            retries=0 if config.acks is Acks.NONE else config.retries,
            delivery_timeout=config.delivery_timeout_ms / 1000,
            backoff=backoff,
            on_stale_metadata=self._refresh_metadata,
            on_room=self.intake.advance,
            on_fatal=self._shut_out,
            emit=self._emit,
        )
        self.cluster = Cluster(
            config, dial=dial, clock=loop.time, random=random, spawn=self._background.spawn, in_use=self._in_use
        )
        self.cluster.on_change(self._metadata_changed)
        self._identity = IdentityKeeper(
            self.cluster.ask,
            loop=loop,
            request_timeout=config.request_timeout_ms / 1000,
            backoff=backoff,
            on_identity=self._identified,
            on_refused=lambda error: self.settlement.fail_all(lambda _batch: error, loop.time()),
        )

    def metrics(self) -> ProducerMetrics:
        """A snapshot of what is held and has been done."""
        return snapshot(self.counters, self.accumulator, self.intake, self.sequencer, self.senders)

    # Life

    async def start(self, timeout: float) -> None:
        """Find the cluster. Raises StartTimeoutError after `timeout` seconds, with nothing left behind."""
        background = self._background
        try:
            await background.start()
            background.keep(self.cluster.run(), "metadata")
            background.keep(self._keep_time(), "deadlines")
            if self.config.enable_idempotence:
                background.keep(self._identity.run(), "producer id")
            await background.until_done(self.cluster.bootstrap(timeout), "bootstrap")
            if self.config.enable_idempotence:
                self._identity.need()
        except BaseException as error:
            # In a task of its own, for whoever cancels a start may do it twice.
            self._ending = self._loop.create_task(self.stop(closed_error), name="aioproducer start in vain")
            await asyncio.shield(self._ending)
            if isinstance(error, Exception) and self.failure is not None:
                raise self.failure from error
            raise

    async def stop(self, error_of: Callable[[Batch], KafkaError]) -> None:
        """End all tasks and connections; what is not settled fails at once with `error_of` its batch."""
        try:
            self.fail_everything(error_of)
        finally:
            # Also if a bug has left nothing in order: tasks and connections end all the same.
            self._background.stopping()
            try:
                await self.cluster.close()
            finally:
                await self._background.stop()

    async def settle_all(self, timeout: float | None) -> None:
        """Wait until all that is buffered or parked by now is settled. Raises FlushTimeoutError after `timeout`
        seconds.
        """
        accumulator = self.accumulator
        accumulator.seal_all()
        countdown = Countdown(self._loop)
        for batch in accumulator.unsettled:
            countdown.wait_for(batch.outcome)
        for parked in tuple(self.intake.parked):
            countdown.wait_for(parked)
        accumulator.hurry()
        try:
            async with asyncio.timeout(timeout):
                await countdown.finished()
        except TimeoutError:
            raise FlushTimeoutError(
                f"{countdown.left} batches or waiting records were not settled within {timeout:g} s; they go on"
            ) from None
        finally:
            accumulator.relax()

    def fail_everything(self, error_of: Callable[[Batch], KafkaError]) -> None:
        """Settle all that is not settled."""
        # Those that wait first, so that the room which comes free does not let them in.
        self.intake.fail_all(ProducerClosedError("the producer was closed before the record could be accepted"))
        self.settlement.fail_all(error_of, self._loop.time())

    def _died(self, cause: BaseException) -> None:
        """A background task died, of a bug or because somebody cancelled it: nothing goes on without it."""
        error = self.failure = failed_error(cause, Persisted.NO)
        if is_bug(cause):
            logger.critical("%s", error, exc_info=cause)
        else:
            logger.warning("%s", error)
        self._on_failed(error)
        try:
            self.intake.fail_all(error)
        finally:
            self.settlement.fail_all(lambda batch: failed_error(cause, batch.persisted), self._loop.time())

    def _shut_out(self, error: KafkaError) -> None:
        """The brokers take nothing more from this producer: what is pending has no future either."""
        self._on_failed(error)
        self.intake.fail_all(error)
        self.settlement.fail_all(lambda _batch: error, self._loop.time())

    async def _keep_time(self) -> None:
        """Fail what has waited too long; with nothing to wait for, look again before anything new can be late."""
        clock = self._loop.time
        delivery_timeout = self.config.delivery_timeout_ms / 1000
        while True:
            now = clock()
            self.settlement.expire(now)
            self.intake.expire(now, self.cluster.topic_error)
            deadline = self.accumulator.next_expiry or now + delivery_timeout
            waiting = self.intake.deadline
            await self._alarm.wait(deadline if waiting is None else min(deadline, waiting))

    # What the parts tell each other

    def _new_outcome(self, queue: PartitionQueue, base_timestamp: int, deltas: Sequence[int]) -> Outcome:
        return Outcome(self._loop, queue.topic, queue.partition, base_timestamp, deltas, self._owed, self._soon)

    def _refuse(self, topic: str, timestamps: Sequence[int]) -> Outcome:
        return Outcome(self._loop, topic, -1, 0, timestamps, {})

    def _park(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        tail: bytes,
        partition: int | None,
        timestamp_ms: int,
        on_delivery: OnDelivery | None,
    ) -> Parked:
        return Parked(self._loop, topic, key, value, tail, partition, timestamp_ms, on_delivery)

    def _want_topic(self, name: str) -> None:
        """A topic of which nothing is known here."""
        known = self.cluster.view.topics.get(name)
        if known is not None and known.partitions:
            self._tell_leaders(name)
        self.cluster.want(name)

    def _want_partition(self, name: str) -> None:
        """A partition that the topic does not have, as far as is known."""
        self.cluster.request_refresh((name,))

    def _metadata_changed(self, names: Collection[str]) -> None:
        for node_id in sorted(self._away.keys() & self.cluster.view.brokers.keys()):
            self._add_sender(self._away.pop(node_id))
        for name in names:
            self._tell_leaders(name)
        self._on_topics(names)

    def _tell_leaders(self, name: str) -> None:
        view = self.cluster.view
        topic = view.topics.get(name)
        if topic is not None and topic.partitions:
            brokers = view.brokers
            leaders: Sequence[int] = topic.partitions.leaders
            if not brokers.keys() >= set(leaders):
                leaders = tuple(leader if leader in brokers else NO_LEADER for leader in leaders)
            near: Sequence[int] = ()
            if self.config.partitioner_rack_aware:
                rack = self.config.client_rack
                near = tuple(
                    index for index, leader in enumerate(leaders) if leader in brokers and brokers[leader].rack == rack
                )
            self.intake.topic_known(name, Layout(leaders, topic.topic_id, near), self._loop.time())
            return
        error = self.cluster.topic_error(name)
        if error is not None and not error.retriable:
            self.intake.fail_topic(name, error)
        if topic is None or error is not None:
            # The next record for it has it asked for again: what was refused may be allowed by then.
            self.intake.forget(name)

    def _in_use(self, name: str) -> bool:
        topic = self.intake.topics.get(name)
        return self._is_awaited(name) or (topic is not None and topic.busy)

    def _refresh_metadata(self) -> None:
        self.cluster.request_refresh()

    def _need_identity(self) -> None:
        self._identity.need()

    def _topic_id(self, name: str) -> bytes:
        self.cluster.use(name)
        topic = self.cluster.view.topics.get(name)
        return ZERO_UUID if topic is None else topic.topic_id

    def _new_leaders(self, answers: Answers, endpoints: Sequence[NodeEndpoint]) -> None:
        nodes = {node.node_id: Node(node.node_id, node.host, node.port, node.rack) for node in endpoints}
        for (topic, partition), answer in answers.items():
            leader = answer.current_leader
            if answer.error_code and leader.leader_id >= 0:
                self.cluster.update_leader(
                    topic, partition, leader.leader_id, leader.leader_epoch, nodes.get(leader.leader_id)
                )

    def _topic_grown(self, name: str, before: int, now: int) -> None:
        self._emit(ProducerEvent(kind=EventKind.GROWTH, topic=name, partitions=now, partitions_before=before))

    def _tell_of(self, kind: EventKind, queue: PartitionQueue) -> None:
        self._emit(
            ProducerEvent(
                kind=kind,
                topic=queue.topic,
                partition=queue.partition,
                broker=None if queue.leader == NO_LEADER else queue.leader,
                records=queue.buffered,
            )
        )

    def _identified(self, producer_id: int, epoch: int) -> None:
        self.sequencer.identity = (producer_id, epoch)
        self.accumulator.look_at_all()

    def _add_sender(self, node: NodeQueue) -> None:
        if node.node_id not in self.cluster.view.brokers:
            # Its topic was told of before the broker left. What is ready for it waits, as for one that is down.
            self._away[node.node_id] = node
            return
        sender = Sender(
            node,
            self.cluster.link(node.node_id),
            self.accumulator,
            self.settlement,
            self.counters,
            SenderOptions(
                acks=self.config.acks,
                codec=self._codec,
                max_in_flight=self.config.max_in_flight_requests_per_connection,
                max_request_size=self.config.max_request_size,
                request_timeout=self.config.request_timeout_ms / 1000,
                threads=self._threads,
            ),
            loop=self._loop,
            turn=self._turn,
            topic_id_of=self._topic_id,
            on_unreachable=self.cluster.request_refresh,
            on_response=self._new_leaders,
            emit=self._emit,
        )
        self.senders[node.node_id] = sender
        self._background.keep(sender.run(), f"sender {node.node_id}")


def _codec(config: Config) -> Codec:
    levels = {
        "gzip": config.compression_gzip_level,
        "lz4": config.compression_lz4_level,
        "zstd": config.compression_zstd_level,
    }
    return codec(config.compression_type, levels.get(config.compression_type))
