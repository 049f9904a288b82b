"""Writes docs/performance.md, docs/growth.md and their charts from the newest kept runs; with --readme, README too."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.kept import Kept, newest, newest_growth
from benchmarks.pages import growth
from benchmarks.pages.charts import CHARTS, draw
from benchmarks.pages.performance import page
from benchmarks.pages.readme import with_section

ROOT = Path(__file__).parent.parent.parent


def rendered(kept: Kept, run: str) -> dict[str, str]:
    """Every file, by its path in the tree, but the README."""
    charts = {
        f"docs/charts/{chart.file}": draw(chart, kept) for chart in CHARTS if chart.measure in kept.content["results"]
    }
    return {"docs/performance.md": page(kept, run), **charts}


def rendered_growth(run: Path) -> dict[str, str]:
    return growth.pages(json.loads(run.read_text("utf-8")), run.name)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--readme", action="store_true", help="README's section with the peers, too")
    arguments = parser.parse_args()
    run = newest()
    kept = Kept.read(run)
    files = {**rendered(kept, run.name), **rendered_growth(newest_growth())}
    if arguments.readme:
        files["README.md"] = with_section((ROOT / "README.md").read_text("utf-8"), kept, run.name)
    for path, text in files.items():
        (ROOT / path).parent.mkdir(exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
