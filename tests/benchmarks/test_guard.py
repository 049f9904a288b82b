"""A guard against gross regressions: a record may not cost over twice what it costs aiokafka in the same run.

The best of up to three rounds of each, in turns, so that a busy machine can not fail it: to fail, every round of ours
has to be more than twice as dear as aiokafka's best. Goals are another matter; see docs/performance.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from benchmarks.brokers import Broker, mock_broker
from benchmarks.clients.names import AIOKAFKA, OURS
from benchmarks.figures import figure_of
from benchmarks.programs import run_program
from benchmarks.shapes import shape_named

ROUNDS = 3
RECORDS = 20_000
MOST = 2.0
SHAPE = "pipelined-100b"


@pytest.fixture
def broker() -> Iterator[Broker]:
    with mock_broker([shape_named(SHAPE)]) as running:
        yield running


def cpu_of(client: str, broker: Broker) -> float:
    """Microseconds of CPU time per record of one round."""
    sample = run_program("benchmarks.worker", client, SHAPE, broker.bootstrap, RECORDS, 1)
    assert sample["acknowledged"] == RECORDS
    cpu = figure_of("cpu", sample)
    assert cpu is not None
    return cpu


def test_a_record_costs_at_most_twice_what_it_costs_aiokafka(broker: Broker) -> None:
    ours = theirs = math.inf
    for _ in range(ROUNDS):
        ours = min(ours, cpu_of(OURS, broker))
        theirs = min(theirs, cpu_of(AIOKAFKA, broker))
        if ours <= MOST * theirs:
            break
    assert ours <= MOST * theirs, f"{ours:.1f} us of CPU per record, aiokafka {theirs:.1f}"
