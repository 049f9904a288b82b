"""Goals are held against a run as they say; the pages in docs are what the newest kept run renders to."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from benchmarks.clients.names import AIOKAFKA, CONFLUENT, JAVA, OURS, TITLES
from benchmarks.figures import FIGURES
from benchmarks.goals import GOALS, NOTES, Goal, verdict, verdicts
from benchmarks.kept import Kept, newest, newest_growth
from benchmarks.measures.base import NOWHERE
from benchmarks.measures.registry import measure_named
from benchmarks.pages.__main__ import rendered, rendered_growth
from benchmarks.pages.charts import CHARTS, draw
from benchmarks.pages.readme import section, with_section
from benchmarks.shapes import MOCK, REAL

ROOT = Path(__file__).parent.parent.parent


def cpu(*microseconds: float) -> list[dict[str, float]]:
    return [
        {"acknowledged": 1_000, "seconds": 0.01, "bytes": 100_000, "cpu_seconds": each / 1_000} for each in microseconds
    ]


KEPT = Kept(
    {
        "command": "python -m benchmarks",
        "brokers": {REAL: "a Kafka"},
        "results": {
            "pipelined-100b": {
                "title": "a load & more",
                "columns": ["cpu"],
                "brokers": {
                    REAL: {OURS: cpu(2, 3, 4), AIOKAFKA: cpu(12), CONFLUENT: cpu(2.5), JAVA: "no Java"},
                    MOCK: {OURS: cpu(2.5)},
                },
            },
            "import": {"title": "import", "columns": ["import"], "brokers": {NOWHERE: {OURS: [{"import_ms": 61.0}]}}},
        },
    }
)


def goal(says: str, measure: str = "pipelined-100b") -> Goal:
    (found,) = (each for each in GOALS if each.measure == measure and each.says == says)
    return found


def test_a_goal_that_is_a_number() -> None:
    missed = verdict(goal("at most 2.5 us"), REAL, KEPT)
    assert missed.met is False
    assert missed.beyond == pytest.approx(0.2)
    assert verdict(goal("at most 2.5 us"), MOCK, KEPT).met
    assert verdict(goal("at most 60 ms", "import"), NOWHERE, KEPT).beyond == pytest.approx(1 / 60)


def test_a_goal_that_is_a_share_of_a_peer() -> None:
    missed = verdict(goal("at most 1/6 of aiokafka"), REAL, KEPT)
    assert missed.met is False
    assert missed.bound == pytest.approx(2)
    assert missed.ratio == pytest.approx(0.25)
    assert verdict(goal("at most 1.1 x confluent, callback"), REAL, KEPT).ratio == pytest.approx(1.2)


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    assert verdict(goal("at most 1/6 of aiokafka"), MOCK, KEPT).met is None
    assert verdict(goal("at most 1/6 of AIOProducer"), REAL, KEPT).met is None


def test_goals_ask_for_what_is_measured() -> None:
    for each in GOALS:
        measure = measure_named(each.measure)
        assert set(each.brokers) <= set(measure.brokers), each
        assert each.client in measure.clients, each
        assert each.figure in FIGURES
        if each.against is not None:
            assert each.against.client in measure_named(each.against.measure or each.measure).clients, each
            assert set(each.brokers) <= set(measure_named(each.against.measure or each.measure).brokers), each
    assert {(each.measure, each.figure) for each in GOALS} >= NOTES.keys()


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.file)
def test_charts_are_of_what_is_measured(chart: object) -> None:
    (found,) = (each for each in CHARTS if each is chart)
    assert set(found.brokers) <= set(measure_named(found.measure).brokers)
    assert found.figure in measure_named(found.measure).columns


def test_a_chart_has_a_bar_for_each_client_that_was_measured() -> None:
    picture = ElementTree.fromstring(draw(CHARTS[0], KEPT))
    space = "{http://www.w3.org/2000/svg}"
    bars = [float(each.attrib["width"]) for each in picture.iter(f"{space}rect")]
    assert bars == pytest.approx([bars[1] / 4, bars[1], bars[1] / 4.8, bars[1] / 4.8], rel=0.01)
    texts = [each.text for each in picture.iter(f"{space}text")]
    assert "a load & more" in texts
    assert TITLES[AIOKAFKA] in texts
    assert TITLES[JAVA] not in texts


def test_the_readme_gets_its_section() -> None:
    made = with_section("before\n## Beside its peers\nold | 1\n\n## More\nafter\n", KEPT, "run.json")
    assert made == f"before\n{section(KEPT, 'run.json')}\n## More\nafter\n"
    assert "| pipelined, 100 B | 100.0 · 3.0 | 100.0 · 12.0 | - | - | 100.0 · 2.5 | - |" in made


def test_of_what_is_missed_there_is_something_to_say() -> None:
    kept = Kept.read(newest())
    for each in verdicts(kept):
        assert each.met is not None, f"{each.goal} was not measured on {each.broker}"
        assert each.met or (each.goal.measure, each.goal.figure) in NOTES, each.goal


def test_the_pages_are_those_of_the_newest_kept_runs() -> None:
    run = newest()
    for path, text in {**rendered(Kept.read(run), run.name), **rendered_growth(newest_growth())}.items():
        assert (ROOT / path).read_text() == text, f"{path} is not up to date: make bench-pages"
