"""How long importing a client takes, in a fresh interpreter that has asyncio already; the best way to see it is often.

Every client has its byte code, as an installed package has it, whether it runs from a source tree or not and whatever
the environment says: it is kept in a folder of this measure's own, and written by an import that is not counted.

As a program, `python -m benchmarks.measures.imports TIMES MODULE`: the median of so many interpreters.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.clients.names import AIOKAFKA, CONFLUENT, OURS
from benchmarks.figures import Sample
from benchmarks.measures.base import NOWHERE, Bench, Measure, once
from benchmarks.programs import run_program

MODULES = {OURS: "aioproducer", AIOKAFKA: "aiokafka", CONFLUENT: "confluent_kafka"}
TIMES, QUICK_TIMES = 7, 3
PROGRAM = """
import asyncio, time
begin = time.perf_counter()
import {module}
print((time.perf_counter() - begin) * 1000)
"""


def milliseconds(module: str, byte_code: str) -> float:
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": byte_code, "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-c", PROGRAM.format(module=module)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=True)
    return float(done.stdout)


def median_of(times: int, module: str) -> float:
    with TemporaryDirectory() as byte_code:
        milliseconds(module, byte_code)
        return median(milliseconds(module, byte_code) for _ in range(times))


def run(bench: Bench, client: str) -> Sample:
    return run_program(__name__, QUICK_TIMES if bench.quick else TIMES, MODULES[client])


MEASURE = Measure(
    name="import",
    title="import, with asyncio already imported, in a fresh interpreter",
    columns=("import",),
    brokers=(NOWHERE,),
    clients=tuple(MODULES),
    run=run,
    # A round is a median already.
    rounds=once,
    quick=(NOWHERE,),
)

if __name__ == "__main__":
    print(json.dumps({"import_ms": median_of(int(sys.argv[1]), sys.argv[2])}))
