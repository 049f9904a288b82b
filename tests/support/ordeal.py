"""One round of sending under faults on a real cluster of three, and what the log says afterwards. The test of a minute
and the soak of hours are both made of it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random

from tests.support.chaos import Chaos
from tests.support.foreign import ForeignRecord, IncompleteReadError, read_all_async
from tests.support.ledger import Verdict, judge
from tests.support.load import Member, left_in, send_while
from tests.support.real_kafka import RealKafka

PARTITIONS = 6
MORE = 180.0
_READ_TIMEOUT = 60.0


async def ordeal(
    cluster: RealKafka,
    members: Sequence[Member],
    topic: str,
    seconds: float,
    random: Random,
    *,
    at_least: Mapping[str, int] | None = None,
) -> tuple[Verdict, Counter[str]]:
    """Make the topic, send to it from all `members` for so long under faults, read it; the verdict and the faults.

    at_least: faults by kind that have to come. On a machine that is slow, for which three brokers elect and come back
    in their own time, the sending goes on until they have, for MORE seconds at most.
    """
    await asyncio.to_thread(cluster.create_topic, topic, PARTITIONS, 3, min_insync_replicas=2)
    chaos = Chaos(cluster, topic, PARTITIONS, [member.network for member in members], random, at_least or {})
    clock = asyncio.get_running_loop().time
    end = clock() + seconds

    def goes_on() -> bool:
        return clock() < end or (clock() < end + MORE and bool(chaos.lacks()))

    async with chaos.reigning():
        await send_while(goes_on, members, topic, partitions=PARTITIONS, random=random)
    ledgers = [member.ledger for member in members]
    expected = sum(ledger.acknowledged for ledger in ledgers)
    verdict = judge(await _whole_log(cluster, topic, expected), ledgers)
    for member in members:
        for what in left_in(member):
            verdict.note("left in the producer", what)
    return verdict, chaos.done


async def _whole_log(cluster: RealKafka, topic: str, expected: int) -> list[ForeignRecord]:
    try:
        return await read_all_async(cluster.bootstrap, topic, expected, _READ_TIMEOUT)
    except IncompleteReadError as error:
        # Which records are missing is worth more than that some are.
        return error.records
