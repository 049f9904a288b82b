"""What a handler gets and what it gives back: no I/O, no waiting, only an answer or an instruction what to do instead.

A handler is a function of a request and a `Call`. It reads and changes the `ClusterState`, and looks up the faults
that were ordered for this request where they concern its result. Delays, disconnects and spoilt bytes are the server's
matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, TypeAlias, TypeVar

from aioproducer.protocol.schema import Request, Response
from aioproducer.testing.codes import Code
from aioproducer.testing.faults import WHOLE_TOPIC, Plan, Subject
from aioproducer.testing.releases import Release
from aioproducer.testing.state import ClusterState, Partition

R = TypeVar("R", bound=Request)


class Instruction(Enum):
    """What to do with a request that gets no answer."""

    NO_ANSWER = "no answer"
    CLOSE = "close the connection"


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet: call `attempt(False)` after each change of the cluster, and `attempt(True)` when `seconds` are over.

    It returns None while there is nothing to say; the last call always returns something.
    """

    seconds: float
    attempt: Callable[[bool], Response | None]


Outcome: TypeAlias = Response | Instruction | Wait


@dataclass(slots=True)
class Call:
    """One request on its way through a broker: who is asked, in which version, with which faults."""

    state: ClusterState
    release: Release
    broker: int
    version: int
    plan: Plan

    def refused(self, topic: str, partition: int = WHOLE_TOPIC) -> int:
        """The error code ordered for this request before it takes effect; 0 is none."""
        fault = self.plan.error(topic, partition, after=False)
        return fault.code if fault else 0

    def spoilt(self, topic: str, partition: int = WHOLE_TOPIC) -> int:
        """The error code ordered in place of a success; 0 is none."""
        fault = self.plan.error(topic, partition, after=True)
        return fault.code if fault else 0

    def message(self, topic: str, partition: int = WHOLE_TOPIC) -> str | None:
        """The sentence that goes with an ordered error."""
        fault = self.plan.error(topic, partition, after=False) or self.plan.error(topic, partition, after=True)
        return fault.message if fault else None

    def led(self, topic: str, partition: int) -> tuple[Partition | None, Code]:
        """The partition if this broker leads it, with NONE; else the code that says why not."""
        found = self.state.find(topic, partition)
        if found is None:
            return None, Code.UNKNOWN_TOPIC_OR_PARTITION
        if found.leader != self.broker:
            return found, Code.NOT_LEADER_OR_FOLLOWER
        return found, Code.NONE


def check_epoch(partition: Partition, known: int) -> Code:
    """What a leader says of the leader epoch that a reader knows; -1 is not checked."""
    if known < 0 or known == partition.leader_epoch:
        return Code.NONE
    return Code.FENCED_LEADER_EPOCH if known < partition.leader_epoch else Code.UNKNOWN_LEADER_EPOCH


class Handler(NamedTuple):
    """One API: how to answer it, and which topics and partitions a request touches."""

    handle: Callable[[Request, Call], Outcome]
    subjects: Callable[[Request, ClusterState], Sequence[Subject]]


def handler(
    request_type: type[R],
    handle: Callable[[R, Call], Outcome],
    subjects: Callable[[R, ClusterState], Sequence[Subject]] | None = None,
) -> Handler:
    """Makes a Handler of functions for one request type, which they may then rely on."""

    def checked_handle(request: Request, call: Call) -> Outcome:
        assert isinstance(request, request_type)
        return handle(request, call)

    def checked_subjects(request: Request, state: ClusterState) -> Sequence[Subject]:
        assert isinstance(request, request_type)
        return subjects(request, state) if subjects else ()

    return Handler(checked_handle, checked_subjects)
