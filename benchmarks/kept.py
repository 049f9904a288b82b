"""A run that is kept: what its JSON holds, and reading it. Values only; who draws or judges them is elsewhere.

command, time, machine, rounds, seconds       how it was made
brokers: {broker: description}
results: {measure: {title, columns, brokers: {broker: {client: [sample, ...] or why there are none}}}}
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from benchmarks.figures import Outcome
from benchmarks.report import Spread, spread_of

RESULTS = Path(__file__).parent / "results"
FORMAT = 2


@dataclass(frozen=True, slots=True)
class Kept:
    """One run."""

    content: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Self:
        return cls(json.loads(path.read_text(encoding="utf-8")))

    def outcomes(self, measure: str, broker: str) -> dict[str, Outcome]:
        """Client to samples or words; empty if that was not measured."""
        found: dict[str, Outcome] = self.content["results"].get(measure, {}).get("brokers", {}).get(broker, {})
        return found

    def spread(self, measure: str, broker: str, client: str, figure: str) -> Spread | None:
        """A figure over all rounds; None if there is none."""
        outcome = self.outcomes(measure, broker).get(client)
        return None if outcome is None or isinstance(outcome, str) else spread_of(figure, outcome)

    def title(self, measure: str) -> str:
        return str(self.content["results"][measure]["title"])


def newest() -> Path:
    """The kept run of this form with the latest time. LookupError if there is none."""
    runs = [path for path in RESULTS.glob("*.json") if json.loads(path.read_text("utf-8")).get("format") == FORMAT]
    if not runs:
        raise LookupError(f"no run is kept in {RESULTS}: make one by `make bench`")
    return max(runs, key=lambda path: str(Kept.read(path).content["time"]))


def newest_growth() -> Path:
    """The latest kept run of `benchmarks.growth`. LookupError if there is none."""
    runs = sorted(RESULTS.glob("*-growth.json"))
    if not runs:
        raise LookupError(f"no run of the growth is kept in {RESULTS}: make one by `make bench-growth`")
    return runs[-1]
