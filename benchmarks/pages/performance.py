"""docs/performance.md: the goals and every figure behind them, rendered from a kept run. Text only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.clients.names import (
    AIOKAFKA,
    CONFLUENT,
    CONFLUENT_AIO,
    CONFLUENT_THREAD,
    JAVA,
    RAW,
    TITLES,
)
from benchmarks.figures import FIGURES
from benchmarks.goals import NOTES, Verdict, verdicts
from benchmarks.kept import Kept
from benchmarks.pages.charts import CHARTS
from benchmarks.report import ABSENT, Spread

PEERS = (RAW, AIOKAFKA, CONFLUENT_AIO, CONFLUENT, CONFLUENT_THREAD, JAVA)
COLUMNS = {
    RAW: "raw",
    AIOKAFKA: "aiokafka",
    CONFLUENT_AIO: "AIOProducer",
    CONFLUENT: "callback",
    CONFLUENT_THREAD: "thread",
    JAVA: "Java",
}


def page(kept: Kept, run: str) -> str:
    """The whole page; `run` is the file's name in benchmarks/results."""
    content = kept.content
    machine = content["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    all_verdicts = verdicts(kept)
    met = sum(each.met is True for each in all_verdicts)
    lines = [
        "# Performance",
        "",
        "Made by `python -m benchmarks.pages` from",
        f"[the kept run](../benchmarks/results/{run}), which `{content['command']}` made at {content['time']}:",
        f"rounds: {content['rounds']}, in each of which the clients take turns, every one in a fresh process;",
        "what takes long, or differs little, has every other round, or one. Figures are medians. Compare within a row:",
        "absolute figures are the machine's, and it is a noisy one.",
        "",
        f"- machine: {machine.get('processor', 'unknown')}, {machine['cores']} cores, {machine['system']}, "
        f"commit {machine.get('commit', 'unknown')}",
        f"- versions: {versions}",
        *(f"- `{kind}`: {description}" for kind, description in content["brokers"].items()),
        f"- read back: {content['read_back']}",
        "",
        *(f"![{kept.title(chart.measure)}](charts/{chart.file})" for chart in CHARTS if _drawn(chart.measure, kept)),
        "",
        "## Goals",
        "",
        f"{met} of {len(all_verdicts)} are met. Peers: a raw round trip on asyncio, aiokafka, confluent-kafka's",
        "AIOProducer, its producer with a delivery callback (no asyncio), the same behind a poll thread with a future",
        "per record, and the perf tool of Java's producer.",
        "",
        *_table(
            ("load", "figure", "on", "goal", "ours", *COLUMNS.values(), "ratio", "met"),
            (_goal_row(each, kept) for each in all_verdicts),
        ),
        "",
        *_notes(all_verdicts),
        "## Every figure",
        "",
        "Medians of the rounds, and in brackets their range.",
        "",
    ]
    for name, result in content["results"].items():
        lines += [f"### {result['title']}", "", *_measure(name, result["columns"], result["brokers"], kept), ""]
    return "\n".join(lines).rstrip() + "\n"


def _drawn(measure: str, kept: Kept) -> bool:
    return measure in kept.content["results"]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads), *(f"| {' | '.join(row)} |" for row in rows)]


def _number(figure: str, spread: Spread | None) -> str:
    return ABSENT if spread is None else f"{spread.median:.{FIGURES[figure].digits}f}"


def _goal_row(each: Verdict, kept: Kept) -> Sequence[str]:
    goal = each.goal
    judged = "not measured"
    if each.beyond is not None:
        judged = "yes" if each.met else f"**no**, by {each.beyond * 100:.0f} %"
    return (
        goal.measure,
        FIGURES[goal.figure].title,
        each.broker,
        goal.says,
        _number(goal.figure, each.ours),
        *(_number(goal.figure, kept.spread(goal.measure, each.broker, client, goal.figure)) for client in PEERS),
        ABSENT if each.ratio is None else f"{each.ratio:.2f}",
        judged,
    )


def _notes(all_verdicts: Sequence[Verdict]) -> list[str]:
    """Of what is missed, what there is to say."""
    missed = dict.fromkeys((each.goal.measure, each.goal.figure) for each in all_verdicts if each.met is False)
    said = [
        f"- {measure}, {FIGURES[figure].title}: {NOTES[measure, figure]}"
        for measure, figure in missed
        if (measure, figure) in NOTES
    ]
    return ["What is missed:", "", *said, ""] if said else []


def _measure(name: str, columns: Sequence[str], brokers: dict[str, dict[str, object]], kept: Kept) -> list[str]:
    rows = []
    for broker, outcomes in brokers.items():
        for client, outcome in outcomes.items():
            if isinstance(outcome, str):
                rows.append((broker, TITLES[client], outcome.replace("|", "/"), *("" for _ in columns[1:])))
                continue
            cells = []
            for figure in columns:
                spread = kept.spread(name, broker, client, figure)
                digits = FIGURES[figure].digits
                if spread is None:
                    cells.append(ABSENT)
                else:
                    cells.append(f"{spread.median:.{digits}f} ({spread.low:.{digits}f}-{spread.high:.{digits}f})")
            rows.append((broker, TITLES[client], *cells))
    return _table(("on", "client", *(FIGURES[figure].title for figure in columns)), rows)
