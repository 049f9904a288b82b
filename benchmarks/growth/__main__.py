"""The command line of the growth benchmark: loads of a kind in rounds, client after client.

Gives every run a broker, a process and a time limit, compares the log's end with what was acknowledged, prints the
tables, writes the JSON, and draws the chart. A run that fails is reported in its place and ends no other.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

from benchmarks.brokers import NoBrokerError
from benchmarks.growth.brokers import MOCK, log_end, mock_broker, running_broker
from benchmarks.growth.chart import draw
from benchmarks.growth.clients import CLIENTS
from benchmarks.growth.loads import LOADS, Kind, Load, load_named
from benchmarks.growth.report import outcomes_of, tables
from benchmarks.growth.worker import Sample
from benchmarks.machine import describe_machine

RESULTS = Path(__file__).parents[1] / "results"


class RunFailedError(Exception):
    """One run of one client did not give a sample; the text says why."""


def open_broker(bootstrap: str | None, load: Load) -> AbstractContextManager[str]:
    return running_broker(bootstrap, load) if bootstrap else mock_broker(load)


def run_once(bootstrap: str | None, client: str, load: Load, *, quick: bool) -> Sample:
    """One client in a fresh process. RunFailedError if it ends badly, takes too long, or the log disagrees with it."""
    with open_broker(bootstrap, load) as address:
        before = log_end(address, load)
        command = [sys.executable, "-m", "benchmarks.growth.worker", client, load.name, address]
        try:
            done = subprocess.run(
                [*command, "quick"] if quick else command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=load.limit_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise RunFailedError(f"not done after {load.limit_seconds:.0f} s") from None
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or ["no message"]
            raise RunFailedError(f"ended with {done.returncode}: {lines[-1]}")
        sample = Sample(**json.loads(done.stdout.strip().splitlines()[-1]))
        appended = log_end(address, load) - before
    if appended != sample.acknowledged:
        raise RunFailedError(f"{sample.acknowledged} records acknowledged, {appended} in the log")
    return sample


def run_loads(loads: Sequence[Load], arguments: argparse.Namespace) -> dict[str, dict[str, list[Sample] | str]]:
    """All rounds of loads that are compared with each other: each of them in every round, for the machine has better
    minutes and worse ones. A client that fails once has a sentence instead of samples.
    """
    ran: dict[str, dict[str, list[Sample] | str]] = {
        load.name: {client: [] for client in arguments.clients} for load in loads
    }
    rounds = arguments.rounds * (1 if arguments.quick else max(load.rounds_factor for load in loads))
    for number, load in product(range(1, rounds + 1), loads):
        outcomes = ran[load.name]
        for client, outcome in outcomes.items():
            if isinstance(outcome, str):
                continue
            print(f"{load.name}: round {number} of {rounds}, {client}", file=sys.stderr, flush=True)
            try:
                outcome.append(run_once(arguments.bootstrap, client, load, quick=arguments.quick))
            except RunFailedError as error:
                outcomes[client] = f"FAILED in round {number}: {error}"
    return ran


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The arguments; names of loads and clients are checked here."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bootstrap", metavar="HOST:PORT", help="use a running broker; default: a mock for each run")
    parser.add_argument("--rounds", type=int, help="default: 3, or 1 with --quick; of full batches three times as many")
    parser.add_argument("--loads", metavar="A,B", help=f"of {', '.join(load.name for load in LOADS)}")
    parser.add_argument("--clients", metavar="A,B", default=",".join(CLIENTS), help=f"of {', '.join(CLIENTS)}")
    parser.add_argument("--quick", action="store_true", help="a tenth of the records, one round, nothing kept")
    parser.add_argument("--out", type=Path, help="the JSON file; default: benchmarks/results/DATE-growth.json")
    parser.add_argument("--svg", type=Path, help="draw CPU per record over the number of topics into this file")
    parser.add_argument("--from", type=Path, dest="kept", metavar="JSON", help="run nothing, tell of a kept file again")
    arguments = parser.parse_args(argv)
    arguments.clients = arguments.clients.split(",")
    try:
        for client in arguments.clients:
            if client not in CLIENTS:
                raise ValueError(f"no client is called {client!r}; there are: {', '.join(CLIENTS)}")
        arguments.loads = [load_named(name) for name in arguments.loads.split(",")] if arguments.loads else list(LOADS)
    except ValueError as error:
        parser.error(str(error))
    arguments.rounds = arguments.rounds or (1 if arguments.quick else 3)
    return arguments


def write(arguments: argparse.Namespace, argv: Sequence[str], results: dict[str, object]) -> None:
    now = datetime.now(UTC)
    out = arguments.out or (None if arguments.quick else RESULTS / f"{now:%Y-%m-%d-%H%M}-growth.json")
    if out is None:
        return
    report = {
        "command": shlex.join(["python", "-m", "benchmarks.growth", *argv]),
        "time": now.isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "broker": f"the broker at {arguments.bootstrap}" if arguments.bootstrap else MOCK,
        "rounds": arguments.rounds,
        "results": results,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"\nwritten to {out}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, write, draw. 1 if a run failed."""
    arguments = parse(argv)
    if arguments.kept is not None:
        outcomes = outcomes_of(json.loads(arguments.kept.read_text(encoding="utf-8"))["results"])
        print(tables(outcomes))
    else:
        ran: dict[str, dict[str, list[Sample] | str]] = {}
        for kind in Kind:
            if loads := [load for load in arguments.loads if load.kind is kind]:
                ran |= run_loads(loads, arguments)
        outcomes = ran
        print(tables(outcomes))
        results: dict[str, object] = {
            load: {
                client: outcome if isinstance(outcome, str) else [asdict(sample) for sample in outcome]
                for client, outcome in clients.items()
            }
            for load, clients in ran.items()
        }
        write(arguments, sys.argv[1:] if argv is None else argv, results)
    if arguments.svg is not None:
        arguments.svg.write_text(draw(outcomes), encoding="utf-8")
        print(f"drawn into {arguments.svg}")
    return int(any(isinstance(outcome, str) for clients in outcomes.values() for outcome in clients.values()))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NoBrokerError as error:
        sys.exit(f"python -m benchmarks.growth: {error}")
