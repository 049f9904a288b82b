"""When to ask for metadata, and for which topics (KIP-526, and the backoff of equivalent answers). Pure.

1. One request is under way at a time: `build_request`, then `apply` or `failed`.
2. A topic that is wanted for the first time is asked for at once, with others like it, whatever else is pausing.
3. Whatever else is asked for keeps a pause after the last answer. The pause doubles with each answer that brings no
   news, so a partition without leader or a topic that does not exist costs about one request a second.
4. After `max_age` everything is asked for again.
5. A topic that was not used for `max_idle` is forgotten when the next answer comes, unless it is in use.

Times are seconds of the loop. What an answer means is `answer`; who is asked, and how, is `cluster`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from aioproducer.cluster.answer import Answer, merge, with_leader, without
from aioproducer.cluster.backoff import ExponentialBackoff
from aioproducer.cluster.view import ClusterView
from aioproducer.models import Node
from aioproducer.protocol.error_codes import error_code
from aioproducer.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from aioproducer.work import Work

_SHORTEST_PAUSE = 0.02  # also where retry_backoff_ms is 0: brokers are not to be asked in a busy loop


class Metadata:
    """The tracked topics, the view of the cluster, and the time of the next request.

    draw: random numbers from 0 to 1. in_use: whether records of a topic wait for something, None where that is not
    known; then a topic counts as in use until it has been idle for `max_idle`. create_topics: whether brokers may
    create what is asked for and missing.
    """

    def __init__(
        self,
        *,
        retry_backoff: ExponentialBackoff,
        max_age: float,
        max_idle: float,
        draw: Callable[[], float],
        in_use: Callable[[str], bool] | None = None,
        create_topics: bool = True,
    ) -> None:
        self.view = ClusterView()
        self._backoff = retry_backoff
        self._max_age = max_age
        self._max_idle = max_idle
        self._draw = draw
        self._in_use = in_use
        self._create_topics = create_topics
        self._tracked: dict[str, float] = {}  # until when, if it is not used again
        self._answered: set[str] = set()  # those of which any answer has spoken
        self._new: dict[str, None] = {}  # never asked for; ordered, as the next is
        self._again: dict[str, None] = {}  # to be asked for again
        self._all = True  # whether everything is to be asked for
        self._asked: _Asked | None = None
        self._named: list[_Named] = []  # since the answer is being merged
        self._expires_at = 0.0
        self._not_before = 0.0
        self._new_not_before = 0.0
        self._failures = 0
        self._equivalent = 0

    def __repr__(self) -> str:
        state = "idle" if self._asked is None else f"asking for {len(self._asked.topics)} topics"
        return f"<Metadata of {len(self._tracked)} topics, {state}>"

    def want(self, topic: str, now: float) -> bool:
        """Tracks `topic` and marks it as used. Returns whether there is something to ask for because of it."""
        is_new = topic not in self._tracked
        self._tracked[topic] = now + self._max_idle
        if is_new:
            self._new[topic] = None
            self._new_not_before = now
            return True
        known = self.view.topics.get(topic)
        if known is None or not known.error_code:
            return False  # asked for already, or well known
        return self._ask_again((topic,), now)

    def use(self, topic: str, now: float) -> None:
        """Marks a tracked topic as used."""
        if topic in self._tracked:
            self._tracked[topic] = now + self._max_idle

    def request_refresh(self, now: float, topics: Iterable[str] = ()) -> bool:
        """Asks again, for these topics or else for everything, as soon as the pause is over. Returns as `want`."""
        names = tuple(topics)
        if names:
            return self._ask_again(names, now)
        self._end_quiet_spell(now)
        asked, self._all = self._all, True
        return not asked

    def next_request_at(self) -> float | None:
        """When a request is due, which may be past; None while one is under way."""
        if self._asked is not None:
            return None
        pending = self._all or self._again
        at = self._not_before if pending else max(self._expires_at, self._not_before)
        return min(at, self._new_not_before) if self._new else at

    def build_request(self, now: float) -> MetadataRequest:
        """The request that is due. Until `apply` or `failed` there is no other.

        With no topic at all it asks for the brokers alone.
        """
        due = now >= self._not_before
        everything = due and (self._all or now >= self._expires_at)
        if everything:
            topics = tuple(self._tracked)
            self._all = False
        else:
            # Whoever asks early asks for everything again later: only what is new may jump the pause.
            again = (name for name in self._again if name in self._tracked and name not in self._new)
            topics = (*self._new, *again) if due else tuple(self._new)
        if due:
            self._again.clear()
        asked_new = bool(self._new)
        self._new.clear()
        self._asked = _Asked(topics, everything=everything, new=asked_new, due=due)
        return MetadataRequest(
            topics=tuple(MetadataRequestTopic(name=name) for name in topics),
            allow_auto_topic_creation=self._create_topics,
        )

    def apply(self, answer: Answer, now: float) -> Work[frozenset[str]]:
        """Takes over the answer to the request under way, step by step; the topics that look different then, or are
        refused. Until it has come to its end the view is the old one, and no other request is due.

        An answer with an error of its own, or without brokers, is none: `failed` is for these.
        """
        asked = self._asked or _Asked((), everything=False, new=False, due=True)
        before = self.view.cluster_id
        self._named = []
        merged = yield from merge(self.view, answer, asked=asked.topics)
        self._asked = None
        self.view = merged.view
        for named in self._named:
            self.view = with_leader(self.view, *named) or self.view
        self._answered.update(name for name in asked.topics if name in self._tracked)
        forgotten = self._forget(now)
        self._failures = 0
        self._equivalent = 0 if merged.news or asked.new or self._expires_at <= now else self._equivalent + 1
        if asked.due or not (self._all or self._again):
            # What waits out its pause is not put off by new topics that come in one after another.
            self._not_before = now + self._pause(self._equivalent)
        if asked.everything:
            self._expires_at = now + self._max_age
        elif before not in (None, self.view.cluster_id):
            self._all = True  # another cluster answers now, so nothing that was learned before holds
        self._again.update(dict.fromkeys(name for name in sorted(merged.unsettled) if self._worth_asking_again(name)))
        # A refusal is news each time: whoever wanted the topic again waits to hear it.
        refused = {name for name in asked.topics if self._refused(name)}
        return merged.changed | forgotten | refused

    def failed(self, now: float) -> None:
        """The request under way got no answer; what it was for is asked again after a pause."""
        asked = self._asked
        self._asked = None
        if asked is not None:
            self._all = self._all or asked.everything
            for name in asked.topics:
                if name in self._answered:
                    self._again[name] = None
                elif name in self._tracked:
                    self._new[name] = None
        self._equivalent = 0
        self._not_before = self._new_not_before = now + self._pause(self._failures)
        self._failures += 1

    def update_leader(
        self, topic: str, partition: int, leader_id: int, leader_epoch: int, endpoint: Node | None
    ) -> bool:
        """A produce answer named a new leader (KIP-951). Returns whether that was news."""
        named = _Named(topic, partition, leader_id, leader_epoch, endpoint)
        view = with_leader(self.view, *named)
        if view is None:
            return False
        self.view = view
        if self._asked is not None:
            self._named.append(named)
        return True

    def _ask_again(self, topics: Iterable[str], now: float) -> bool:
        self._end_quiet_spell(now)
        added = False
        for name in topics:
            if name in self._tracked and name not in self._new and name not in self._again:
                self._again[name] = None
                added = True
        return added

    def _end_quiet_spell(self, now: float) -> None:
        """Answers without news make the pause longer only while they follow one another closely."""
        if now > self._not_before + self._backoff.longest:
            self._equivalent = 0

    def _worth_asking_again(self, topic: str) -> bool:
        if topic not in self._tracked:
            return False
        code = self.view.topics[topic].error_code
        if not code:
            return True  # a partition has no leader
        return error_code(code).retriable and (self._in_use is None or self._in_use(topic))

    def _refused(self, topic: str) -> bool:
        known = self.view.topics.get(topic)
        return known is not None and known.error_code != 0 and not error_code(known.error_code).retriable

    def _forget(self, now: float) -> frozenset[str]:
        idle = frozenset(
            name
            for name, expires_at in self._tracked.items()
            if expires_at <= now and name in self._answered and not (self._in_use and self._in_use(name))
        )
        if idle:
            for name in idle:
                del self._tracked[name]
                self._answered.discard(name)
                self._again.pop(name, None)
            self.view = without(self.view, idle)
        return idle

    def _pause(self, attempt: int) -> float:
        return max(self._backoff.delay(attempt, self._draw()), _SHORTEST_PAUSE)


class _Named(NamedTuple):
    """A leader that a produce answer named, as `with_leader` takes it."""

    topic: str
    partition: int
    leader_id: int
    leader_epoch: int
    endpoint: Node | None


class _Asked:
    """What the request under way is for. `due`: whether the pause was over, so that it is more than new topics."""

    __slots__ = ("due", "everything", "new", "topics")

    def __init__(self, topics: tuple[str, ...], *, everything: bool, new: bool, due: bool) -> None:
        self.topics = topics
        self.everything = everything
        self.new = new
        self.due = due
