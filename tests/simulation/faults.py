"""What goes wrong in one run, and when: drawn from a `Random`, printed on request, carried out on cluster and network.

Only what can happen to a real cluster: errors that a broker is told to give are those that say the truth where they are
given; states that a broker has to be in are made by bringing it there. Each run has a few kinds of faults, so that now
one alone and now several meet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random

from tests.simulation.scene import Scene
from tests.simulation.setting import Setting
from tests.support.memory_network import Way


@dataclass(frozen=True, slots=True)
class Fault:
    """`chance` is drawn with the fault: what it needs more of comes from there, whatever else happens in the run."""

    at: float
    kind: str
    chance: int

    def __str__(self) -> str:
        return f"{self.at:.4f} {self.kind}"


Act = Callable[[Scene, Random], "Awaitable[str] | str"]
"""Does it; returns what it did, for whoever reads the story."""

# Before the append, from a broker that then appends nothing.
_REFUSALS = (
    "NOT_ENOUGH_REPLICAS",
    "KAFKA_STORAGE_ERROR",
    "UNKNOWN_TOPIC_OR_PARTITION",
    "LEADER_NOT_AVAILABLE",
    "NOT_LEADER_OR_FOLLOWER",
    "CORRUPT_MESSAGE",
    "UNKNOWN_LEADER_EPOCH",
    "FENCED_LEADER_EPOCH",
    "THROTTLING_QUOTA_EXCEEDED",
    "TOPIC_AUTHORIZATION_FAILED",
    "INVALID_TOPIC_EXCEPTION",
    "UNKNOWN_SERVER_ERROR",
)
# After the append: the replicas did not follow, the leader changed, the disk failed.
_DOUBTS = ("REQUEST_TIMED_OUT", "NOT_ENOUGH_REPLICAS_AFTER_APPEND", "NOT_LEADER_OR_FOLLOWER", "KAFKA_STORAGE_ERROR")
_METADATA = ("LEADER_NOT_AVAILABLE", "UNKNOWN_TOPIC_OR_PARTITION", "UNKNOWN_SERVER_ERROR")
_INIT = ("COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE", "CLUSTER_AUTHORIZATION_FAILED")
_APIS = ("Produce",) * 6 + ("Metadata", "InitProducerId", "ApiVersions")


def draw_faults(random: Random, setting: Setting, horizon: float, busy: Sequence[float]) -> tuple[Fault, ...]:
    """The schedule, in the order of time. `busy`: when something is sent; that is when most faults do most harm."""
    kinds = [kind for kind in KINDS if setting.brokers > 1 or kind not in _NEED_REPLICAS]
    if random.random() < 0.08:
        return ()
    chosen = random.sample(kinds, random.choice((1, 2, 3, 5, len(kinds))))
    number = random.choice((1, 2, 4, 8, 16))

    def time() -> float:
        chance = random.random()
        if chance < 0.2:
            return random.uniform(0, horizon)
        if chance < 0.4:
            return max(0.0, min(busy) - 0.001)  # before the brokers have heard of the producer
        offset = random.choice((-0.002, 0.0, random.uniform(0, 0.02), random.uniform(0, 0.2)))
        return max(0.0, random.choice(busy) + offset)

    faults = [Fault(round(time(), 4), random.choice(chosen), random.getrandbits(32)) for _ in range(number)]
    return tuple(sorted(faults, key=lambda fault: fault.at))


async def carry_out(faults: Sequence[Fault], scene: Scene) -> None:
    """All faults at their times."""
    begin = scene.clock()
    for fault in faults:
        await asyncio.sleep(max(0.0, begin + fault.at - scene.clock()))
        did = KINDS[fault.kind](scene, Random(fault.chance))
        scene.history.note(f"{fault.kind}: {did if isinstance(did, str) else await did}")


def _times(random: Random) -> int:
    return random.choice((1, 1, 2, 4))


def _refuse(scene: Scene, random: Random) -> str:
    code, partition, times = random.choice(_REFUSALS), scene.some_partition(random), _times(random)
    skip = random.choice((0, 0, 0, 1, 2))
    scene.cluster.fail("Produce", code, times=times, skip=skip, partition=partition if random.random() < 0.7 else None)
    return f"{code} {times} times after {skip} {partition}"


def _doubt(scene: Scene, random: Random) -> str:
    code, times = random.choice(_DOUBTS), _times(random)
    scene.cluster.fail("Produce", code, after_append=True, times=times, skip=random.choice((0, 0, 1)))
    return f"{code} {times} times"


def _metadata(scene: Scene, random: Random) -> str:
    code = random.choice(_METADATA)
    scene.cluster.fail("Metadata", code, times=_times(random), partition=scene.some_partition(random)[0])
    return code


def _init(scene: Scene, random: Random) -> str:
    code = random.choice(_INIT)
    scene.cluster.fail("InitProducerId", code, times=_times(random))
    return code


def _disconnect(scene: Scene, random: Random) -> str:
    api, after = random.choice(_APIS), random.random() < 0.6
    scene.cluster.disconnect(api, after_append=after, times=_times(random), skip=random.choice((0, 0, 1, 2)))
    return f"{api} after={after}"


def _delay(scene: Scene, random: Random) -> str:
    api, after, seconds = random.choice(_APIS), random.random() < 0.5, random.choice((0.01, 0.1, 0.4, 1.5))
    scene.cluster.delay(api, seconds, after_append=after, times=_times(random))
    return f"{api} {seconds} s after={after}"


def _silence(scene: Scene, random: Random) -> str:
    api, after = random.choice(_APIS), random.random() < 0.5
    scene.cluster.silence(api, after_append=after)
    return f"{api} after={after}"


def _throttle(scene: Scene, random: Random) -> str:
    milliseconds = random.choice((10, 100, 700))
    scene.cluster.throttle(random.choice(_APIS), milliseconds, times=_times(random))
    return f"{milliseconds} ms"


def _garbage(scene: Scene, random: Random) -> str:
    api = random.choice(_APIS)
    scene.cluster.garbage(api, data=random.choice((None, None, b"\x00\x00\x00\x04\x00", b"\x7f\xff\xff\xff")))
    return api


def _cut_frame(scene: Scene, random: Random) -> str:
    api, stall = random.choice(_APIS), random.random() < 0.3
    scene.cluster.cut_frame(api, random.choice((None, 1, 3, 5, 20)), stall=stall)
    return f"{api} stall={stall}"


def _twice(scene: Scene, random: Random) -> str:
    api = random.choice(_APIS)
    scene.cluster.answer_twice(api)
    return api


def _out_of_order(scene: Scene, random: Random) -> str:
    api = random.choice(_APIS)
    scene.cluster.answer_late(api)
    return api


def _bad_connect(scene: Scene, random: Random) -> str:
    cluster, kind, times = scene.cluster, random.choice(("disconnect", "silence", "garbage", "delay")), _times(random)
    if kind == "disconnect":
        cluster.disconnect("connect", times=times)
    elif kind == "silence":
        cluster.silence("connect", times=times)
    elif kind == "garbage":
        cluster.garbage("connect", times=times)
    else:
        cluster.delay("connect", random.choice((0.05, 0.3)), times=times)
    return kind


def _hold(scene: Scene, random: Random) -> str:
    port = scene.some_port(random)
    ways = random.choice(((), (Way.OUT,), (Way.IN,)))
    seconds = random.choice((0.05, 0.3, 1.0))
    scene.network.hold(port, *ways)
    scene.later(seconds, lambda: scene.network.release(port))
    return f"{port} {[way.value for way in ways]} {seconds} s"


def _reset(scene: Scene, random: Random) -> str:
    port = scene.some_port(random)
    scene.network.reset(port)
    return str(port)


def _cut_bytes(scene: Scene, random: Random) -> str:
    port, way, size = scene.some_port(random), random.choice(tuple(Way)), random.randint(1, 400)
    scene.network.cut_after(port, way, size)
    return f"{port} {way.value} after {size} bytes"


async def _cut_connections(scene: Scene, random: Random) -> str:
    broker = scene.some_broker(random)
    await scene.cluster.cut_connections(broker)
    return f"of {broker}"


def _move_leader(scene: Scene, random: Random) -> str:
    return scene.move_leader(*scene.some_partition(random))


async def _stop_broker(scene: Scene, random: Random) -> str:
    broker = scene.some_broker(random)
    notice = random.choice((0.0, 0.0, 0.05, 0.3))
    down = notice + random.choice((0.01, 0.2, 1.0))
    # Where all that a producer knows have moved, it can not find the cluster: the first broker keeps its place, and
    # where the bootstrap servers are not asked again, all do.
    elsewhere = broker > 1 and scene.setting.options["metadata_recovery_strategy"] == "rebootstrap"
    elsewhere = elsewhere and random.random() < 0.5
    orderly = random.random() < 0.5
    return await scene.stop_broker(broker, notice=notice, down=down, elsewhere=elsewhere, orderly=orderly)


async def _restart(scene: Scene, random: Random) -> str:
    """It leads on before anybody has noticed. Its last answers get lost: what they are about is stored."""
    broker = scene.some_broker(random)
    port = scene.cluster.address(broker)[1]
    scene.network.hold(port, Way.IN)
    await asyncio.sleep(random.choice((0.01, 0.03, 0.1)))
    down = random.choice((0.01, 0.05))
    did = await scene.stop_broker(broker, notice=down, down=down, elsewhere=False, orderly=random.random() < 0.7)
    scene.network.release(port)
    return did


def _shrink(scene: Scene, random: Random) -> str:
    topic, partition = scene.some_partition(random)
    return scene.shrink_isr(topic, partition, random.choice((0.05, 0.3, 1.0)))


def _hold_replication(scene: Scene, random: Random) -> str:
    topic, partition = scene.some_partition(random)
    return scene.hold_replication(topic, partition, random.choice((0.05, 0.3, 1.0)))


def _forget(scene: Scene, random: Random) -> str:
    return scene.forget_producers(*scene.some_partition(random))


def _delete_records(scene: Scene, random: Random) -> str:
    topic, partition = scene.some_partition(random)
    return scene.delete_records(topic, partition, random.random())


def _recreate(scene: Scene, random: Random) -> str:
    topic, _ = scene.some_partition(random)
    return scene.recreate(topic, random.choice((0.0, 0.0, 0.05, 0.4)))


def _add_partitions(scene: Scene, random: Random) -> str:
    topic, _ = scene.some_partition(random)
    return scene.add_partitions(topic)


KINDS: dict[str, Act] = {
    "refuse": _refuse,
    "doubt": _doubt,
    "metadata error": _metadata,
    "no producer id": _init,
    "disconnect": _disconnect,
    "delay": _delay,
    "silence": _silence,
    "throttle": _throttle,
    "garbage": _garbage,
    "cut frame": _cut_frame,
    "answer twice": _twice,
    "answer out of order": _out_of_order,
    "bad connect": _bad_connect,
    "hold bytes": _hold,
    "reset": _reset,
    "cut bytes": _cut_bytes,
    "cut connections": _cut_connections,
    "move leader": _move_leader,
    "stop broker": _stop_broker,
    "restart broker": _restart,
    "shrink isr": _shrink,
    "hold replication": _hold_replication,
    "forget producers": _forget,
    "delete records": _delete_records,
    "recreate topic": _recreate,
    "add partitions": _add_partitions,
}

_NEED_REPLICAS = frozenset({"move leader", "shrink isr", "hold replication"})
