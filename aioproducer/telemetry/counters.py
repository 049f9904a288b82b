"""What is counted while the producer runs: per batch, never per record. `metrics` makes the public snapshot of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from aioproducer.telemetry.events import EventKind


@dataclass(slots=True)
class Counters:
    """Totals since the start. Records are counted when their batch is settled, retries once per attempt beyond
    the first. throttle_time: seconds.
    """

    records_sent: int = 0
    records_failed: int = 0
    records_retried: int = 0
    batches_sent: int = 0
    batches_failed: int = 0
    batches_retried: int = 0
    batch_bytes_sent: int = 0
    requests_sent: int = 0
    events: Counter[EventKind] = field(default_factory=Counter)
    throttle_time: float = 0.0
