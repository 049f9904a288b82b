"""The table of options in the terminal, and the page of the documentation that is made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from aioproducer.cli import main
from aioproducer.config import Config

PAGE = Path(__file__).parent.parent.parent / "docs" / "options.md"


def test_for_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["options"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("linger_ms  (float, default 5.0") for line in lines)
    assert [line.split("  (")[0] for line in lines if not line.startswith(" ")] == [
        row.name for row in Config.describe()
    ]
    assert max(map(len, lines)) < 160


def test_the_page_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["options", "--markdown"]) == 0
    assert PAGE.read_text() == capsys.readouterr().out, (
        "run: python -m aioproducer options --markdown > docs/options.md"
    )
