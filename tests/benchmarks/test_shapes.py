"""Which records a load has."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.measures.registry import MEASURES, measure_named
from benchmarks.shapes import SHAPES, shape_named


def test_keyed_messages_have_all_that_is_said_of_them() -> None:
    messages = list(shape_named("keyed-headers").messages(3))
    assert [message.key for message in messages] == [b"customer%08d" % number for number in range(3)]
    assert all(message.key is not None and len(message.key) == 16 for message in messages)
    assert all(message.headers is not None and len(message.headers) == 2 for message in messages)
    assert len({message.timestamp_ms for message in messages}) == 3


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_values_have_their_size_and_differ(shape: object) -> None:
    load = next(each for each in SHAPES if each is shape)
    values = list(load.values(1_000))
    assert len(set(values)) == 1_000
    sizes = Counter(map(len, values))
    large = 1_000 * load.large_percent // 100
    assert sizes == Counter({load.value_size: 1_000 - large} | ({load.large_size: large} if large else {}))
    assert list(load.values(1_003))[1_000:] == values[:3]


def test_a_service_sends_to_all_its_topics() -> None:
    shape = shape_named("service-1000")
    assert {message.topic for message in shape.messages(100)} == set(shape.topic_names)


def test_runs_of_records_go_to_one_topic_after_the_other() -> None:
    shape = shape_named("topics-5000")
    topics = [message.topic for message in shape.messages(201)]
    assert topics == [shape.topic_names[0]] * 100 + [shape.topic_names[1]] * 100 + [shape.topic_names[2]]
    assert len({message.topic for message in shape.messages(5_000, run_length=1)}) == 5_000


def test_unknown_names_say_which_there_are() -> None:
    with pytest.raises(ValueError, match="one-at-a-time"):
        shape_named("sideways")
    with pytest.raises(ValueError, match="one-at-a-time"):
        measure_named("sideways")


def test_measures_have_names_of_their_own() -> None:
    assert len({measure.name for measure in MEASURES}) == len(MEASURES)
    assert all(set(measure.quick) <= set(measure.brokers) for measure in MEASURES)
