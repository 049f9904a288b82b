"""Reading back what a benchmark wrote: from a real log, and every way in which it may be wrong."""

from __future__ import annotations

from collections import Counter

import pytest
from confluent_kafka import Producer

from benchmarks.brokers import mock_broker
from benchmarks.counting_proxy import Count
from benchmarks.measures.base import Bench
from benchmarks.measures.sending import send
from benchmarks.readback import ReadBackError, Reader, check
from benchmarks.shapes import shape_named

SENT = Counter({b"a": 2, b"b": 1})


def test_what_was_sent_is_found() -> None:
    check(3, Counter(SENT), SENT)


@pytest.mark.parametrize(
    ("appended", "found", "says"),
    [
        (2, Counter({b"a": 2}), "3 records acknowledged, 2 in the log"),
        (4, Counter({b"a": 2, b"b": 2}), "3 records acknowledged, 4 in the log"),
        (3, Counter({b"a": 1, b"b": 2}), "instead of"),
        (3, Counter({b"a": 2, b"c": 1}), "instead of 0"),
    ],
)
def test_what_is_not_so_is_said(appended: int, found: Counter[bytes], says: str) -> None:
    with pytest.raises(ReadBackError, match=says):
        check(appended, found, SENT)


def test_of_a_log_that_keeps_less_nothing_may_be_there_more_often() -> None:
    check(3, Counter({b"a": 1}), SENT)
    with pytest.raises(ReadBackError, match="3 times instead of 2"):
        check(3, Counter({b"a": 3}), Counter({b"a": 2, b"b": 1}))


def test_only_what_is_new_is_read() -> None:
    shape = shape_named("pipelined-100b")
    places = [(shape.topic, number) for number in range(shape.partitions)]
    with mock_broker([shape]) as broker, Reader(broker.bootstrap) as reader:
        producer = Producer({"bootstrap.servers": broker.bootstrap})
        producer.produce(shape.topic, b"old", partition=1)
        assert producer.flush(10) == 0
        before = reader.ends(places)
        for partition in (0, 1, 1):
            producer.produce(shape.topic, b"new", partition=partition)
        assert producer.flush(10) == 0
        assert reader.counts(before, reader.ends(places)) == (3, Counter({b"new": 3}))


@pytest.mark.parametrize("client", ["aioproducer", "aioproducer-send-all", "aioproducer-uvloop"])
def test_a_round_is_read_back(client: str) -> None:
    shape = shape_named("pipelined-100b")
    with mock_broker([shape]) as broker, Reader(broker.bootstrap) as reader:
        sample = send(Bench(broker, reader, 0.2, True, 0), client, shape)
    assert sample["acknowledged"] == shape.quick_records


def test_the_raw_client_is_acknowledged_and_read_back() -> None:
    shape = shape_named("one-at-a-time")
    with mock_broker([shape]) as broker, Reader(broker.bootstrap) as reader:
        sample = send(Bench(broker, reader, 0.2, True, 0), "raw", shape)
    assert 0 < sample["p50_ms"] <= sample["p99_ms"]


@pytest.mark.parametrize("size", [1, 3, 7, 1_000])
def test_frames_are_counted_however_they_are_cut(size: int) -> None:
    produce = b"\0\0\0\x0a" + b"\0\0" + b"\0\x09" + b"123456"
    other = b"\0\0\0\x04" + b"\0\x12" + b"\0\0"
    stream = produce + other + produce
    count = Count()
    for at in range(0, len(stream), size):
        count.feed(stream[at : at + size])
    assert (count.requests, count.bytes) == (2, 2 * len(produce))
