"""`python -m tests.kafka.soak --minutes 30`: the test of `test_chaos.py` for as long as one likes, with producers that
live through all of it, a new topic every minute, and an account at the end.

Ends with 0 if nothing was lost, doubled, reordered, misplaced or left unsettled; with 1 otherwise, and the brokers'
logs are kept then. It is not part of the tests.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import logging
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

from tests.support.admin import delete_topic
from tests.support.ledger import Verdict
from tests.support.load import fleet
from tests.support.ordeal import ordeal
from tests.support.real_kafka import RealKafka

logger = logging.getLogger("soak")

_ROUND = 60.0
# What a round takes beside its sending: until all brokers are back, and for reading and judging.
_SLACK = 240.0


async def soak(cluster: RealKafka, minutes: float, seed: int) -> tuple[Verdict, Counter[str]]:
    """Rounds until the minutes are over, or until something is violated; says a line after each."""
    random = Random(seed)
    total, faults = Verdict(), Counter[str]()
    resident: list[float] = []
    end = time.monotonic() + 60 * minutes
    number = 0
    async with fleet(cluster.bootstrap, random) as members:
        while time.monotonic() < end and not total.violations:
            number += 1
            topic = f"soak-{number}"
            seconds = min(_ROUND, max(end - time.monotonic(), 1.0))
            try:
                async with asyncio.timeout(seconds + _SLACK):
                    verdict, done = await ordeal(cluster, members, topic, seconds, random)
            except Exception as error:
                # Something hung, or the cluster did not come back: an account is wanted all the same.
                logger.exception("%s came to no end", topic)
                total.note("round without an end", f"{topic}: {error!r}")
                break
            total.add(verdict)
            faults.update(done)
            resident.append(_rss_mib())
            state = f"{sum(verdict.violations.values())} violations, RSS {resident[-1]:.0f} MiB"
            print(
                f"{topic}: sent {verdict.sent}, stored {verdict.stored}, faults {sum(done.values())}, {state}",
                flush=True,
            )
            await asyncio.to_thread(delete_topic, cluster.bootstrap, topic, wait=False)
        retried = sum(member.producer.metrics().record_retry_total for member in members)
        bumps = sum(member.producer.metrics().epoch_bump_total for member in members)
        events = sum((member.events for member in members), Counter[str]())
    print(f"records retried {retried}, epoch bumps {bumps}")
    print("events " + ", ".join(f"{kind} {count}" for kind, count in sorted(events.items())))
    # What the producers kept from one round to the next would be the difference.
    print("RSS after each round " + " ".join(f"{mib:.0f}" for mib in resident) + " MiB")
    return total, faults


def _rss_mib() -> float:
    """This process's resident memory, in MiB, without what its threads have freed and the C library keeps."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kafka.soak", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="for the order of faults and sends")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stdout)
    begin = _rss_mib()
    print(f"three brokers, {arguments.minutes:g} minutes, seed {arguments.seed}", flush=True)
    started = time.monotonic()
    with RealKafka(brokers=3) as cluster:
        verdict, faults = asyncio.run(soak(cluster, arguments.minutes, arguments.seed))
        cluster.keep_log = bool(verdict.violations)
    print(f"minutes {(time.monotonic() - started) / 60:.1f}, seed {arguments.seed}")
    print(f"RSS at the begin {begin:.0f} MiB, at the end {_rss_mib():.0f} MiB")
    print("faults " + ", ".join(f"{kind} {count}" for kind, count in sorted(faults.items())))
    print("\n".join(verdict.lines()))
    return 1 if verdict.violations else 0


if __name__ == "__main__":
    sys.exit(main())
