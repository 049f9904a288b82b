"""The command line of the benchmarks, and the order of runs: broker by broker, measure by measure, in rounds in which
the clients take turns. A mock is a new one in every round: to find an offset it goes through all that it has.

Prints a table as soon as a measure is done, and writes the JSON at the end. A run that fails is reported in its place
and ends no other.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from benchmarks.brokers import Broker, NoBrokerError, mock_broker, mock_title, running_broker
from benchmarks.clients.names import CONFLUENT, ONLY_ON, SELDOM, TITLES
from benchmarks.figures import FAILED, Outcome
from benchmarks.kept import FORMAT, RESULTS
from benchmarks.machine import describe_machine
from benchmarks.measures.base import NOWHERE, Bench, Measure
from benchmarks.measures.registry import MEASURES, measure_named
from benchmarks.programs import RunFailedError
from benchmarks.readback import ReadBackError, Reader
from benchmarks.report import table
from benchmarks.shapes import FOR_MEASURES, MOCK, REAL, SHAPES, SLOW

BROKERS = (REAL, MOCK, SLOW, NOWHERE)
MOCK_RTT_MS = {MOCK: 0, SLOW: 20}
WARMING = ("pipelined-100b", "one-at-a-time")
READ_BACK = (
    "every record of every run, by confluent-kafka's Consumer: offsets without a gap, each value as often as sent"
)


OpenBench: TypeAlias = Callable[[Measure], AbstractContextManager[Bench]]
"""Gives the bench for a round of that measure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be run, on which brokers."""

    measures: tuple[Measure, ...]
    brokers: tuple[str, ...]
    clients: frozenset[str]
    rounds: int
    seconds: float
    quick: bool
    lifetime_records: int
    bootstrap: str | None
    out: Path | None

    def on(self, broker: str) -> list[Measure]:
        """What is run there."""
        return [each for each in self.measures if broker in (each.quick if self.quick else each.brokers)]


def run_measure(measure: Measure, kind: str, open_bench: OpenBench, plan: Plan) -> dict[str, Outcome]:
    """All rounds of one measure. A client that can not do it, or fails once, has a sentence instead of samples."""
    outcomes: dict[str, Outcome] = {}
    for client in measure.clients:
        if client in plan.clients and ONLY_ON.get(client, kind) == kind:
            refusal = measure.refuses(client)
            outcomes[client] = [] if refusal is None else refusal
    rounds = measure.rounds(plan.rounds)
    for number in range(rounds):
        order = [client for client in outcomes if number % 2 == 0 or client not in SELDOM]
        # Another one begins in every round.
        first = number % max(len(order), 1)
        which = f"round {number + 1} of {rounds}"
        try:
            with open_bench(measure) as bench:
                for client in order[first:] + order[:first]:
                    _run_round(measure, bench, client, outcomes, which)
        except NoBrokerError as error:
            return dict.fromkeys(outcomes, f"{FAILED} in {which}: {error}")
    return outcomes


def _run_round(measure: Measure, bench: Bench, client: str, outcomes: dict[str, Outcome], which: str) -> None:
    outcome = outcomes[client]
    if isinstance(outcome, str):
        return
    print(f"{measure.name}: {which}, {client}", file=sys.stderr, flush=True)
    begin = time.monotonic()
    try:
        outcome.append(measure.run(bench, client))
        print(f"  {time.monotonic() - begin:.1f} s", file=sys.stderr, flush=True)
    except (RunFailedError, ReadBackError) as error:
        outcomes[client] = f"{FAILED} in {which}: {error}"


def warm(bench: Bench) -> None:
    """A broker in Java is slow until it has compiled itself: that shall not be charged to who comes first."""
    for name in WARMING:
        try:
            measure_named(name).run(bench, CONFLUENT)
        except (RunFailedError, ReadBackError) as error:
            print(f"warming the broker up failed: {error}", file=sys.stderr, flush=True)


@contextmanager
def open_broker(kind: str, measures: Iterable[Measure], plan: Plan) -> Iterator[Broker]:
    """A broker of that kind, with the topics of these measures. NoBrokerError if there can be none."""
    names = {measure.name for measure in measures} | (set(WARMING) if kind == REAL else set())
    shapes = [shape for shape in SHAPES if shape.name in names]
    shapes += [shape for shape in FOR_MEASURES if kind in shape.brokers]
    if kind == NOWHERE:
        yield Broker("", "no broker, or one of the measure's own")
    elif kind in MOCK_RTT_MS:
        with mock_broker(shapes, rtt_ms=MOCK_RTT_MS[kind]) as broker:
            yield broker
    elif plan.bootstrap is not None:
        with running_broker(plan.bootstrap, shapes) as broker:
            yield broker
    else:
        # Imported only here: starting a real Kafka needs Java and Maven, the other brokers do not.
        from benchmarks.real_broker import real_broker
        from tests.support.jars import KafkaUnavailableError

        try:
            with real_broker(shapes) as broker:
                yield broker
        except KafkaUnavailableError as error:
            raise NoBrokerError(str(error)) from error


@contextmanager
def open_benches(kind: str, plan: Plan) -> Iterator[tuple[str, OpenBench]]:
    """What the broker is, and what opens the bench for a round of a measure; a real one is one for all of them."""

    @contextmanager
    def anew(*measures: Measure) -> Iterator[Bench]:
        with open_broker(kind, measures, plan) as broker, Reader(broker.bootstrap) as reader:
            yield Bench(broker, reader, plan.seconds, plan.quick, plan.lifetime_records)

    if kind in MOCK_RTT_MS:
        yield mock_title(MOCK_RTT_MS[kind]), anew
        return
    with anew(*plan.on(kind)) as bench:
        if kind == REAL:
            warm(bench)
        yield bench.broker.description, lambda _measure: nullcontext(bench)


def run(plan: Plan) -> tuple[dict[str, str], dict[str, dict[str, object]], bool]:
    """Descriptions of the brokers, results by measure, and whether anything failed. Tables are printed on the way."""
    descriptions: dict[str, str] = {}
    results: dict[str, dict[str, object]] = {}
    failed = False
    for kind in plan.brokers:
        measures = plan.on(kind)
        if not measures:
            continue
        try:
            with open_benches(kind, plan) as (descriptions[kind], open_bench):
                print(f"\n== {descriptions[kind]}", flush=True)
                for measure in measures:
                    outcomes = run_measure(measure, kind, open_bench, plan)
                    failed |= any(isinstance(each, str) and each.startswith(FAILED) for each in outcomes.values())
                    entry = results.setdefault(
                        measure.name, {"title": measure.title, "columns": measure.columns, "brokers": {}}
                    )
                    there = entry["brokers"]
                    assert isinstance(there, dict)
                    there[kind] = outcomes
                    print(f"\n{table(measure.title, measure.columns, outcomes)}", flush=True)
        except NoBrokerError as error:
            descriptions[kind] = f"not measured: {error}"
            print(f"\n== {kind}: {descriptions[kind]}", flush=True)
    return descriptions, results, failed


def parse(argv: Sequence[str] | None = None) -> Plan:
    """The arguments; names of measures and clients are checked here."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--broker", choices=(REAL, MOCK), help="only this one; default: both, and what needs another")
    parser.add_argument("--bootstrap", metavar="HOST:PORT", help="use a running broker instead of starting a real one")
    parser.add_argument("--rounds", type=int, help="default: 2, or 1 with --quick")
    parser.add_argument("--seconds", type=float, help="an awaiting shape's time; default: 1, or 0.8 with --quick")
    parser.add_argument("--measures", metavar="A,B", help=f"of {', '.join(each.name for each in MEASURES)}")
    parser.add_argument("--clients", metavar="A,B", help=f"of {', '.join(TITLES)}")
    parser.add_argument("--quick", action="store_true", help="the main measures, few records, about a minute, not kept")
    parser.add_argument("--lifetime-records", type=int, default=1_000_000, help="of the measure of that name")
    parser.add_argument(
        "--out", type=Path, help="the JSON file; default: benchmarks/results/DATE.json, none with --quick"
    )
    arguments = parser.parse_args(argv)
    quick = bool(arguments.quick)
    clients = frozenset(arguments.clients.split(",")) if arguments.clients else frozenset(TITLES)
    if clients - TITLES.keys():
        parser.error(f"no such client: {', '.join(sorted(clients - TITLES.keys()))}; there are: {', '.join(TITLES)}")
    try:
        measures = tuple(map(measure_named, arguments.measures.split(","))) if arguments.measures else MEASURES
    except ValueError as error:
        parser.error(str(error))
    return Plan(
        measures=measures,
        brokers=(arguments.broker,) if arguments.broker else BROKERS,
        clients=clients,
        rounds=arguments.rounds or (1 if quick else 2),
        seconds=arguments.seconds or (0.8 if quick else 1.0),
        quick=quick,
        lifetime_records=arguments.lifetime_records,
        bootstrap=arguments.bootstrap,
        out=arguments.out,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, write. 1 if any run failed."""
    plan = parse(argv)
    begin = time.monotonic()
    descriptions, results, failed = run(plan)
    now = datetime.now(UTC)
    report = {
        "format": FORMAT,
        "command": shlex.join(["python", "-m", "benchmarks", *(sys.argv[1:] if argv is None else argv)]),
        "time": now.isoformat(timespec="seconds"),
        "took_seconds": round(time.monotonic() - begin),
        "machine": describe_machine(),
        "brokers": descriptions,
        "rounds": plan.rounds,
        "seconds": plan.seconds,
        "read_back": READ_BACK,
        "results": results,
    }
    out = plan.out or (None if plan.quick else RESULTS / f"{now:%Y-%m-%d-%H%M}.json")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        print(f"\nwritten to {out}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
