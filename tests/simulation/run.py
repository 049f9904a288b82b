"""One run: a producer, a cluster and what happens to them, all on one loop in virtual time, all from one seed.

It puts the parts together and sees that the run comes to an end with nothing left over; what is right is `invariants`'.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from random import Random

from aioproducer import Producer, ProducerMetrics
from aioproducer.errors import KafkaError, StartTimeoutError
from aioproducer.testing import EmbeddedCluster
from tests.simulation.faults import Fault, carry_out, draw_faults
from tests.simulation.history import History
from tests.simulation.invariants import PROBE, violations
from tests.simulation.scene import Scene
from tests.simulation.setting import Setting, draw_setting
from tests.simulation.window import WindowWatch
from tests.simulation.workload import EPOCH_MS, SLACK, Step, Workload, draw_work
from tests.support.memory_network import MemoryNetwork
from tests.support.virtual_time import SimulatedTimeLoop

_LONGEST = 300.0
"""Virtual seconds after which a run hangs."""
_LAST_BYTES = 0.2
"""Virtual seconds after which what was written before a close has arrived nowhere, or somewhere."""
_PROBES = 20
"""Attempts, for the shortest time-outs are hardly longer than connecting and sending take in the slowest weather."""
_EPOCHS_WITHOUT_TOPIC_IDS = ("2.4", "2.5", "2.7")
"""Releases whose metadata has leader epochs but no topic ids: the leaders of a topic that was made again have smaller
epochs, and nothing tells them from an old answer.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is drawn before a run. close_at: when the producer is closed in the middle of it all, None for at its end;
    close_timeout is its time-out, in seconds.
    """

    seed: int
    setting: Setting
    faults: tuple[Fault, ...]
    faults_from_start: bool
    work: tuple[tuple[Step, ...], ...]
    close_at: float | None
    close_timeout: float | None
    auto_create: bool

    def lines(self) -> Iterator[str]:
        setting = self.setting
        yield f"seed {self.seed}: {setting.brokers} brokers of {setting.release}, {setting.weather}"
        yield f"options {dict(setting.options)}"
        yield from (str(topic) for topic in setting.topics)
        yield f"closed at {self.close_at}, time-out {self.close_timeout}"
        yield f"faults from the start: {self.faults_from_start}; topics are created on demand: {self.auto_create}"
        yield from (f"work {', '.join(f'{step.at} {step.kind}' for step in steps)}" for steps in self.work)
        yield from (f"fault at {fault}" for fault in self.faults)


@dataclass(frozen=True, slots=True)
class Result:
    """wrong: sentences, none for a good run. story: what happened, a line each. fingerprint: of all that was seen."""

    seed: int
    wrong: tuple[str, ...]
    story: tuple[str, ...]
    fingerprint: str
    records: int
    metrics: ProducerMetrics | None


def draw_plan(seed: int) -> Plan:
    random = Random(seed)
    setting = draw_setting(random)
    horizon = random.choice((0.2, 1.0, 2.0))
    work = draw_work(random, horizon)
    busy = [step.at for steps in work for step in steps]
    return Plan(
        seed=seed,
        setting=setting,
        faults=draw_faults(random, setting, horizon, busy),
        faults_from_start=random.random() < 0.1,
        work=work,
        close_at=random.uniform(0, horizon) if random.random() < 0.2 else None,
        close_timeout=random.choice((None, None, 0, 0.05, 0.5)),
        auto_create=random.random() < 0.1,
    )


def silence() -> int:
    """Nothing is logged from now on; returns the level that was. What nobody looked at is logged when the collector
    comes by, which here is noise, also after a run.
    """
    logger = logging.getLogger("aioproducer")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    return before


def simulate(seed: int) -> Result:
    """The run of this seed. Whatever goes wrong is in the result."""
    loop = SimulatedTimeLoop()
    run = _Run(draw_plan(seed), loop)
    try:
        loop.run_until_complete(run.main())
    except Exception as error:
        run.wrong.append(f"the run broke off: {error!r}")
    if loop.left:
        # Tasks that do not end when they are asked to would not end now either; and as garbage they make a noise.
        _broken.append(loop)
    else:
        loop.close()
    return run.result()


_broken: list[SimulatedTimeLoop] = []


class _Run:
    def __init__(self, plan: Plan, loop: SimulatedTimeLoop) -> None:
        self.wrong: list[str] = []
        self._plan = plan
        self._loop = loop
        self._history = History(loop.time)
        self._metrics: ProducerMetrics | None = None
        loop.set_exception_handler(lambda _, context: self.wrong.append(f"the loop reports: {context}"))
        setting = plan.setting
        self._network = MemoryNetwork(Random(plan.seed + 1), setting.weather)
        self._cluster = EmbeddedCluster(
            setting.brokers,
            release=setting.release,
            auto_create_topics=plan.auto_create,
            clock=lambda: EPOCH_MS / 1000 + loop.time(),
            seed=plan.seed,
            listen=self._network.listen,
        )
        limit = int(setting.number("max_in_flight_requests_per_connection"))
        self._watch = WindowWatch(self._network.dial, limit, self._history.complain)
        if setting.acks == 0:
            self._watch.limit = sys.maxsize  # nothing is answered
        self._scene = Scene(setting, self._cluster, self._network, self._history)

    def result(self) -> Result:
        history = self._history
        begin = EPOCH_MS / 1000
        events = history.notes + [
            (
                entry.at - begin,
                f"broker {entry.broker}, connection {entry.connection}: {entry.api} {entry.version} "
                f"{' '.join(f'{topic}[{partition}]' for topic, partition in entry.partitions)} {entry.size} bytes",
            )
            for entry in self._cluster.requests
        ]
        events.sort(key=lambda event: event[0])
        story = [f"{at:9.4f} {what}" for at, what in events] + [str(sent) for sent in history.sent]
        return Result(
            self._plan.seed,
            tuple(self.wrong),
            (*self._plan.lines(), *story),
            sha256("\n".join([*story, *self.wrong]).encode()).hexdigest()[:16],
            len(history.sent),
            self._metrics,
        )

    async def main(self) -> None:
        try:
            async with asyncio.timeout(_LONGEST):
                await self._play()
        except TimeoutError:
            self.wrong.append("it hangs")
        await asyncio.sleep(_LAST_BYTES)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        self.wrong += [f"task left behind: {task!r}" for task in tasks]
        self.wrong += [f"stream left behind: {stream!r}" for stream in self._network.streams]
        self.wrong += [f"timer left behind: {timer!r}" for timer in self._loop.timers]

    async def _play(self) -> None:
        plan, history, scene = self._plan, self._history, self._scene
        for topic in plan.setting.topics:
            scene.create(topic)
        async with self._cluster:
            options = dict(plan.setting.options)
            producer = Producer(self._cluster.bootstrap_servers, **options)  # type: ignore[arg-type]  # drawn by name
            faults = self._begin_faults() if plan.faults_from_start else None
            if not await self._start(producer):
                if faults is None:
                    history.complain("start() timed out, and nothing had happened to the cluster")
                    return
                await faults
                await scene.heal()
                if not await self._start(producer):
                    history.complain("start() timed out a second time, on a healthy cluster")
                    return
            faults = faults or self._begin_faults()
            await self._work(producer, faults)
            for sent in history.sent:
                if sent.delivery is not None and sent.delivery.done():
                    await history.ask(sent)
            self._scene.archive.take()
            self.wrong += violations(plan.setting, history, scene.archive, self._connections())

    def _begin_faults(self) -> asyncio.Task[None]:
        return self._loop.create_task(carry_out(self._plan.faults, self._scene), name="faults")

    def _connections(self) -> int:
        """Over how many connections the records of one partition went, at most."""
        used: dict[tuple[str, int], set[tuple[int, int]]] = {}
        for request in self._cluster.requests:
            if request.api == "Produce":
                for partition in request.partitions:
                    used.setdefault(partition, set()).add((request.broker, request.connection))
        return max(map(len, used.values()), default=0)

    async def _start(self, producer: Producer) -> bool:
        begin = self._loop.time()
        try:
            await producer.start(dial=self._watch, random=Random(self._plan.seed + 2))
        except StartTimeoutError:
            return False
        finally:
            took = self._loop.time() - begin
            if took > self._plan.setting.seconds("max_block_ms") + SLACK:
                self._history.complain(f"start() took {took:.3f} s")
        return True

    async def _work(self, producer: Producer, faults: asyncio.Task[None]) -> None:
        """Everything between start and close."""
        plan = self._plan
        workload = Workload(plan.setting, producer, self._history)
        tasks = [self._loop.create_task(workload.run(steps), name="workload") for steps in plan.work]
        if plan.close_at is not None:
            await asyncio.sleep(plan.close_at)
            workload.closing = True
            await self._close(producer)
            await asyncio.gather(*tasks)
            await faults
            await self._scene.heal()
            return
        await asyncio.gather(*tasks)
        await faults
        await self._scene.heal()
        await workload.flush(None)
        # What was given up while its request was unanswered is over when the request is.
        await asyncio.sleep(plan.setting.seconds("request_timeout_ms") + 1.0)
        self._at_rest(producer)
        await self._probe(producer)
        await self._close(producer)

    async def _close(self, producer: Producer) -> None:
        plan, begin = self._plan, self._loop.time()
        longest = plan.setting.patience + plan.setting.seconds("delivery_timeout_ms")
        await producer.close(plan.close_timeout)
        took = self._loop.time() - begin
        if took > (longest if plan.close_timeout is None else plan.close_timeout) + SLACK:
            self._history.complain(f"close({plan.close_timeout}) took {took:.3f} s")
        left = [sent for sent in self._history.sent if sent.delivery is not None and not sent.delivery.done()]
        if left:
            self._history.complain(f"close({plan.close_timeout}) returned before these were settled: {left}")
        self._at_rest(producer)
        self._history.note("closed")

    def _at_rest(self, producer: Producer) -> None:
        """Nothing is held, nothing is on its way."""
        metrics = self._metrics = producer.metrics()
        held = metrics.buffered_bytes, metrics.buffered_batches, metrics.buffered_records, metrics.waiting_sends
        if any(held) or any(metrics.requests_in_flight.values()):
            self._history.complain(
                f"not at rest: bytes, batches, records, waiting {held}; {metrics.requests_in_flight}"
            )

    async def _probe(self, producer: Producer) -> None:
        """On a healthy cluster it works again, whatever has happened before."""
        for topic, partitions in self._cluster.topics().items():
            if topic in self._scene.recreated and self._plan.setting.release in _EPOCHS_WITHOUT_TOPIC_IDS:
                continue
            for partition in range(partitions):
                error: KafkaError | None = None
                for _ in range(_PROBES):
                    try:
                        await producer.send(topic, PROBE, key=b"k", partition=partition, timestamp_ms=EPOCH_MS)
                    except KafkaError as failure:
                        error = failure
                        await asyncio.sleep(1.0)
                    else:
                        break
                else:
                    self._history.complain(f"nothing can be sent to {topic}[{partition}] any more: {error!r}")
