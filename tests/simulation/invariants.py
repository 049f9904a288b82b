"""What has to be true at the end of every run, and exactly how far it is weakened where Kafka itself promises less.

It compares what the callers were told with all that ever was in the logs. Each function yields sentences about what is
wrong; none is a good run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from aioproducer import RecordMetadata
from aioproducer.errors import (
    BrokerError,
    ConnectionFailedError,
    DeliveryTimeoutError,
    KafkaError,
    Persisted,
    ProducerFailedError,
    ProtocolError,
    RequestTimeoutError,
)
from aioproducer.models import NO_OFFSET, TimestampType
from aioproducer.testing import RELEASES, StoredRecord
from tests.simulation.archive import Archive, LogArchive, number_of
from tests.simulation.history import History, Sent
from tests.simulation.setting import MOST_RETRIES, Setting
from tests.simulation.workload import SLACK

_FIRST_WITH_TOPIC_IDS = RELEASES.index("4.1")
"""Produce requests name topics by id from here on."""

PROBE = b"probe"
"""The value of the records that are sent last, to see that it works again."""


def violations(setting: Setting, history: History, archive: Archive, connections: int) -> Iterator[str]:
    """`connections`: over how many, at most, the records of one partition went."""
    yield from history.wrong
    stored: dict[int, list[tuple[LogArchive, StoredRecord]]] = defaultdict(list)
    for log in archive.logs:
        for _, record in log.in_order():
            stored[number_of(record)].append((log, record))
    lost = {number for log in archive.logs for number in log.lost}
    yield from _surplus(history, stored)
    for sent in history.sent:
        yield from _patient(setting, sent)
        copies = stored.get(sent.number, [])
        yield from _settled(setting, sent)
        if isinstance(sent.fate, RecordMetadata):
            yield from _acknowledged(setting, sent, sent.fate, copies, lost)
        elif _denied(sent) and _readable(copies, sent):
            yield f"it is in the log, and its sender was told that it is not: {sent}, at {_places(copies)}"
        if isinstance(sent.fate, ProducerFailedError):
            yield f"the producer died: {sent}"
    for log in archive.logs:
        yield from _doubled(setting, history, log)
        if setting.ordered and (setting.acks != 0 or connections <= 1):
            # With acks=0 nobody tells when a connection's last bytes have been read: what goes over the next one, after
            # a loss or to another leader, may be read before them.
            yield from _disordered(setting, history, log)
    yield from _bulks(setting, history, stored)
    yield from _reports(history)


def _denied(sent: Sent) -> bool:
    """Whether its sender was told that it is not in the log."""
    return sent.withdrawn or (isinstance(sent.fate, KafkaError) and sent.fate.persisted is Persisted.NO)


def _readable(copies: list[tuple[LogArchive, StoredRecord]], sent: Sent) -> bool:
    """Whether a copy was in a log when its sender was told. A topic that was deleted by then has none any more."""
    known_at = sent.known_at or 0.0
    return any(log.deleted_at is None or log.deleted_at > known_at for log, _ in copies)


def _settled(setting: Setting, sent: Sent) -> Iterator[str]:
    if sent.delivery is None:
        return
    if not sent.delivery.done():
        yield f"never settled: {sent}"
        return
    if sent.reports and sent.reported is None and not sent.withdrawn:
        yield f"on_delivery was never called: {sent}"
    if sent.withdrawn and sent.reported is not None:
        yield f"on_delivery was called for a record that was withdrawn: {sent}"
    if sent.reports and sent.known_at is not None:
        took = sent.known_at - sent.sent_at
        if took > setting.patience + setting.seconds("delivery_timeout_ms") + SLACK:
            yield f"settled too late, after {took:.3f} s: {sent}"


def _patient(setting: Setting, sent: Sent) -> Iterator[str]:
    """What can be tried again is tried again until the time is over, if the number of attempts is not bounded."""
    error = sent.fate
    if setting.options["retries"] != MOST_RETRIES or setting.acks == 0 or not isinstance(error, KafkaError):
        return
    given_up = isinstance(error, ConnectionFailedError | ProtocolError | RequestTimeoutError)
    refused = isinstance(error, BrokerError) and error.retriable and "metadata of" not in str(error)
    if given_up or refused:
        yield f"not tried again, though there was time: {sent}"


def _surplus(history: History, stored: dict[int, list[tuple[LogArchive, StoredRecord]]]) -> Iterator[str]:
    for number, copies in stored.items():
        for log, record in copies:
            if record.value == PROBE:
                continue
            if not 0 <= number < len(history.sent):
                yield f"nobody sent what is at {log.name} offset {record.offset}: {record}"
                continue
            sent = history.sent[number]
            same = (log.topic, record.key, record.value) == (sent.topic, sent.key, sent.value)
            if not same or sent.partition not in (None, log.partition):
                yield f"{sent} is in the log as {record} of {log.name}"


def _acknowledged(
    setting: Setting,
    sent: Sent,
    metadata: RecordMetadata,
    copies: list[tuple[LogArchive, StoredRecord]],
    lost: set[int],
) -> Iterator[str]:
    if setting.acks == 0:
        # Written, no more; a broker may never read it.
        if metadata.offset != NO_OFFSET:
            yield f"an offset although no broker has told one: {sent}"
        return
    here = [(log, record) for log, record in copies if log.partition == metadata.partition]
    if not here:
        # One replica is all that acks=1 asks for, and its leader may be lost before another has a copy.
        if setting.acks != 1 or sent.number not in lost:
            yield f"acknowledged and not in the log: {sent}"
        return
    if metadata.offset == NO_OFFSET:
        yield f"acknowledged without an offset: {sent}"
        return
    exact = [(log, record) for log, record in here if record.offset == metadata.offset]
    if not exact:
        if setting.acks != 1 or sent.number not in lost:
            yield f"acknowledged at another offset than in the log, {_places(here)}: {sent}"
        return
    log, record = exact[-1]
    if metadata.timestamp_type is TimestampType.CREATE_TIME:
        right = metadata.timestamp_ms == sent.timestamp_ms == record.timestamp_ms
    else:
        # The broker's clock; or, for a duplicate, the largest timestamp of the batch, which brokers tell in its place.
        right = metadata.timestamp_ms == log.batch_times[record.offset]
    if not right:
        yield f"acknowledged with another timestamp than in the log, {record.timestamp_ms}: {sent}"


def _doubled(setting: Setting, history: History, log: LogArchive) -> Iterator[str]:
    if not setting.idempotent and not setting.at_most_once:
        return
    first: dict[int, int] = {}
    for offset, record in log.in_order():
        number = number_of(record)
        if number < 0:
            continue
        if number not in first:
            first[number] = offset
            continue
        # A broker that has forgotten a producer takes any batch of it for new, also a second copy of one that is stored
        # and whose answer was lost. Nothing that a client sends could tell it. The copies are on either side of that
        # moment then.
        excused = setting.idempotent and any(first[number] < end <= offset for _, end in log.forgotten)
        if not excused:
            yield f"twice in {log.name}, at {first[number]} and {offset}: {history.sent[number]}"


def _disordered(setting: Setting, history: History, log: LogArchive) -> Iterator[str]:
    blank = [end for _, end in log.forgotten]
    if log.incarnation and RELEASES.index(setting.release) < _FIRST_WITH_TOPIC_IDS:
        # A topic that was made again knows no producer either, and where requests name topics, it gets what was meant
        # for the one before.
        blank.append(0)
    seen: set[int] = set()
    last: tuple[int, int] | None = None
    for offset, record in log.in_order():
        number = number_of(record)
        if number in seen or not 0 <= number < len(history.sent):
            continue
        seen.add(number)
        sent = history.sent[number]
        if not isinstance(sent.fate, RecordMetadata) and not setting.idempotent:
            # Given up, and read by the broker from a connection that was given up with it: nothing recognises it.
            continue
        if number in log.lost:
            # Its first place went with a leader; what is here is a late copy.
            continue
        if last is not None and number < last[0]:
            younger, place = last
            # A broker that has forgotten the producer takes any batch as its first: so it has passed the older one by,
            # which it had refused, or not read yet. What follows the first it took follows that one's sequence.
            excused = any(end <= place and _first_from(log, end) > number for end in blank)
            # Or it has taken the younger one, forgets, and reads only then the older one, which was given up, from a
            # connection that was given up with it: it does not know any more that the epoch is an old one.
            late = not isinstance(sent.fate, RecordMetadata) and any(
                place < end <= offset and _first_from(log, end) <= number for end in blank
            )
            if not excused and not late:
                yield f"{log.name}: {history.sent[younger]} at {place} is before {sent} at {offset}"
        else:
            last = number, offset


def _first_from(log: LogArchive, offset: int) -> int:
    """The number of the first record from an offset on."""
    return next((number_of(record) for at, record in log.in_order() if at >= offset), -1)


def _bulks(
    setting: Setting, history: History, stored: dict[int, list[tuple[LogArchive, StoredRecord]]]
) -> Iterator[str]:
    if setting.acks != "all":
        return
    for batch, failed in history.bulks:
        missing = [sent for sent in batch if sent.number not in stored]
        if failed == 0 and missing:
            yield f"send_all succeeded and these are not in the log: {missing}"


def _reports(history: History) -> Iterator[str]:
    """on_delivery in the order of the sends. Records that never came into a batch have an order of their own."""
    last: dict[tuple[str, int], Sent] = {}
    for sent in history.sent:
        partition = sent.partition
        if isinstance(sent.fate, RecordMetadata):
            partition = sent.fate.partition
        elif not isinstance(sent.fate, DeliveryTimeoutError | BrokerError) or "metadata of" in str(sent.fate):
            continue
        if partition is None or sent.reported is None:
            continue
        before = last.get((sent.topic, partition))
        if before is not None and before.reported is not None and before.reported > sent.reported:
            yield f"on_delivery of {sent} was called before that of {before}"
        last[sent.topic, partition] = sent


def _places(copies: list[tuple[LogArchive, StoredRecord]]) -> str:
    return ", ".join(f"{log.name} offset {record.offset}" for log, record in copies)
