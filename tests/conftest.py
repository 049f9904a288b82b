"""For every test: its loop, asyncio's debug mode, the profiles of Hypothesis, the check for leaks, and the order of the
real clusters.

Environment: HYPOTHESIS_PROFILE=ci draws more examples; PYTHONASYNCIODEBUG= (empty) turns the debug mode off; CI=true
makes tests fail that have no real Kafka to run on, where otherwise they are skipped and listed at the end.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.leaks import Leaks
from tests.support.pool import ClusterPool, Kind
from tests.support.rdkafka_mock import RdKafkaMock
from tests.support.real_kafka import RealKafka

# Examples that take long say something about the machine, not about the code; a failure that comes back by itself is
# worth more than new examples on a developer's machine.
settings.register_profile("default", derandomize=True, max_examples=50, deadline=None, database=None)
settings.register_profile(
    "ci",
    derandomize=False,
    max_examples=500,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# Shows forgotten awaits, calls from the wrong thread, and where each task was made. Every new loop looks at it.
# It costs some 40 us per callback and 100 us per task: `fast_loop` is for tests with tens of thousands of them.
os.environ.setdefault("PYTHONASYNCIODEBUG", "1")

_KAFKA_FIXTURES = {"kafka_1": Kind.ONE, "kafka_3": Kind.THREE, "kafka_39": Kind.OLD}
_BY_LABEL = {kind.label: kind for kind in Kind}
_ORDER = {kind: position for position, kind in enumerate(Kind, start=1)}
_POOL = pytest.StashKey[ClusterPool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--loop", choices=("asyncio", "uvloop"), default="asyncio", help="whose event loop tests run on")


def pytest_asyncio_loop_factories(config: pytest.Config) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of each asynchronous test."""
    name: str = config.getoption("--loop")
    if name == "asyncio":
        return {name: asyncio.new_event_loop}
    import uvloop  # only where it is asked for: it is not there on every system

    return {name: uvloop.new_event_loop}


@pytest.fixture
async def no_leaks() -> AsyncIterator[None]:
    """Fails a test that leaves a task or a socket behind; for a whole file by `pytest.mark.usefixtures`."""
    leaks = Leaks.mark()
    yield
    found = await leaks.settled()
    assert not found, "left behind:\n" + "\n".join(found)


@pytest.fixture
async def fast_loop() -> None:
    """Turns asyncio's debug mode off for this test's loop."""
    asyncio.get_running_loop().set_debug(False)


@pytest.fixture(scope="session")
def kafka_pool(request: pytest.FixtureRequest) -> Iterator[ClusterPool]:
    """The real clusters; tests take one through `kafka_1`, `kafka_3`, `kafka_39` or `broker`."""
    pool = ClusterPool()
    request.config.stash[_POOL] = pool
    yield pool
    pool.close()


@pytest.fixture
def kafka_1(kafka_pool: ClusterPool) -> Iterator[RealKafka]:
    """The newest release, one broker; started by the first test that asks, shared by all."""
    with kafka_pool.lease(Kind.ONE) as cluster:
        yield cluster


@pytest.fixture
def kafka_3(kafka_pool: ClusterPool) -> Iterator[RealKafka]:
    """The newest release, three brokers; a broker that a test kills or freezes is brought back before the next test."""
    with kafka_pool.lease(Kind.THREE) as cluster:
        yield cluster


@pytest.fixture
def kafka_39(kafka_pool: ClusterPool) -> Iterator[RealKafka]:
    """The last release of the 3 line, one broker."""
    with kafka_pool.lease(Kind.OLD) as cluster:
        yield cluster


@pytest.fixture
def rdkafka_mock() -> Iterator[RdKafkaMock]:
    """A mock cluster of three brokers, new for each test: it is up in milliseconds, and takes its faults along."""
    with RdKafkaMock(3) as mock:
        yield mock


@pytest.fixture
def topic_name(request: pytest.FixtureRequest) -> str:
    """A name that no other test uses, since clusters are shared."""
    return re.sub(r"[^a-zA-Z0-9._-]+", "-", request.node.nodeid.partition("::")[2])[-200:].strip("-.")


def _kind(item: pytest.Item) -> Kind | None:
    """The real cluster that a test runs on (the dearest of them), or None."""
    kinds = [kind for name, kind in _KAFKA_FIXTURES.items() if name in getattr(item, "fixturenames", ())]
    callspec = getattr(item, "callspec", None)
    if callspec is not None:
        # `broker` of the contract tests, and what else takes one by its label.
        chosen = (callspec.params.get(name) for name in ("broker", "faulty"))
        kinds += [_BY_LABEL[label] for label in chosen if label in _BY_LABEL]
    return max(kinds, key=_ORDER.__getitem__, default=None)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Marks what needs a real Kafka, before `-m` looks; puts it last, cluster by cluster, so each is started once."""
    for item in items:
        if _kind(item) is not None:
            item.add_marker("kafka")
    yield
    items.sort(key=lambda item: _ORDER.get(kind, 0) if (kind := _kind(item)) is not None else 0)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what its brokers logged meanwhile."""
    report = yield
    pool = item.config.stash.get(_POOL, None)
    if report.failed and pool is not None:
        report.sections += [(f"Log of {broker}", text) for broker, text in pool.held_logs().items() if text]
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says in one line which tests were left out for want of a real Kafka, and why."""
    reasons: Counter[str] = Counter()
    files: set[str] = set()
    for report in terminalreporter.getreports("skipped"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if "needs a real Kafka" in reason:
            reasons[reason.removeprefix("Skipped: ")] += 1
            files.add(report.nodeid.partition("::")[0])
    for reason, count in reasons.items():
        terminalreporter.write_line(f"{count} tests left out, {reason} (in {', '.join(sorted(files))})", yellow=True)
