"""Many runs on several cores: seeds go out to worker processes in small lots, what failed comes back.

Each worker is an interpreter of its own, so that a fault that is put into its producer stays there.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context

from tests.simulation.mutations import MUTATIONS, put_in
from tests.simulation.run import Result, draw_plan, silence, simulate

_LOT = 20


def many(seeds: Iterable[int], *, workers: int = 2) -> Iterator[tuple[int, Sequence[Result]]]:
    """For each lot of seeds: how many ran, and the results of those that failed. Lots come back in their order."""
    with _executor(workers) as pool:
        seeds = iter(seeds)
        # All at once would be a list of 100,000 for nothing.
        while lots := [lot for _ in range(100 * workers) if (lot := tuple(islice(seeds, _LOT)))]:
            yield from zip(map(len, lots), pool.map(_run_lot, lots), strict=True)


def find_all(names: Sequence[str], most: int, *, workers: int = 2) -> dict[str, Result | None]:
    """Each mutation by name, and the first run that finds it; None if `most` seeds do not."""
    with _executor(workers) as pool:
        return dict(zip(names, pool.map(_find, names, [most] * len(names)), strict=True))


def _executor(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_begin)


def _begin() -> None:
    silence()
    # What is there now stays: the collector need not look at it after each run.
    gc.collect()
    gc.freeze()


def _run_lot(seeds: Sequence[int]) -> list[Result]:
    return [result for seed in seeds if (result := simulate(seed)).wrong]


def _find(name: str, most: int) -> Result | None:
    mutation = MUTATIONS[name]
    with put_in(mutation):
        for seed in range(most):
            if not mutation.suits(draw_plan(seed)):
                continue
            result = simulate(seed)
            if result.wrong:
                return result
    return None
