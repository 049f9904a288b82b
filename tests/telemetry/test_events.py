"""Events in words, one kind after the other."""

from __future__ import annotations

import pytest

from aioproducer import EventKind, KafkaError, ProducerEvent

ERROR = KafkaError("no")
WORDS = {
    EventKind.RETRY: "3 records to t[1]: attempt 2 failed, again in 0.250 s: no",
    EventKind.REROUTE: "3 records to t[1] go to broker 7, which leads the partition now",
    EventKind.SPLIT: "3 records to t[1] are sent in smaller batches: no",
    EventKind.EPOCH_BUMP: "the producer's epoch was raised, and t[1] begins again with sequence 0",
    EventKind.EXPIRY: "given up: no",
    EventKind.GROWTH: "topic t has 6 partitions now, and had 4: a key may go to another partition than before",
    EventKind.THROTTLE: "broker 7 throttles this producer for 0.250 s",
}


@pytest.mark.parametrize("kind", EventKind)
def test_every_kind_has_its_sentence(kind: EventKind) -> None:
    event = ProducerEvent(
        kind=kind,
        topic="t",
        partition=1,
        broker=7,
        records=3,
        attempt=2,
        error=ERROR,
        delay=0.25,
        partitions=6,
        partitions_before=4,
    )
    assert str(event) == WORDS[kind]


def test_one_record_and_no_delay() -> None:
    event = ProducerEvent(kind=EventKind.RETRY, topic="t", partition=0, records=1, attempt=1, error=ERROR)
    assert str(event) == "1 record to t[0]: attempt 1 failed, again at once: no"
