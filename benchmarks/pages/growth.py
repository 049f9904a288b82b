"""docs/growth.md: what many topics and partitions cost, rendered from a kept run of `benchmarks.growth`. Text only."""

from __future__ import annotations

from typing import Any

from benchmarks.clients import TITLES
from benchmarks.growth.chart import draw
from benchmarks.growth.clients import CLIENTS
from benchmarks.growth.goals import GOALS, Goal
from benchmarks.growth.report import Outcomes, outcomes_of, tables
from benchmarks.report import ABSENT

OURS = "aioproducer"
CHART = "charts/growth.svg"


def pages(content: dict[str, Any], run: str) -> dict[str, str]:
    """The page and its chart, by their paths in the tree; `run` is the file's name in benchmarks/results."""
    outcomes = outcomes_of(content["results"])
    return {"docs/growth.md": _page(content, outcomes, run), f"docs/{CHART}": draw(outcomes)}


def _page(content: dict[str, Any], outcomes: Outcomes, run: str) -> str:
    machine = content["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = [
        "# Many topics, many partitions",
        "",
        "Made by `python -m benchmarks.pages` from",
        f"[the kept run](../benchmarks/results/{run}), which `{content['command']}` made at {content['time']}:",
        f"rounds: {content['rounds']}, of full batches three times as many, in each of which sizes and clients take",
        "turns, every one in a fresh process with",
        f"{content['broker']}. Figures are medians, and in brackets their range. Compare within a row: absolute",
        "figures are the machine's, and it is a noisy one.",
        "",
        f"- machine: {machine.get('processor', 'unknown')}, {machine['cores']} cores, {machine['system']}, "
        f"commit {machine.get('commit', 'unknown')}",
        f"- versions: {versions}",
        "",
        f"![CPU per record over the number of topics]({CHART})",
        "",
        "## Goals",
        "",
        f"| figure | at most | {' | '.join(TITLES[client] for client in CLIENTS)} | met |",
        "|---|---|" + "---|" * len(CLIENTS) + "---|",
        *(_goal_row(goal, outcomes) for goal in GOALS),
        "",
        "With one broker all topics look alike, and share what is known of them. Where each has its own replicas, a",
        "topic of one partition that is known still takes under 1,000 bytes (`tests/cluster/test_view.py`).",
        "",
        *_notes(outcomes),
        "## Every figure",
        "",
        "```text",
        tables(outcomes),
        "```",
    ]
    return "\n".join(lines) + "\n"


def _notes(outcomes: Outcomes) -> list[str]:
    """Of what is missed, what there is to say."""
    figures = [(goal, goal.of(outcomes, OURS)) for goal in GOALS]
    said = [f"- {goal.says}: {goal.note}" for goal, ours in figures if ours is not None and ours > goal.limit]
    return ["What is missed:", "", *said, ""] if said else []


def _goal_row(goal: Goal, outcomes: Outcomes) -> str:
    figures = {client: goal.of(outcomes, client) for client in CLIENTS}
    ours = figures[OURS]
    judged = "not measured" if ours is None else "yes" if ours <= goal.limit else "**no**"
    cells = [ABSENT if each is None else f"{each:,.{goal.digits}f}" for each in figures.values()]
    return f"| {' | '.join((goal.says, f'{goal.limit:,g}', *cells, judged))} |"
