"""What each state of a producer says to a call that it does not allow."""

from __future__ import annotations

import pytest

from aioproducer.errors import MisuseError, ProducerClosedError, ProducerNotStartedError
from aioproducer.lifecycle import State, misuse


@pytest.mark.parametrize("state", [State.NEW, State.STARTING])
def test_not_started(state: State) -> None:
    error = misuse(state, "send()")
    assert type(error) is ProducerNotStartedError
    assert "send() on a producer that is not started" in str(error)
    assert "async with" in str(error)


@pytest.mark.parametrize("state", [State.CLOSING, State.CLOSED])
@pytest.mark.parametrize("call", ["send()", "start()"])
def test_closed(state: State, call: str) -> None:
    error = misuse(state, call)
    assert type(error) is ProducerClosedError
    assert str(error) == f"{call} on a producer that is closed: make a new one"


@pytest.mark.parametrize("state", [State.STARTING, State.RUNNING, State.FAILED])
def test_started_twice(state: State) -> None:
    error = misuse(state, "start()")
    assert type(error) is MisuseError
    assert "started already" in str(error)


@pytest.mark.parametrize("state", [State.RUNNING, State.FAILED])
def test_from_elsewhere(state: State) -> None:
    error = misuse(state, "flush()")
    assert type(error) is MisuseError
    assert "flush() from outside of the event loop" in str(error)
    assert "call_soon_threadsafe" in str(error)


@pytest.mark.parametrize("state", State)
def test_every_state_has_an_answer(state: State) -> None:
    assert "drain()" in str(misuse(state, "drain()"))
