"""The section of README.md with the peers, rendered from a kept run. Text only."""

from __future__ import annotations

import re

from benchmarks.clients.names import AIOKAFKA, CONFLUENT, CONFLUENT_AIO, CONFLUENT_THREAD, JAVA, OURS
from benchmarks.kept import Kept
from benchmarks.pages.charts import CHARTS
from benchmarks.report import ABSENT
from benchmarks.shapes import REAL

HEADING = "## Beside its peers\n"
LOADS = {
    "pipelined-100b": "pipelined, 100 B",
    "pipelined-1k": "pipelined, 1 KiB",
    "pipelined-10k": "pipelined, 10 KiB",
    "keyed-headers": "pipelined, 100 B, key, two headers, timestamp",
    "tasks-100": "100 tasks, each awaiting its record",
    "service-1000": "1,000 tasks, 12 topics, keys, some large",
    "flood-20000": "20,000 tasks at once, one partition",
    "one-at-a-time": "one task, record after record",
}
CLIENTS = {
    OURS: "aioproducer",
    AIOKAFKA: "aiokafka",
    CONFLUENT_AIO: "confluent AIOProducer",
    CONFLUENT_THREAD: "confluent, thread + futures",
    CONFLUENT: "confluent, callbacks (no asyncio)",
    JAVA: "Java's perf tool",
}


def section(kept: Kept, run: str) -> str:
    """From its heading to the next one's blank line."""
    content = kept.content
    lines = [
        HEADING,
        f"{content['brokers'][REAL]}, `acks=all` and idempotence for all, a result for each record; thousands of",
        "records/s · microseconds of client CPU per record, medians, a fresh process each. Compare within a row:",
        f"absolute figures are the machine's. From [the kept run](benchmarks/results/{run}), made by",
        f"`{content['command']}`;",
        "[Performance](docs/performance.md) has all of it, and what is aimed at.",
        "",
        f"![CPU per record](docs/charts/{CHARTS[0].file})",
        "",
        f"| load | {' | '.join(CLIENTS.values())} |",
        "|" + "---|" * (len(CLIENTS) + 1),
    ]
    for measure, load in LOADS.items():
        cells = []
        for client in CLIENTS:
            rate, cpu = (kept.spread(measure, REAL, client, figure) for figure in ("rate", "cpu"))
            cells.append(ABSENT if rate is None or cpu is None else f"{rate.median:.1f} · {cpu.median:.1f}")
        lines.append(f"| {load} | {' | '.join(cells)} |")
    lines += ["", "A dash: the client can not do it, or not in time.", ""]
    return "\n".join(lines)


def with_section(readme: str, kept: Kept, run: str) -> str:
    """The README with this section in the place of the old one."""
    return re.sub(rf"{re.escape(HEADING)}.*?(?=\n## )", lambda _: section(kept, run), readme, count=1, flags=re.DOTALL)
