"""The queue of one partition keeps the order of the calls."""

from __future__ import annotations

from collections.abc import Sized

from hypothesis import given
from hypothesis import strategies as st

from aioproducer.batching.partition_queue import PartitionQueue
from tests.support.batching import Core


@given(st.permutations(range(5)), st.integers(0, 5))
def test_batches_are_put_back_in_order(back: list[int], taken: int) -> None:
    core = Core()
    core.know("orders", 0)
    queue = core.queue()
    for _ in range(5):
        core.send()
        core.accumulator.seal(queue)
    batches = list(queue.batches())
    removed = [batches[number] for number in back if number < taken]
    for batch in removed:
        queue.drop(batch)
    assert list(queue.batches()) == batches[taken:]
    assert queue.queued == 5 - taken
    core.send()  # behind the youngest, whichever that is now
    assert queue.open is not None
    batches.append(queue.open)
    assert list(queue.batches()) == batches[taken:]
    for batch in removed:
        queue.put_back(batch)
    assert list(queue.batches()) == batches
    assert (queue.head, queue.queued) == (batches[0], 6)
    assert [queue.take() for _ in batches] == batches
    assert (queue.head, queue.queued, queue.in_flight) == (None, 0, 6)


def test_an_idle_queue_holds_no_container() -> None:
    core = Core()
    core.know("orders", 0)
    queue = core.queue()
    heard: list[object] = []
    core.send(on_delivery=lambda metadata, _error: heard.append(metadata))
    (batch,) = queue.batches()
    assert (queue.idle, queue.in_flight, len(core.owed)) == (False, 0, 1)
    core.accumulator.seal(queue)
    assert core.drain() == [batch]
    assert (queue.idle, queue.in_flight, queue.taken, list(queue.batches())) == (False, 1, (batch,), [])
    core.acknowledge(batch)
    core.loop.turn()
    assert (queue.idle, queue.in_flight, len(heard), core.owed) == (True, 0, 1, {})
    held = [getattr(queue, name) for name in PartitionQueue.__slots__]
    assert not any(isinstance(each, Sized) and not isinstance(each, str | tuple) for each in held)


def test_repr_says_the_state() -> None:
    core = Core()
    core.know("orders", 4)
    core.send()
    assert repr(core.queue()) == "<PartitionQueue orders[0]: 1 batches queued, 0 in flight, leader 4>"


def test_stalled_is_what_no_sender_comes_for() -> None:
    core = Core(linger=0.0)
    core.know("orders", 0)
    core.now = 10.0
    core.send()
    node = core.nodes[0]
    queue = core.intake.topics["orders"].queue(0)
    assert not queue.stalled(12.0, 2.0)
    assert queue.stalled(12.1, 2.0)
    node.drained_at = 11.0
    assert not queue.stalled(13.0, 2.0)
    core.now = 13.0
    assert len(core.drain()) == 1
    assert not queue.stalled(99.0, 2.0), "nothing waits"
    core.send()
    assert not queue.stalled(15.0, 2.0)
    assert queue.stalled(15.1, 2.0), "also where it may not go because of what is unanswered"


def test_a_batch_that_lingers_has_not_stalled() -> None:
    core = Core(linger=60.0)
    core.know("orders", 0)
    core.send()
    assert not core.intake.topics["orders"].queue(0).stalled(50.0, 2.0)
