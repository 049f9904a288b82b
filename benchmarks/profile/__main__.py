"""`python -m benchmarks.profile`: sends a shape with aioproducer to a mock broker, and draws where the CPU time went.

Microseconds per record are the process's CPU time, shared out by samples. The broker is in a process of its own. How
samples are taken, and how far they can be believed, is in `sampler`.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Mapping

from benchmarks.brokers import mock_broker
from benchmarks.clients import client_named
from benchmarks.clients.names import OURS
from benchmarks.profile.sampler import Sampler
from benchmarks.profile.stages import STAGES
from benchmarks.shapes import SHAPES, Shape, shape_named
from benchmarks.worker import send_shape

BAR_WIDTH = 40
FUNCTIONS_SHOWN = 3


async def sample(shape: Shape, bootstrap: str, seconds: float) -> tuple[Sampler, int, float]:
    """Rounds of the shape for so many seconds: the samples, records acknowledged, and CPU seconds."""
    client = client_named(OURS)()
    await client.start(bootstrap, shape)
    await send_shape(client, shape, shape.warm_up_records, seconds, warming_up=True)
    sampler, records, cpu = Sampler(), 0, 0.0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sending = send_shape(client, shape, shape.quick_records, seconds)
        begin = time.process_time()
        with sampler:
            records += await sending
        cpu += time.process_time() - begin
    await client.stop()
    return sampler, records, cpu


def drawn(stages: Mapping[str, int], records: int, cpu: float) -> list[str]:
    """A line per stage: its name, us per record, share, and a bar."""
    total = sum(stages.values())
    if not total:
        return ["no samples: give it more seconds"]
    per_record = cpu / records * 1e6
    width = max(map(len, STAGES))
    most = max(stages.values())
    lines = []
    for stage in STAGES:
        count = stages.get(stage, 0)
        bar = "█" * round(count / most * BAR_WIDTH)
        share = count / total
        lines.append(f"{stage:<{width}}  {share * per_record:6.2f} us  {share * 100:5.1f} %  {bar}".rstrip())
    lines.append(f"{'all':<{width}}  {per_record:6.2f} us  of {total} samples")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shape", default="pipelined-100b", help=f"of {', '.join(each.name for each in SHAPES)}")
    parser.add_argument("--seconds", type=float, default=8.0, help="the more, the finer (default: 8)")
    parser.add_argument(
        "--functions", action="store_true", help="also where in a stage it was: the innermost functions"
    )
    arguments = parser.parse_args()
    try:
        shape = shape_named(arguments.shape)
    except ValueError as error:
        parser.error(str(error))
    with mock_broker([shape]) as broker:
        sampler, records, cpu = asyncio.run(sample(shape, broker.bootstrap, arguments.seconds))
    print(f"{shape.title}; {records} records")
    print("\n".join(drawn(sampler.stages, records, cpu)))
    if arguments.functions:
        for stage in STAGES:
            of_stage = [(count, where) for (each, where), count in sampler.functions.items() if each == stage]
            for count, (module, function) in sorted(of_stage, reverse=True)[:FUNCTIONS_SHOWN]:
                print(f"  {stage}: {count / sampler.stages.total() * 100:.1f} % {module}.{function}")


if __name__ == "__main__":
    main()
