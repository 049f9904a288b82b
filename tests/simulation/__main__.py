"""Plays one run and tells its story (`--seed 123`), or plays many (`--seeds 100000 [--first 0]`)."""

from __future__ import annotations

import argparse
import os
import sys
import time

from tests.simulation.mutations import MUTATIONS, put_in
from tests.simulation.pool import many
from tests.simulation.run import Result, silence, simulate

_SHOWN = 5
_PROGRESS = 5_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="play this one, and print its schedule and what happened")
    parser.add_argument("--seeds", type=int, default=2_000, help="play so many")
    parser.add_argument("--first", type=int, default=0, help="… from this one on")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--mutation", choices=sorted(MUTATIONS), help="with --seed: put this fault into the producer")
    given = parser.parse_args()
    if given.seed is not None:
        return _one(given.seed, given.mutation)
    return _many(range(given.first, given.first + given.seeds), given.workers)


def _one(seed: int, mutation: str | None) -> int:
    silence()
    if mutation is None:
        result = simulate(seed)
    else:
        with put_in(MUTATIONS[mutation]):
            result = simulate(seed)
    print(report(result))
    return 1 if result.wrong else 0


def _many(seeds: range, workers: int) -> int:
    begin, done, failed = time.monotonic(), 0, 0
    for number, bad in many(seeds, workers=workers):
        if done // _PROGRESS < (done + number) // _PROGRESS:
            print(f"{done + number} of {len(seeds)}, {failed} failed, {time.monotonic() - begin:.0f} s", flush=True)
        done += number
        for result in bad:
            failed += 1
            print(report(result) if failed <= _SHOWN else f"seed {result.seed}: {result.wrong[0]}", flush=True)
    took = time.monotonic() - begin
    print(
        f"seeds {seeds.start} to {seeds.stop - 1}: {failed} of {done} failed; {took:.1f} s, {done / took:.0f} a second"
    )
    return 1 if failed else 0


def report(result: Result) -> str:
    """Everything about one run, what is wrong and how to play it again last."""
    wrong = [f"WRONG: {sentence}" for sentence in result.wrong] or ["nothing is wrong"]
    again = f"again: make simulate SEED={result.seed}"
    return "\n".join((*result.story, *wrong, f"fingerprint {result.fingerprint}", again))


if __name__ == "__main__":
    sys.exit(main())
