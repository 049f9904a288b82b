"""When metadata is asked for, and for what: pauses, new topics, age, idleness. Time is a number."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioproducer.cluster.backoff import ExponentialBackoff
from aioproducer.cluster.metadata import Metadata
from aioproducer.models import Node
from aioproducer.protocol.messages.metadata import (
    MetadataRequest,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from aioproducer.work import Work, at_once
from tests.support.metadata import answered


class Bench:
    """A Metadata and the cluster that answers it: topics have one partition; `leaders` are leader and epoch of that."""

    def __init__(self, *, max_age: float = 300.0, max_idle: float = 300.0, in_use: set[str] | None = None) -> None:
        self.metadata = Metadata(
            retry_backoff=ExponentialBackoff(100, 1000, jitter=0.0),
            max_age=max_age,
            max_idle=max_idle,
            draw=lambda: 0.5,
            in_use=None if in_use is None else in_use.__contains__,
        )
        self.errors: dict[str, int] = {}
        self.leaders: dict[str, tuple[int, int]] = {}

    def names(self, request: MetadataRequest) -> list[str]:
        assert request.topics is not None
        assert request.allow_auto_topic_creation
        return [topic.name or "" for topic in request.topics]

    def respond(self, request: MetadataRequest, now: float, cluster_id: str = "c") -> frozenset[str]:
        return at_once(self.answer(request, now, cluster_id))

    def answer(self, request: MetadataRequest, now: float, cluster_id: str = "c") -> Work[frozenset[str]]:
        topics = []
        for name in self.names(request):
            leader, epoch = self.leaders.get(name, (1, 0))
            error = self.errors.get(name, 0)
            partitions = (MetadataResponsePartition(partition_index=0, leader_id=leader, leader_epoch=epoch),)
            topics.append(MetadataResponseTopic(name=name, error_code=error, partitions=() if error else partitions))
        response = MetadataResponse(
            brokers=(MetadataResponseBroker(node_id=1, host="one", port=9092),),
            topics=tuple(topics),
            cluster_id=cluster_id,
        )
        return self.metadata.apply(answered(response), now)

    def round(self, now: float) -> list[str]:
        """Asks and answers; the topics asked for."""
        at = self.metadata.next_request_at()
        assert at is not None
        assert at <= now, f"nothing is due before {at}"
        request = self.metadata.build_request(now)
        self.respond(request, now)
        return self.names(request)

    def run(self, begin: float, end: float) -> list[tuple[float, list[str]]]:
        """All that is asked in a span of time."""
        asked = []
        now = begin
        while (at := self.metadata.next_request_at()) is not None and at <= end:
            now = max(now, at)
            asked.append((now, self.round(now)))
        return asked


def test_the_first_request_is_due_at_once_and_is_for_the_brokers() -> None:
    bench = Bench()
    assert bench.metadata.next_request_at() == 0.0
    assert bench.round(0.0) == []
    assert bench.metadata.next_request_at() == 300.0


def test_topics_wanted_in_one_turn_are_one_request_past_any_pause() -> None:
    bench = Bench()
    bench.round(0.0)
    bench.metadata.request_refresh(0.0)
    assert bench.metadata.next_request_at() == pytest.approx(0.1)
    for number in range(5000):
        assert bench.metadata.want(f"t{number}", 0.01)
        assert not bench.metadata.want(f"t{number}", 0.01)
    assert bench.metadata.next_request_at() == 0.01
    assert len(bench.round(0.01)) == 5000
    assert bench.metadata.next_request_at() == pytest.approx(0.1), "the refresh keeps its pause"
    assert len(bench.round(0.11)) == 5000


def test_one_request_at_a_time_and_what_is_wanted_meanwhile_goes_next() -> None:
    bench = Bench()
    bench.round(0.0)
    bench.metadata.want("a", 1.0)
    request = bench.metadata.build_request(1.0)
    assert bench.metadata.next_request_at() is None
    bench.metadata.want("b", 1.1)
    bench.metadata.request_refresh(1.1)
    assert bench.metadata.next_request_at() is None
    assert bench.respond(request, 2.0) == {"a"}
    assert bench.metadata.next_request_at() == 1.1
    assert bench.round(2.0) == ["b"], "new topics alone, for the pause is not over"
    assert bench.metadata.next_request_at() == pytest.approx(2.1)
    assert bench.round(2.1) == ["a", "b"]


def test_a_leaderless_partition_costs_about_one_request_a_second() -> None:
    bench = Bench()
    bench.round(0.0)
    bench.leaders["a"] = (-1, 3)
    bench.metadata.want("a", 1.0)
    asked = bench.run(1.0, 11.0)
    gaps = [later[0] - earlier[0] for earlier, later in pairwise(asked)]
    assert gaps[:5] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0])
    assert len(asked) <= 15
    bench.leaders["a"] = (1, 4)
    begin = asked[-1][0]
    assert len(bench.run(begin, begin + 100)) == 1, "settled"


@given(st.lists(st.sampled_from(["refresh", "want", "use", "again"]), min_size=1, max_size=30))
def test_whoever_asks_how_often_the_pause_is_kept(calls: list[str]) -> None:
    bench = Bench()
    bench.round(0.0)
    bench.errors["a"] = 3
    bench.metadata.want("a", 0.5)
    asked = 0
    now = 0.5
    while now < 2.5:
        for call in calls:
            if call == "refresh":
                bench.metadata.request_refresh(now)
            elif call == "again":
                bench.metadata.request_refresh(now, ["a"])
            elif call == "want":
                bench.metadata.want("a", now)
            else:
                bench.metadata.use("a", now)
        at = bench.metadata.next_request_at()
        if at is not None and at <= now:
            bench.round(now)
            asked += 1
        now += 0.001
    assert asked <= 7


def test_an_unknown_topic_is_asked_for_again_while_somebody_wants_it() -> None:
    in_use = {"a"}
    bench = Bench(in_use=in_use)
    bench.round(0.0)
    bench.errors["a"] = 3
    bench.metadata.want("a", 1.0)
    assert len(bench.run(1.0, 61.0)) > 55
    in_use.clear()
    assert len(bench.run(61.0, 200.0)) == 1
    assert bench.metadata.view.topics["a"].error_code == 3
    assert bench.metadata.want("a", 200.0)
    assert bench.run(200.0, 200.0) == [(200.0, ["a"])]


@pytest.mark.parametrize("error", [17, 29])
def test_errors_that_do_not_pass_are_not_asked_for_unless_wanted_again(error: int) -> None:
    bench = Bench()
    bench.round(0.0)
    bench.errors["a"] = error
    bench.metadata.want("a", 1.0)
    assert len(bench.run(1.0, 100.0)) == 1
    assert bench.metadata.want("a", 100.0)
    assert len(bench.run(100.0, 200.0)) == 1


def test_only_what_is_unsettled_is_asked_for_again() -> None:
    bench = Bench()
    bench.round(0.0)
    bench.errors["b"] = 5
    bench.metadata.want("a", 1.0)
    bench.metadata.want("b", 1.0)
    assert [names for _, names in bench.run(1.0, 1.2)] == [["a", "b"], ["b"]]


def test_new_topics_one_after_another_do_not_put_off_what_is_due() -> None:
    bench = Bench()
    bench.round(0.0)
    bench.metadata.want("first", 1.0)
    bench.round(1.0)
    bench.metadata.request_refresh(1.0)
    asked = []
    for number in range(20):
        now = 1.0 + number * 0.02
        bench.metadata.want(f"t{number}", now)
        asked.append((now, bench.round(now)))
    assert next(now for now, names in asked if "first" in names) == pytest.approx(1.1)


def test_everything_is_asked_for_after_max_age() -> None:
    bench = Bench(max_age=60)
    bench.round(0.0)
    bench.metadata.want("a", 1.0)
    bench.round(1.0)
    assert bench.run(2.0, 130.0) == [(60.0, ["a"]), (120.0, ["a"])]


def test_a_failure_backs_off_and_asks_for_the_same_again() -> None:
    bench = Bench()
    bench.round(0.0)
    bench.metadata.want("a", 1.0)
    now = 1.0
    gaps = []
    for _ in range(6):
        request = bench.metadata.build_request(now)
        assert bench.names(request) == ["a"]
        bench.metadata.failed(now)
        at = bench.metadata.next_request_at()
        assert at is not None
        gaps.append(at - now)
        now = at
    assert gaps == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0])
    bench.metadata.want("b", now + 0.01)
    assert bench.metadata.next_request_at() == now + 0.01, "a new topic does not wait"
    assert bench.round(now + 0.01) == ["a", "b"]


def test_a_failed_full_request_is_full_again() -> None:
    bench = Bench()
    bench.metadata.want("a", 0.0)
    bench.round(0.0)
    bench.metadata.request_refresh(5.0)
    assert bench.names(bench.metadata.build_request(5.0)) == ["a"]
    bench.metadata.failed(5.0)
    bench.metadata.failed(5.0)
    assert bench.round(6.0) == ["a"]


def test_after_a_quiet_spell_the_pauses_begin_anew() -> None:
    bench = Bench()
    bench.metadata.want("a", 0.0)
    bench.round(0.0)
    for now in (10.0, 10.3, 10.8):
        bench.metadata.request_refresh(now)
        bench.round(now)
    bench.metadata.request_refresh(10.8)
    assert bench.metadata.next_request_at() == pytest.approx(11.6)
    bench.round(11.7)
    bench.metadata.request_refresh(20.0)
    bench.round(20.0)
    bench.metadata.request_refresh(20.0)
    assert bench.metadata.next_request_at() == pytest.approx(20.2)


def test_an_idle_topic_is_forgotten_unless_it_is_used() -> None:
    in_use = {"busy"}
    bench = Bench(max_idle=10, max_age=6, in_use=in_use)
    for name in ("idle", "used", "busy"):
        bench.metadata.want(name, 0.0)
    bench.round(0.0)
    bench.round(6.0)
    bench.metadata.use("used", 9.0)
    request = bench.metadata.build_request(12.0)
    assert bench.respond(request, 12.0) == {"idle"}
    assert set(bench.metadata.view.topics) == {"used", "busy"}
    bench.metadata.use("idle", 13.0)
    assert bench.metadata.want("idle", 13.0)
    assert bench.round(13.0) == ["idle"]


def test_another_cluster_makes_everything_due() -> None:
    bench = Bench()
    bench.metadata.want("a", 0.0)
    bench.round(0.0)
    bench.metadata.want("b", 5.0)
    bench.respond(bench.metadata.build_request(5.0), 5.0, cluster_id="other")
    assert bench.metadata.next_request_at() == pytest.approx(5.1)
    assert bench.round(5.1) == ["a", "b"]


def test_a_leader_from_a_produce_answer() -> None:
    bench = Bench()
    bench.metadata.want("a", 0.0)
    bench.round(0.0)
    assert not bench.metadata.update_leader("a", 0, 2, 1, None)
    assert bench.metadata.update_leader("a", 0, 1, 1, None)
    assert bench.metadata.view.topics["a"].partitions[0].leader_epoch == 1
    assert repr(bench.metadata) == "<Metadata of 1 topics, idle>"


@pytest.mark.parametrize(
    ("answered", "left"),
    [
        ((1, 0), (2, 1)),  # the answer is older than what the produce answer said
        ((1, 1), (1, 1)),
        ((1, 2), (1, 2)),
    ],
)
def test_a_leader_that_is_named_while_an_answer_is_merged(answered: tuple[int, int], left: tuple[int, int]) -> None:
    bench = Bench()
    for name in ("a", "b"):
        bench.metadata.want(name, 0.0)
    bench.round(0.0)
    bench.leaders["a"] = answered
    bench.metadata.request_refresh(5.0)
    work = bench.answer(bench.metadata.build_request(5.0), 5.0)
    next(work)
    assert bench.metadata.update_leader("a", 0, 2, 1, Node(2, "two", 9092))
    assert bench.metadata.view.leader("a", 0) == Node(2, "two", 9092)
    assert bench.metadata.next_request_at() is None, "one request at a time"
    at_once(work)
    [partition] = bench.metadata.view.topics["a"].partitions
    assert (partition.leader, partition.leader_epoch) == left
    assert bench.metadata.view.leader("a", 0) is not None
    assert bench.metadata.next_request_at() is not None
