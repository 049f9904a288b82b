"""The README's programs run as they stand there, against the embedded cluster, and what it says of the project is
there.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import pytest

from aioproducer.config import Config
from aioproducer.testing import EmbeddedCluster
from benchmarks.kept import Kept, newest
from benchmarks.pages.readme import with_section

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PROGRAMS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_there_are_programs() -> None:
    assert len(PROGRAMS) == 4


@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize("number", range(len(PROGRAMS)))
async def test_program(number: int) -> None:
    async with EmbeddedCluster(brokers=3) as cluster:
        cluster.create_topic("orders", partitions=3)
        program = PROGRAMS[number].replace("localhost:9092", cluster.bootstrap_servers)
        names: dict[str, object] = {}
        exec(f"async def main():\n{textwrap.indent(program, '    ')}", names)
        await cast(Callable[[], Awaitable[None]], names["main"])()
        if "localhost:9092" in PROGRAMS[number]:
            assert sum(len(cluster.records(topic)) for topic in cluster.topics()) in (1, 1000)


def _table(heading: str) -> list[list[str]]:
    section = README.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def test_options_have_the_defaults_it_says() -> None:
    described = {row.name: row for row in Config.describe()}
    config = Config("localhost:9092")
    for names, default, _ in _table("Options"):
        for name in re.findall(r"`(\w+)`", names):
            assert name in described
            value = getattr(config, name)
            if default == "none":
                assert value is None
            elif name != "acks":
                assert value == ast.literal_eval(default.strip("`"))


def test_paths_it_names_exist() -> None:
    paths = re.findall(r"`(tests/[\w/.]+)`|\]\(([\w/.-]+)\)", README)
    named = {code or link for code, link in paths}
    assert len(named) > 8
    missing = [path for path in named if not (ROOT / path).exists()]
    assert not missing


def test_promises_are_shown_by_tests_that_are_there() -> None:
    shown = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", README)
    assert len(shown) > 12
    for path, test in shown:
        assert re.search(rf"^(async )?def {test}\(", (ROOT / path).read_text(), re.MULTILINE), (path, test)
    assert all("`tests/" in row[-1] for row in _table("Guarantees"))


def test_figures_are_those_of_the_newest_kept_run() -> None:
    run = newest()
    assert with_section(README, Kept.read(run), run.name) == README, "not up to date: make bench-pages ARGS=--readme"
