"""Who is told which topics look different, and in what portions. What has changed is `answer`'s to say."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence, Set
from typing import TypeAlias

from aioproducer.cluster.view import ClusterView
from aioproducer.work import Work

OnChange: TypeAlias = Callable[[Collection[str]], None]

_TOGETHER = 50


class Listeners:
    """Those who follow the view. All on one loop; a listener may look at the view, which is the newest then."""

    def __init__(self) -> None:
        self._callbacks: list[OnChange] = []
        self._brokers: Set[int] = frozenset()

    def add(self, callback: OnChange) -> None:
        self._callbacks.append(callback)

    def tell(self, view: ClusterView, changed: Collection[str]) -> Work[None]:
        """Tells of the topics that were `changed`, some at a time; of none, once, if there is none. Topics that nothing
        was said about look different too, if the leader of a partition has come or gone.
        """
        moved = view.brokers.keys() ^ self._brokers
        self._brokers = view.brokers.keys()
        # In an order that does not depend on the interpreter's hashes: the same run is the same again.
        names = sorted(view.led_by(moved).union(changed)) if moved else sorted(changed)
        for begin in range(0, len(names) or 1, _TOGETHER):
            yield self._tell(view, names[begin : begin + _TOGETHER])

    def _tell(self, view: ClusterView, names: Sequence[str]) -> int:
        for callback in self._callbacks:
            callback(names)
        return sum(1 + len(view.topics[name].partitions) for name in names if name in view.topics)
