"""One moment of a producer as its public metrics: read from the parts that know, changed nowhere."""

from __future__ import annotations

from collections.abc import Mapping

from aioproducer.batching.accumulator import Accumulator
from aioproducer.batching.intake import Intake
from aioproducer.sending.sender import Sender
from aioproducer.sending.sequences import Sequencer
from aioproducer.telemetry.counters import Counters
from aioproducer.telemetry.events import EventKind
from aioproducer.telemetry.metrics import ProducerMetrics


def snapshot(
    counters: Counters, accumulator: Accumulator, intake: Intake, sequencer: Sequencer, senders: Mapping[int, Sender]
) -> ProducerMetrics:
    """What is held now, and what has been done since the start."""
    batches = counters.batches_sent or 1
    return ProducerMetrics(
        buffer_total_bytes=accumulator.buffer_memory,
        buffered_bytes=accumulator.buffered,
        buffered_batches=len(accumulator.unsettled),
        buffered_records=sum(batch.count for batch in accumulator.unsettled),
        waiting_sends=len(intake.parked),
        requests_in_flight={node_id: sender.requests_in_flight for node_id, sender in senders.items()},
        record_send_total=counters.records_sent,
        record_error_total=counters.records_failed,
        record_retry_total=counters.records_retried,
        batch_send_total=counters.batches_sent,
        batch_error_total=counters.batches_failed,
        batch_retry_total=counters.batches_retried,
        batch_split_total=counters.events[EventKind.SPLIT],
        batch_expiry_total=counters.events[EventKind.EXPIRY],
        reroute_total=counters.events[EventKind.REROUTE],
        growth_total=counters.events[EventKind.GROWTH],
        throttle_total=counters.events[EventKind.THROTTLE],
        throttle_time_total=counters.throttle_time,
        batch_size_avg=counters.batch_bytes_sent / batches,
        records_per_batch_avg=counters.records_sent / batches,
        request_total=counters.requests_sent,
        epoch_bump_total=sequencer.epoch_bumps,
        topics=len(intake.topics),
    )
