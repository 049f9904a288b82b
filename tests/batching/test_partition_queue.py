"""The queue of one partition keeps the order of the calls."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.support.batching import Core


@given(st.permutations(range(5)), st.integers(0, 5))
def test_batches_are_put_back_in_order(back: list[int], taken: int) -> None:
    core = Core()
    core.know("orders", 0)
    queue = core.queue()
    for _ in range(5):
        core.send()
        core.accumulator.seal(queue)
    batches = list(queue.batches)
    removed = [batches[number] for number in back if number < taken]
    for batch in removed:
        queue.batches.remove(batch)
    for batch in removed:
        queue.put_back(batch)
    assert list(queue.batches) == batches


def test_repr_says_the_state() -> None:
    core = Core()
    core.know("orders", 4)
    core.send()
    assert repr(core.queue()) == "<PartitionQueue orders[0]: 1 batches queued, 0 in flight, leader 4>"
