from __future__ import annotations

import pytest

from aioproducer.testing.faults import WHOLE_TOPIC, Fault, Faults, Kind

PRODUCE, FETCH = 0, 1
T0, T1 = ("t", 0), ("t", 1)


def error(code: int, **how: object) -> Fault:
    return Fault(kind=Kind.ERROR, api=PRODUCE, code=code, **how)  # type: ignore[arg-type]  # any field of Fault


def codes(faults: Faults, *subjects: tuple[str, int], api: int = PRODUCE, broker: int = 1) -> list[int]:
    return [fault.code for fault in faults.plan(api, broker, subjects).errors]


@pytest.fixture
def faults() -> Faults:
    return Faults()


def test_without_rules_nothing_happens(faults: Faults) -> None:
    plan = faults.plan(PRODUCE, 1, [T0])
    assert (plan.errors, plan.others) == ([], {})


def test_a_rule_is_used_up(faults: Faults) -> None:
    fault = faults.add(error(6, times=2))
    assert [codes(faults, T0) for _ in range(3)] == [[6], [6], []]
    assert (fault.hits, len(faults)) == (2, 0)


def test_a_rule_without_times_goes_on_until_it_is_removed(faults: Faults) -> None:
    fault = faults.add(error(6, times=None))
    assert [codes(faults, T0) for _ in range(3)] == [[6]] * 3
    fault.remove()
    fault.remove()
    assert codes(faults, T0) == []


def test_rules_of_one_kind_hit_one_after_another(faults: Faults) -> None:
    faults.add(error(6))
    faults.add(error(7))
    assert [codes(faults, T0) for _ in range(3)] == [[6], [7], []]


def test_some_requests_are_let_pass(faults: Faults) -> None:
    faults.add(error(6, skip=2))
    assert [codes(faults, T0) for _ in range(4)] == [[], [], [6], []]


@pytest.mark.parametrize(
    ("how", "hit"),
    [
        ({}, True),
        ({"partition": T0}, True),
        ({"partition": T1}, False),
        ({"partition": ("t", WHOLE_TOPIC)}, True),
        ({"partition": ("u", WHOLE_TOPIC)}, False),
        ({"broker": 1}, True),
        ({"broker": 2}, False),
    ],
)
def test_what_a_rule_hits(faults: Faults, how: dict[str, object], hit: bool) -> None:
    faults.add(error(6, **how))
    assert bool(codes(faults, T0)) is hit


def test_a_rule_hits_its_api_only(faults: Faults) -> None:
    faults.add(error(6))
    assert codes(faults, T0, api=FETCH) == []


def test_a_request_about_a_whole_topic_touches_all_partitions(faults: Faults) -> None:
    faults.add(error(6, partition=T1))
    assert codes(faults, ("t", WHOLE_TOPIC)) == [6]


def test_errors_for_several_partitions_hit_one_request_each_where_it_belongs(faults: Faults) -> None:
    for fault in (error(1, partition=T0), error(2, partition=T1), error(3), error(4, partition=("t", WHOLE_TOPIC))):
        faults.add(fault)
    plan = faults.plan(PRODUCE, 1, [T0, T1, ("t", 2), ("u", 0)])

    def code(topic: str, partition: int) -> int:
        found = plan.error(topic, partition, after=False)
        return found.code if found else 0

    assert [code("t", 0), code("t", 1), code("t", 2), code("u", 0)] == [1, 2, 4, 3]
    assert plan.error("t", 0, after=True) is None


def test_kinds_come_together_and_know_their_time(faults: Faults) -> None:
    delay = faults.add(Fault(kind=Kind.DELAY, api=PRODUCE, seconds=1))
    cut = faults.add(Fault(kind=Kind.DISCONNECT, api=PRODUCE, after=True))
    plan = faults.plan(PRODUCE, 1, [])
    assert (plan.before(Kind.DELAY), plan.after(Kind.DELAY)) == (delay, None)
    assert (plan.before(Kind.DISCONNECT), plan.after(Kind.DISCONNECT), plan.any(Kind.DISCONNECT)) == (None, cut, cut)


def test_only_one_rule_ends_a_request(faults: Faults) -> None:
    faults.add(Fault(kind=Kind.DISCONNECT, api=PRODUCE))
    faults.add(error(6))
    faults.add(Fault(kind=Kind.SILENCE, api=PRODUCE))
    faults.add(Fault(kind=Kind.THROTTLE, api=PRODUCE, milliseconds=5))
    taken = []
    for _ in range(4):
        plan = faults.plan(PRODUCE, 1, [T0])
        taken.append([*(f.kind for f in plan.errors), *plan.others])
    assert taken == [[Kind.DISCONNECT, Kind.THROTTLE], [Kind.ERROR], [Kind.SILENCE], []]


def test_clearing_ends_all(faults: Faults) -> None:
    fault = faults.add(error(6, times=None))
    faults.clear()
    assert codes(faults, T0) == []
    assert fault.used_up


@pytest.mark.parametrize("how", [{"times": -1}, {"skip": -1}, {"at": -1}, {"seconds": -1.0}, {"milliseconds": -1}])
def test_negative_numbers_are_refused(faults: Faults, how: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"negative|give 0 or more"):
        faults.add(error(6, **how))
