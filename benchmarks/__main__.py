"""The command line of the benchmarks, and the order of runs: for each shape, round after round, client after client.

Starts the broker, gives every run a process of its own with a time limit, compares the log's end with what was
acknowledged, prints the tables and writes the JSON. A run that fails is reported in its place and ends no other.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.brokers import Broker, NoBrokerError, mock_broker, running_broker
from benchmarks.clients import CLIENTS, client_named
from benchmarks.machine import describe_machine
from benchmarks.report import table
from benchmarks.shapes import SHAPES, Shape, shape_named
from benchmarks.worker import Sample

RESULTS = Path(__file__).parent / "results"
QUICK_SHAPES = ("pipelined-100b", "tasks-100", "one-at-a-time")
RUN_LIMIT_SECONDS = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be run. `seconds` bounds an awaiting shape, `quick` takes the shapes' small record counts."""

    shapes: tuple[Shape, ...]
    clients: tuple[str, ...]
    rounds: int
    seconds: float
    quick: bool


class RunFailedError(Exception):
    """One run of one client did not give a sample; the text says why."""


def run_once(broker: Broker, client: str, shape: Shape, plan: Plan) -> Sample:
    """One client in a fresh process. RunFailedError if it ends badly, takes too long, or the log disagrees with it."""
    records = shape.quick_records if plan.quick else shape.records
    before = broker.log_end(shape.topic, shape.partitions)
    command = [sys.executable, "-m", "benchmarks.worker", client, shape.name, broker.bootstrap]
    try:
        done = subprocess.run(
            [*command, str(records), str(plan.seconds)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RunFailedError(f"not done after {RUN_LIMIT_SECONDS:.0f} s") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise RunFailedError(f"ended with {done.returncode}: {lines[-1]}")
    fields = json.loads(done.stdout.strip().splitlines()[-1])
    latencies = fields.pop("latencies_ms")
    sample = Sample(**fields, latencies_ms=tuple(latencies) if latencies else None)
    appended = broker.log_end(shape.topic, shape.partitions) - before
    if appended != sample.acknowledged + sample.warm_up:
        raise RunFailedError(f"{sample.acknowledged + sample.warm_up} records acknowledged, {appended} in the log")
    return sample


def run_shape(broker: Broker, shape: Shape, plan: Plan) -> dict[str, list[Sample] | str]:
    """All rounds of one shape. A client that can not do it, or fails once, has a sentence instead of samples."""
    outcomes: dict[str, list[Sample] | str] = {}
    for client in plan.clients:
        refusal = client_named(client).refuses(shape)
        outcomes[client] = [] if refusal is None else refusal
    for round_number in range(plan.rounds):
        for client, outcome in outcomes.items():
            if isinstance(outcome, str):
                continue
            print(f"{shape.name}: round {round_number + 1} of {plan.rounds}, {client}", file=sys.stderr, flush=True)
            try:
                outcome.append(run_once(broker, client, shape, plan))
            except RunFailedError as error:
                outcomes[client] = f"FAILED in round {round_number + 1}: {error}"
    return outcomes


def open_broker(arguments: argparse.Namespace, shapes: Sequence[Shape]) -> AbstractContextManager[Broker]:
    """The broker that was asked for; not started yet."""
    if arguments.bootstrap:
        return running_broker(arguments.bootstrap, shapes)
    if arguments.broker == "mock":
        return mock_broker(shapes)
    # Imported only here: starting a real Kafka needs Java and Maven, the other brokers do not.
    from benchmarks.real_broker import real_broker

    return real_broker(shapes)


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The arguments; names of shapes and clients are checked here."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--broker", choices=("real", "mock"), help="default: real, or mock with --quick")
    parser.add_argument("--bootstrap", metavar="HOST:PORT", help="use a running broker instead of starting one")
    parser.add_argument("--rounds", type=int, help="default: 5, or 2 with --quick")
    parser.add_argument("--seconds", type=float, help="an awaiting shape's time; default: 10, or 2 with --quick")
    parser.add_argument("--shapes", metavar="A,B", help=f"of {', '.join(shape.name for shape in SHAPES)}")
    parser.add_argument("--clients", metavar="A,B", default=",".join(CLIENTS), help=f"of {', '.join(CLIENTS)}")
    parser.add_argument("--quick", action="store_true", help="three shapes, few records, about a minute, nothing kept")
    parser.add_argument("--out", type=Path, help="the JSON file; default: benchmarks/results/DATE-BROKER.json")
    arguments = parser.parse_args(argv)
    try:
        for client in arguments.clients.split(","):
            client_named(client)
        names = arguments.shapes.split(",") if arguments.shapes else None
        arguments.shapes = [shape_named(name) for name in names] if names else None
    except (ValueError, ImportError) as error:
        parser.error(str(error))
    arguments.broker = arguments.broker or ("mock" if arguments.quick else "real")
    return arguments


def plan_of(arguments: argparse.Namespace) -> Plan:
    quick = bool(arguments.quick)
    every = [shape for shape in SHAPES if not quick or shape.name in QUICK_SHAPES]
    return Plan(
        shapes=tuple(arguments.shapes or every),
        clients=tuple(arguments.clients.split(",")),
        rounds=arguments.rounds or (2 if quick else 5),
        seconds=arguments.seconds or (2.0 if quick else 10.0),
        quick=quick,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, write. 1 if any run failed."""
    arguments = parse(argv)
    plan = plan_of(arguments)
    failed = False
    results: dict[str, object] = {}
    with open_broker(arguments, plan.shapes) as broker:
        print(f"{broker.description}; {plan.rounds} rounds; acks=all, idempotent", flush=True)
        for shape in plan.shapes:
            outcomes = run_shape(broker, shape, plan)
            failed |= any(isinstance(outcome, str) and outcome.startswith("FAILED") for outcome in outcomes.values())
            results[shape.name] = {
                "shape": asdict(shape),
                "clients": {
                    client: outcome if isinstance(outcome, str) else [asdict(sample) for sample in outcome]
                    for client, outcome in outcomes.items()
                },
            }
            print(f"\n{table(shape, outcomes)}", flush=True)
        description = broker.description
    now = datetime.now(UTC)
    out = arguments.out or (None if plan.quick else RESULTS / f"{now:%Y-%m-%d-%H%M}-{arguments.broker}.json")
    if out is not None:
        report = {
            "command": shlex.join(["python", "-m", "benchmarks", *(sys.argv[1:] if argv is None else argv)]),
            "time": now.isoformat(timespec="seconds"),
            "machine": describe_machine(),
            "broker": description,
            "rounds": plan.rounds,
            "results": results,
        }
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        print(f"\nwritten to {out}")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NoBrokerError as error:
        sys.exit(f"python -m benchmarks: {error}")
