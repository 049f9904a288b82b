"""The picture of the growth: CPU per record over the number of topics, a line for each client and load, as SVG.

The same outcomes give the same text. Both axes are logarithmic, so that a level line is one that does not grow,
whatever its height. Colours are such that it can be read on white and on black.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from xml.sax.saxutils import escape

from benchmarks.clients import TITLES
from benchmarks.growth.loads import Kind, Load, loads_of
from benchmarks.growth.report import CPU, Outcomes, spread

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 60, 230, 24, 56
FLOOR, CEILING = 1.0, 100.0
MARKS = (1, 2, 5, 10, 20, 50, 100)
COLOURS = {"aioproducer": "#1f9d55", "aiokafka": "#d97706"}
GREY = "#808080"
KINDS = ((Kind.RUNS, "full batches", ""), (Kind.TURNS, "batches of 20", "5 4"))


def draw(outcomes: Outcomes) -> str:
    """The SVG. Loads that no client has figures for are left out."""
    body = _axes()
    last_label = 0.0
    ends = []
    for kind, title, dashes in KINDS:
        for client, colour in COLOURS.items():
            points = [
                (_x(load), _y(cost.median), cost.median)
                for load in loads_of(kind)
                if (cost := spread(outcomes, load, client, CPU)) is not None
            ]
            if points:
                body += _line(points, colour, dashes)
                ends.append((points[-1], f"{TITLES[client]}, {title}", colour))
    for (x, y, reached), label, colour in sorted(ends, key=lambda end: end[0][1]):
        last_label = max(y + 4, last_label + 15)
        body.append(_text(x + 10, last_label, f"{reached:.1f} us: {label}", colour, "start"))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
            ' font-family="sans-serif" font-size="12">',
            "<title>CPU per record over the number of topics</title>",
            *body,
            "</svg>\n",
        ]
    )


def _x(load: Load) -> float:
    most = max(each.topics for each in loads_of(Kind.RUNS))
    return LEFT + (WIDTH - LEFT - RIGHT) * log10(load.topics) / log10(most)


def _y(cost: float) -> float:
    share = log10(min(max(cost, FLOOR), CEILING) / FLOOR) / log10(CEILING / FLOOR)
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share


def _text(x: float, y: float, text: str, colour: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{escape(text)}</text>'


def _axes() -> list[str]:
    right = WIDTH - RIGHT
    parts = []
    for mark in MARKS:
        y = _y(mark)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{right}" stroke="{GREY}" stroke-opacity="0.3"/>')
        parts.append(_text(LEFT - 8, y + 4, str(mark), GREY, "end"))
    for load in loads_of(Kind.RUNS):
        parts.append(_text(_x(load), HEIGHT - BOTTOM + 18, load.size, GREY, "middle"))
    parts.append(_text((LEFT + right) / 2, HEIGHT - 16, "topics x partitions", GREY, "middle"))
    parts.append(_text(LEFT - 8, TOP - 8, "us of CPU per record", GREY, "start"))
    return parts


def _line(points: Sequence[tuple[float, float, float]], colour: str, dashes: str) -> list[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    line = f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashed}/>'
    return [line, *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y, _ in points)]
