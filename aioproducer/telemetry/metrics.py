"""The public snapshot of a producer: `producer.metrics()`. Values without behaviour; each says its unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducerMetrics:
    """One moment of a producer. Totals count since `start()`.

    Java's names where Java has them, in snake case (`buffer-total-bytes`, `record-send-total`, `batch-size-avg` …).
    """

    buffer_total_bytes: int
    """`buffer_memory`, bytes."""
    buffered_bytes: int
    """Bytes of it in use: by records that are not settled, and by those whose request is still unanswered."""
    buffered_batches: int
    """Batches that are not settled."""
    buffered_records: int
    """Records in these batches."""
    waiting_sends: int
    """Records that wait for room in the buffer, or for their topic."""
    requests_in_flight: Mapping[int, int]
    """Produce requests without an answer, by broker id."""
    record_send_total: int
    """Records that were acknowledged (with acks=0: written)."""
    record_error_total: int
    """Records that failed after they were in a batch."""
    record_retry_total: int
    """Records that were sent again, counted once per attempt beyond the first."""
    batch_send_total: int
    """Batches that were acknowledged."""
    batch_error_total: int
    """Batches that failed."""
    batch_retry_total: int
    """Batches that were sent again, once per attempt beyond the first."""
    batch_split_total: int
    """Batches that a broker found too large, and that went out in pieces."""
    batch_expiry_total: int
    """Batches that failed because `delivery_timeout_ms` was over."""
    reroute_total: int
    """How often a partition with records in the buffer got another leader."""
    growth_total: int
    """How often a topic was found to have more partitions than before."""
    throttle_total: int
    """Answers with which a broker throttled this producer (KIP-219)."""
    throttle_time_total: float
    """Seconds for which brokers wanted to be left alone, all together."""
    batch_size_avg: float
    """Bytes per acknowledged batch as it went over the wire, header included; 0.0 before the first."""
    records_per_batch_avg: float
    """Records per acknowledged batch; 0.0 before the first."""
    request_total: int
    """Produce requests written."""
    epoch_bump_total: int
    """How often the producer's epoch was raised to get a partition's sequences going again (KIP-360)."""
    topics: int
    """Topics this producer has been asked to write to."""
