"""The rules between options. Each is one function over a draft of the values: it notes a fault, or adjusts a default.

1. What the user gave explicitly is never changed, but for the two backoffs that Kafka defines to be constant.
2. Explicit values that contradict each other are a fault. A default that contradicts an explicit value gives way, and
   the reason is kept as an adjustment.
3. A rule is skipped if one of its keys has a fault already: the value it would speak of is not the user's.
4. Rules run in the order of `RULES`; a later one sees what an earlier one adjusted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from aioproducer.configuration.kinds import INT_MAX
from aioproducer.models import Acks

MAX_IN_FLIGHT_IDEMPOTENT = 5
"""A broker remembers the last five batches of a producer and partition; what is older can not be recognised."""


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Draft:
    """The options that rules speak of, while they may still change."""

    acks: Acks
    retries: int
    max_in_flight_requests_per_connection: int
    enable_idempotence: bool
    batch_size: int
    batch_max_size: int
    buffer_memory: int
    max_request_size: int
    linger_ms: float
    request_timeout_ms: float
    delivery_timeout_ms: float
    retry_backoff_ms: float
    retry_backoff_max_ms: float
    reconnect_backoff_ms: float
    reconnect_backoff_max_ms: float
    socket_connection_setup_timeout_ms: float
    socket_connection_setup_timeout_max_ms: float
    compression_type: str
    partitioner: object
    partitioner_adaptive_partitioning_enable: bool
    partitioner_rack_aware: bool
    client_rack: str


@dataclass(slots=True, eq=False, repr=False)
class Ruling:
    """What the rules look at, and what they find. `names` gives each key as the user writes it, `dotted` or not."""

    draft: Draft
    explicit: Collection[str]
    names: Mapping[str, str]
    dotted: bool
    faults: list[str] = field(default_factory=list)
    adjustments: list[str] = field(default_factory=list)

    def says(self, key: str, value: object = None) -> str:
        """`linger_ms=5`, with the value as a user would write it."""
        value = getattr(self.draft, key) if value is None else value
        if isinstance(value, Acks):
            value = value.value if value is not Acks.ALL else "all"
        if isinstance(value, bool) and self.dotted:
            value = str(value).lower()
        return f"{self.names[key]}={value:.15g}" if isinstance(value, float) else f"{self.names[key]}={value}"


def _idempotence(ruling: Ruling) -> None:
    draft, names = ruling.draft, ruling.names
    if not draft.enable_idempotence:
        return
    explicit = "enable_idempotence" in ruling.explicit
    off = ruling.says("enable_idempotence", False)
    # First, and for the default too: switching idempotence off here would give up order without a word.
    if draft.max_in_flight_requests_per_connection > MAX_IN_FLIGHT_IDEMPOTENT:
        ruling.faults.append(
            f"{ruling.says('max_in_flight_requests_per_connection')} is too many with "
            f"{ruling.says('enable_idempotence')}{'' if explicit else ' (the default)'}: give at most "
            f"{MAX_IN_FLIGHT_IDEMPOTENT}, or {off} and accept duplicates and records out of order"
        )
    contradictions = []
    if draft.acks is not Acks.ALL:
        contradictions.append(("acks", "all"))
    if draft.retries == 0:
        contradictions.append(("retries", "1 or more"))
    if explicit:
        ruling.faults += [
            f"{ruling.says(key)} contradicts {ruling.says('enable_idempotence')}: "
            f"give {names[key]}={remedy}, or {off} and accept duplicates"
            for key, remedy in contradictions
        ]
    elif contradictions:
        reasons = " and ".join(ruling.says(key) for key, _ in contradictions)
        remedies = " with ".join(f"{names[key]}={remedy}" for key, remedy in contradictions)
        ruling.adjustments.append(
            f"{off}, because {reasons} can not be had with it: a record may be stored twice or out of order; "
            f"{remedies} brings idempotence back"
        )
        draft.enable_idempotence = False


def _delivery_timeout(ruling: Ruling) -> None:
    draft = ruling.draft
    least = min(draft.linger_ms + draft.request_timeout_ms, INT_MAX)
    if draft.delivery_timeout_ms >= least:
        return
    parts = f"{ruling.says('linger_ms')} plus {ruling.says('request_timeout_ms')}"
    if "delivery_timeout_ms" in ruling.explicit:
        ruling.faults.append(
            f"{ruling.says('delivery_timeout_ms')} is shorter than {parts}, so that not one attempt fits in: "
            f"give at least {least:.15g}, or less of the others"
        )
        return
    ruling.adjustments.append(
        f"{ruling.says('delivery_timeout_ms', least)}, raised from {draft.delivery_timeout_ms:.15g}, "
        f"because {parts} have to fit in"
    )
    draft.delivery_timeout_ms = least


def _batch_is_constant(ruling: Ruling) -> None:
    draft = ruling.draft
    if "batch_max_size" in ruling.explicit or draft.batch_max_size == draft.batch_size:
        return
    if "batch_size" in ruling.explicit:
        why = f"only {ruling.says('batch_size')} was given"
    elif not draft.enable_idempotence:
        why = f"with {ruling.says('enable_idempotence')} a batch too large for its topic may be lost or out of order"
    else:
        return
    ruling.adjustments.append(
        f"{ruling.says('batch_max_size', draft.batch_size)}, because {why}: batches do not grow while they can not be "
        f"sent; give {ruling.names['batch_max_size']} for such as do"
    )
    draft.batch_max_size = draft.batch_size


def _batch_fits(ruling: Ruling, key: str, limit_key: str, remedy: str) -> None:
    size: int = getattr(ruling.draft, key)
    limit: int = getattr(ruling.draft, limit_key)
    if size <= limit:
        return
    if key in ruling.explicit:
        ruling.faults.append(f"{ruling.says(key)} is larger than {ruling.says(limit_key)}, {remedy}")
        return
    ruling.adjustments.append(f"{ruling.says(key, limit)}, lowered from {size}, because of {ruling.says(limit_key)}")
    setattr(ruling.draft, key, limit)


def _batch_fits_request(ruling: Ruling) -> None:
    names = ruling.names
    for key in ("batch_size", "batch_max_size"):
        remedy = (
            f"so that full batches would be refused: give a smaller {names[key]}, or raise "
            f"{names['max_request_size']} together with the topic's max.message.bytes"
        )
        _batch_fits(ruling, key, "max_request_size", remedy)


def _batch_fits_buffer(ruling: Ruling) -> None:
    names = ruling.names
    for key in ("batch_size", "batch_max_size"):
        remedy = f"so that no batch could fill: give a smaller {names[key]}, or more {names['buffer_memory']}"
        _batch_fits(ruling, key, "buffer_memory", remedy)


def _batch_fits_most(ruling: Ruling) -> None:
    if "batch_max_size" not in ruling.explicit:
        return
    draft, names = ruling.draft, ruling.names
    if draft.batch_size == 0 < draft.batch_max_size:
        ruling.faults.append(
            f"{ruling.says('batch_max_size')} contradicts {ruling.says('batch_size')}, with which each record has a "
            f"batch of its own: give {names['batch_max_size']}=0, or a {names['batch_size']} of 1 or more"
        )
    remedy = f"the most that a batch may have: give a smaller {names['batch_size']}, or more {names['batch_max_size']}"
    _batch_fits(ruling, "batch_size", "batch_max_size", remedy)


def _reconnect_is_constant(ruling: Ruling) -> None:
    draft = ruling.draft
    if "reconnect_backoff_ms" not in ruling.explicit or "reconnect_backoff_max_ms" in ruling.explicit:
        return
    if draft.reconnect_backoff_max_ms != draft.reconnect_backoff_ms:
        ruling.adjustments.append(
            f"{ruling.says('reconnect_backoff_max_ms', draft.reconnect_backoff_ms)}, because only "
            f"{ruling.says('reconnect_backoff_ms')} was given: the backoff does not grow; give both for one that does"
        )
        draft.reconnect_backoff_max_ms = draft.reconnect_backoff_ms


def _constant_if_capped(ruling: Ruling, base_key: str, cap_key: str) -> None:
    base: float = getattr(ruling.draft, base_key)
    cap: float = getattr(ruling.draft, cap_key)
    if base > cap:
        ruling.adjustments.append(
            f"{ruling.says(base_key, cap)}, lowered from {base:.15g}, because {ruling.says(cap_key)} is the most: "
            f"it stays constant; raise {ruling.names[cap_key]} to let it grow"
        )
        setattr(ruling.draft, base_key, cap)


def _retry_capped(ruling: Ruling) -> None:
    _constant_if_capped(ruling, "retry_backoff_ms", "retry_backoff_max_ms")


def _reconnect_capped(ruling: Ruling) -> None:
    _constant_if_capped(ruling, "reconnect_backoff_ms", "reconnect_backoff_max_ms")


def _setup_capped(ruling: Ruling) -> None:
    _constant_if_capped(ruling, "socket_connection_setup_timeout_ms", "socket_connection_setup_timeout_max_ms")


def _rack_is_known(ruling: Ruling) -> None:
    if ruling.draft.partitioner_rack_aware and not ruling.draft.client_rack:
        ruling.faults.append(
            f"{ruling.says('partitioner_rack_aware')} needs {ruling.names['client_rack']}: say in which rack this "
            "producer runs, as the brokers call it in broker.rack"
        )


def _of_no_use(ruling: Ruling) -> None:
    """What was given and changes nothing, because of another option."""
    draft = ruling.draft
    unused: list[tuple[str, str]] = []
    if draft.partitioner is not None:
        unused += (
            (key, "a partitioner of your own decides")
            for key in (
                "partitioner_ignore_keys",
                "partitioner_adaptive_partitioning_enable",
                "partitioner_availability_timeout_ms",
                "partitioner_rack_aware",
            )
        )
    elif not draft.partitioner_adaptive_partitioning_enable:
        why = f"{ruling.says('partitioner_adaptive_partitioning_enable', False)} is set"
        unused.append(("partitioner_availability_timeout_ms", why))
    if draft.client_rack and not draft.partitioner_rack_aware:
        unused.append(("client_rack", f"{ruling.says('partitioner_rack_aware', False)} is set"))
    unused += (
        (f"compression_{name}_level", f"{ruling.says('compression_type', draft.compression_type)} is the codec")
        for name in ("gzip", "lz4", "zstd")
        if draft.compression_type != name
    )
    for key, why in unused:
        if key in ruling.explicit:
            ruling.adjustments.append(f"{ruling.names[key]} has no effect: {why}")


RULES: tuple[tuple[Callable[[Ruling], None], frozenset[str]], ...] = (
    (_reconnect_is_constant, frozenset({"reconnect_backoff_ms", "reconnect_backoff_max_ms"})),
    (_reconnect_capped, frozenset({"reconnect_backoff_ms", "reconnect_backoff_max_ms"})),
    (_retry_capped, frozenset({"retry_backoff_ms", "retry_backoff_max_ms"})),
    (
        _setup_capped,
        frozenset({"socket_connection_setup_timeout_ms", "socket_connection_setup_timeout_max_ms"}),
    ),
    (
        _idempotence,
        frozenset({"acks", "retries", "max_in_flight_requests_per_connection", "enable_idempotence"}),
    ),
    (_batch_is_constant, frozenset({"batch_size", "batch_max_size", "enable_idempotence"})),
    (_batch_fits_most, frozenset({"batch_size", "batch_max_size"})),
    (_batch_fits_request, frozenset({"batch_size", "batch_max_size", "max_request_size"})),
    (_batch_fits_buffer, frozenset({"batch_size", "batch_max_size", "buffer_memory"})),
    (_delivery_timeout, frozenset({"linger_ms", "request_timeout_ms", "delivery_timeout_ms"})),
    (_rack_is_known, frozenset({"partitioner_rack_aware", "client_rack"})),
    (
        _of_no_use,
        frozenset(
            {
                "partitioner",
                "partitioner_adaptive_partitioning_enable",
                "partitioner_rack_aware",
                "client_rack",
                "compression_type",
            }
        ),
    ),
)
"""Each rule with the keys it reads."""


def apply_rules(ruling: Ruling, faulty: Collection[str]) -> None:
    """Runs every rule none of whose keys is in `faulty`."""
    for rule, keys in RULES:
        if keys.isdisjoint(faulty):
            rule(ruling)
