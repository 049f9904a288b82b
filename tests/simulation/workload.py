"""What the service does that uses the producer: tasks that send in every way there is, flush, wait, and change their
minds. Drawn before the run; each of them checks what it is promised at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from aioproducer import Producer, ProducerRecord
from aioproducer.errors import (
    BulkSendError,
    FlushTimeoutError,
    KafkaError,
    MisuseError,
    ProducerFailedError,
    RecordTooLargeError,
)
from tests.simulation.history import History, Sent
from tests.simulation.setting import Setting

EPOCH_MS = 1_700_000_000_000
SLACK = 0.02
"""Seconds that settling may take beyond its time: some turns of the loop, and no more, for time is virtual."""

_KEYS = (None, None, None, b"a", b"b", b"c")
_WEIGHTS = {
    "await": 5,
    "burst": 7,
    "all": 1,
    "gather": 2,
    "wait for": 2,
    "cancel": 1,
    "flush": 1,
    "drain": 1,
}


@dataclass(frozen=True, slots=True)
class Step:
    """What a task does, not before `at` seconds from the beginning."""

    at: float
    kind: str
    chance: int


def draw_work(random: Random, horizon: float) -> tuple[tuple[Step, ...], ...]:
    """The steps of each task."""
    kinds = random.choices(tuple(_WEIGHTS), tuple(_WEIGHTS.values()), k=random.choice((2, 4, 9)))
    return tuple(_draw_task(random, kinds, horizon) for _ in range(random.choice((1, 1, 2, 4))))


def _draw_task(random: Random, kinds: Sequence[str], horizon: float) -> tuple[Step, ...]:
    number = random.choice((1, 3, 6, 12))
    times = sorted(random.uniform(0, horizon) for _ in range(number))
    return tuple(Step(round(at, 4), random.choice(kinds), random.getrandbits(32)) for at in times)


class Workload:
    def __init__(self, setting: Setting, producer: Producer, history: History) -> None:
        self._setting = setting
        self._producer = producer
        self._history = history
        self.closing = False

    async def run(self, steps: Sequence[Step]) -> None:
        """One task of the service, until its steps are done or the producer is closed."""
        begin = self._history.clock()
        for step in steps:
            await asyncio.sleep(max(0.0, begin + step.at - self._history.clock()))
            random = Random(step.chance)
            try:
                await getattr(self, f"do_{step.kind.replace(' ', '_')}")(random)
            except ProducerFailedError as error:
                self._history.complain(f"the producer died: {error!r}")
                return
            except MisuseError:
                if not self.closing:
                    raise
                return

    # One record

    def send(self, random: Random, topic: str | None = None, partition: int | None = None) -> Sent | None:
        """Sends one record, drawn; None for one that the producer refuses."""
        sent = self.draw(random, topic, partition)
        try:
            sent.delivery = self._producer.send(
                sent.topic,
                sent.value,
                key=sent.key,
                partition=sent.partition,
                timestamp_ms=sent.timestamp_ms,
                on_delivery=self._history.reporter(sent) if random.random() < 0.7 else None,
            )
        except RecordTooLargeError:
            self._history.sent.pop()
            return None
        except BaseException:
            self._history.sent.pop()
            raise
        return sent

    def draw(self, random: Random, topic: str | None = None, partition: int | None = None) -> Sent:
        history = self._history
        plan = random.choice(self._setting.topics)
        number = len(history.sent)
        size = random.choice((0, 0, 10, 60, 150))
        if topic is None and random.random() < 0.4:
            partition = random.randrange(plan.partitions)
        now_ms = EPOCH_MS + int(history.clock() * 1000)
        sent = Sent(
            number=number,
            topic=topic or plan.name,
            partition=partition,
            key=random.choice(_KEYS),
            value=b"%d.%s" % (number, b"x" * size),
            timestamp_ms=now_ms + random.choice((0, 0, -5, 1000)),
            sent_at=history.clock(),
        )
        history.sent.append(sent)
        return sent

    # The ways to send. Their names are the kinds of steps.

    async def do_await(self, random: Random) -> None:
        for _ in range(random.choice((1, 1, 3))):
            sent = self.send(random)
            if sent is not None:
                await self._outcome(sent)

    async def do_burst(self, random: Random) -> None:
        for _ in range(random.choice((2, 5, 20))):
            self.send(random)
            if random.random() < 0.7:
                await self._producer.drain()

    async def do_all(self, random: Random) -> None:
        topic = random.choice(self._setting.topics).name
        number = random.choice((1, 8, 20))
        batch: list[Sent] = []

        def records() -> Iterator[ProducerRecord]:
            # Drawn when it is asked for, so that the numbers are in the order of the calls.
            for _ in range(number):
                sent = self.draw(random, topic)
                batch.append(sent)
                yield ProducerRecord(sent.value, key=sent.key, timestamp_ms=sent.timestamp_ms)

        failed = 0
        try:
            done = await self._producer.send_all(topic, records())
        except BulkSendError as error:
            done, failed = error.sent, error.failed
        except RecordTooLargeError:
            return
        if done != number or not 0 <= failed <= number:
            self._history.complain(f"send_all of {number} counts {done}, and {failed} that failed")
        self._history.bulks.append((batch, failed))

    async def do_gather(self, random: Random) -> None:
        sent = [one for _ in range(random.choice((2, 6, 15))) if (one := self.send(random)) is not None]
        tasks = [asyncio.get_running_loop().create_task(self._outcome(one)) for one in sent]
        if tasks and random.random() < 0.3:
            await asyncio.sleep(random.choice((0.0, 0.003, 0.05)))
            for task in random.sample(tasks, random.randint(1, len(tasks))):
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def do_wait_for(self, random: Random) -> None:
        sent = self.send(random)
        if sent is None:
            return
        assert sent.delivery is not None
        sent.cancelled = True  # by `wait_for`, which ends what it has waited for too long
        try:
            self._history.learn(sent, await asyncio.wait_for(sent.delivery, random.choice((0.001, 0.02, 0.2))))
        except KafkaError as error:
            self._history.learn(sent, error)
        except TimeoutError:
            pass

    async def do_cancel(self, random: Random) -> None:
        unwanted: list[Sent] = []
        for _ in range(random.choice((1, 5, 12))):
            sent = self.send(random)
            if sent is not None and random.random() < 0.5:
                unwanted.append(sent)
        if random.random() < 0.7:
            await asyncio.sleep(random.choice((0.0, 0.002, 0.05)))
        for sent in unwanted:
            assert sent.delivery is not None
            sent.cancelled = True
            sent.delivery.cancel()

    async def do_drain(self, random: Random) -> None:
        await self._producer.drain()

    async def do_flush(self, random: Random) -> None:
        await self.flush(random.choice((None, None, 0.01, 0.2)))

    async def flush(self, timeout: float | None) -> None:
        """`flush`, held to its word: everything sent before is settled, and in time."""
        history = self._history
        before, begin = list(history.sent), history.clock()
        limit = self._setting.patience + self._setting.seconds("delivery_timeout_ms") if timeout is None else timeout
        try:
            await self._producer.flush(timeout)
        except FlushTimeoutError:
            if timeout is None:
                history.complain("flush() without a time-out timed out")
        else:
            late = [sent for sent in before if sent.delivery is not None and not sent.delivery.done()]
            if late:
                history.complain(f"flush({timeout}) returned before these were settled: {late}")
        if history.clock() - begin > limit + SLACK:
            history.complain(f"flush({timeout}) took {history.clock() - begin:.3f} s")

    async def _outcome(self, sent: Sent) -> None:
        assert sent.delivery is not None
        try:
            self._history.learn(sent, await sent.delivery)
        except KafkaError as error:
            self._history.learn(sent, error)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            if not sent.cancelled:
                self._history.complain(f"whoever awaited it was cancelled, and nobody had asked for it: {sent}")
