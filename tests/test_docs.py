"""What the pages under docs/ say of numbers, classes and tests is so."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from pathlib import Path

from aioproducer.partitioning.base import Partitions, choose
from aioproducer.partitioning.sticky import weigh

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def test_links_and_tests_are_there() -> None:
    for page in DOCS.glob("*.md"):
        text = page.read_text()
        for link in re.findall(r"\]\(([^)#:]+)(?:#[\w-]*)?\)", text):
            assert (DOCS / link).exists(), (page.name, link)
        for path in re.findall(r"`(tests/[\w/.]+)`", text):
            assert (ROOT / path).exists(), (page.name, path)


def test_the_picture_of_the_weights() -> None:
    rows = re.findall(r"^ +(\d)   (█*) +(\d) (█+) +(\d)$", (DOCS / "placement.md").read_text(), re.MULTILINE)
    queues = [len(bar) for _, bar, _, _, _ in rows]
    weights = [int(weight) for _, _, weight, _, _ in rows]
    assert [len(bar) for *_, bar, _ in rows] == weights
    assert [int(visits) for *_, visits in rows] == weights
    there = Partitions(len(rows))
    chosen = Counter(weigh(there, queues).pick(random) for random in range(sum(weights)))
    assert [chosen[partition] for partition in there] == weights


def test_partitioners_that_are_shipped() -> None:
    named = re.findall(r"^\| `(\w+)\.(\w+)` \|", (DOCS / "placement.md").read_text(), re.MULTILINE)
    assert len(named) == 7
    for module, name in named:
        partitioner = getattr(importlib.import_module(f"aioproducer.partitioning.{module}"), name)()
        assert choose(partitioner, "t", b"key", None, Partitions(3)) in range(3)
