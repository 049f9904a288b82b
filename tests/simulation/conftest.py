"""Runs are silent, and what they leave to the collector is collected before other tests listen to the log again."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator

import pytest

from tests.simulation.run import silence


@pytest.fixture(autouse=True)
def silent() -> Iterator[None]:
    level = silence()
    yield
    gc.collect()
    logging.getLogger("aioproducer").setLevel(level)
