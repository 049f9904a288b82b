from __future__ import annotations

from aioproducer.testing.log import PartitionLog
from tests.testing.wire import NOW_MS, batch, record


def filled(*counts: int) -> PartitionLog:
    log = PartitionLog()
    for count in counts:
        values = [b"v%d" % (log.end_offset + i) for i in range(count)]
        log.append(batch(*values, base_offset=log.end_offset, base_timestamp=NOW_MS + log.end_offset))
    log.high_watermark = log.end_offset
    return log


def bases(log: PartitionLog, offset: int, max_bytes: int = 10**6) -> list[int]:
    return [int.from_bytes(chunk[:8], "big") for chunk in log.read(offset, max_bytes)]


def test_appending_counts_offsets() -> None:
    log = filled(3, 1, 2)
    assert log.end_offset == 6
    assert [(entry.header.base_offset, entry.last_offset) for entry in log.batches] == [(0, 2), (3, 3), (4, 5)]
    assert repr(log) == "<PartitionLog 0..6 high_watermark=6>"


def test_reading_begins_with_the_batch_that_has_the_offset() -> None:
    log = filled(3, 1, 2)
    assert [bases(log, offset) for offset in range(7)] == [[0, 3, 4]] * 3 + [[3, 4], [4], [4], []]


def test_reading_gives_one_batch_even_if_it_is_too_large_but_no_more_than_fits() -> None:
    log = filled(1, 1, 1)
    size = len(log.batches[0].data)
    assert bases(log, 0, 0) == [0]
    assert bases(log, 0, 2 * size) == [0, 1]
    assert bases(log, 0, 2 * size - 1) == [0]


def test_nothing_is_read_above_the_high_watermark() -> None:
    log = filled(2, 2)
    log.high_watermark = 2
    assert bases(log, 0) == [0]
    assert bases(log, 2) == []
    assert log.offset_for(0) == (0, NOW_MS)
    assert log.offset_for(NOW_MS + 2) == (-1, -1)


def test_truncating_drops_the_tail() -> None:
    log = filled(2, 2, 2)
    log.truncate(4)
    assert (log.end_offset, log.high_watermark, bases(log, 0)) == (4, 4, [0, 2])
    log.truncate(4)
    assert log.end_offset == 4
    log.truncate(0)
    assert (log.end_offset, log.batches) == (0, [])


def test_the_start_moves_up_and_takes_whole_batches_along() -> None:
    log = filled(2, 2)
    log.delete_before(1)
    assert (log.start_offset, bases(log, 1)) == (1, [0, 2])
    assert log.offset_for(0) == (1, NOW_MS)
    log.delete_before(2)
    assert (log.start_offset, bases(log, 2)) == (2, [2])
    log.delete_before(99)
    assert (log.start_offset, log.end_offset, log.batches) == (4, 4, [])
    log.delete_before(1)
    assert log.start_offset == 4


def test_times_are_looked_up_in_records() -> None:
    log = PartitionLog()
    section = record(0, timestamp_delta=0) + record(1, timestamp_delta=9) + record(2, timestamp_delta=5)
    log.append(batch(section=section, count=3, base_timestamp=100, max_timestamp=109))
    log.high_watermark = 3
    assert log.offset_for(100) == (0, 100)
    assert log.offset_for(101) == (1, 109)
    assert log.offset_for(110) == (-1, -1)
    assert log.latest_timestamp() == (1, 109)
    assert PartitionLog().latest_timestamp() == (-1, -1)


def test_a_batch_stamped_by_the_leader_has_one_time() -> None:
    log = PartitionLog()
    log.append(batch(b"a", b"b", attributes=8, base_timestamp=100, max_timestamp=500))
    log.high_watermark = 2
    assert log.offset_for(101) == (0, 500)
