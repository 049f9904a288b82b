"""Bar charts as SVG, drawn from a kept run: a bar per client, a whisker from the least to the most of the rounds.

Text and numbers in, text out; colours work on light and on dark ground.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.clients.names import OURS, TITLES
from benchmarks.figures import FIGURES
from benchmarks.kept import Kept
from benchmarks.report import Spread
from benchmarks.shapes import MOCK, REAL

WIDTH, LABELS, NUMBERS = 720, 240, 70
ROW, BAR, TOP, GAP = 26, 16, 46, 30
OUR_COLOUR, THEIR_COLOUR, INK, FAINT = "#2f7ed8", "#9aa5b1", "#57606a", "#8c959f"
BROKER_TITLES = {REAL: "real Kafka", MOCK: "librdkafka's mock"}


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn: one figure of one measure, on each of these brokers."""

    file: str
    measure: str
    figure: str
    better: str
    brokers: tuple[str, ...] = (REAL, MOCK)


CHARTS = (
    Chart("cpu-per-record.svg", "pipelined-100b", "cpu", "less is better"),
    Chart("hundred-tasks.svg", "tasks-100", "rate", "more is better"),
    Chart("one-at-a-time.svg", "one-at-a-time", "p50", "less is better"),
    Chart("bytes-per-cpu.svg", "pipelined-1k", "mb_per_cpu", "more is better"),
)


def draw(chart: Chart, kept: Kept) -> str:
    """The whole picture. A client that was not measured has no bar."""
    groups = []
    for broker in chart.brokers:
        spreads = {
            client: kept.spread(chart.measure, broker, client, chart.figure)
            for client in kept.outcomes(chart.measure, broker)
        }
        groups.append((BROKER_TITLES[broker], {each: spread for each, spread in spreads.items() if spread is not None}))
    most = max((spread.high for _, bars in groups for spread in bars.values()), default=1.0)
    figure = FIGURES[chart.figure]
    lines = [_text(0, 16, f"{kept.title(chart.measure)}", INK, weight="bold")]
    lines.append(_text(0, 34, f"{figure.title}, {chart.better}; whiskers: all rounds", FAINT))
    top = TOP
    for title, bars in groups:
        if not bars:
            continue
        lines.append(_text(0, top + 14, title, INK, weight="bold"))
        top += ROW
        for client, spread in bars.items():
            lines += _bar(client, spread, top, most, figure.digits)
            top += ROW
        top += GAP - ROW // 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}" '
        f'role="img" font-family="system-ui, sans-serif" font-size="13">\n' + "\n".join(lines) + "\n</svg>\n"
    )


def _bar(client: str, spread: Spread, top: int, most: float, digits: int) -> Sequence[str]:
    def place(value: float) -> float:
        return LABELS + (WIDTH - LABELS - NUMBERS) * value / most

    middle = top + BAR / 2
    colour = OUR_COLOUR if client.startswith(OURS) else THEIR_COLOUR
    return (
        _text(0, top + 13, TITLES[client], INK),
        f'<rect x="{LABELS}" y="{top}" width="{place(spread.median) - LABELS:.1f}" height="{BAR}" fill="{colour}"/>',
        f'<path d="M{place(spread.low):.1f} {middle}H{place(spread.high):.1f}" stroke="{INK}" stroke-width="2"/>',
        _text(place(spread.high) + 6, top + 13, f"{spread.median:.{digits}f}", INK),
    )


def _text(x: float, y: float, text: str, colour: str, weight: str = "normal") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" font-weight="{weight}">{escape(text)}</text>'
