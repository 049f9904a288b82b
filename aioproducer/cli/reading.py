"""Reads a whole topic back, for the demo: plain Fetch requests, decoded by the reader of `aioproducer.testing`.

It is no consumer: no groups, no waiting for what comes later. It reads each partition from its start to its high
watermark.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import NamedTuple

from aioproducer.cli.visit import visit
from aioproducer.cluster.cluster import Cluster
from aioproducer.errors import KafkaError, KafkaTimeoutError
from aioproducer.protocol.error_codes import broker_error
from aioproducer.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData
from aioproducer.testing.reader import decode_records, read_header, records_section

_FETCH_BYTES = 1 << 20
_HEADER_SIZE = 61
_LENGTH_ENDS = 12
# The last version that names topics instead of giving their ids.
_BY_NAME = 12
_ATTEMPTS = 20
_PAUSE = 0.1


class ReadRecord(NamedTuple):
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


async def read_topic(bootstrap: str, topic: str, timeout: float = 30.0) -> list[ReadRecord]:
    """All records of the topic, in the order of each partition's log. Raises KafkaError."""
    try:
        async with asyncio.timeout(timeout), visit(bootstrap) as cluster:
            partitions = await _partitions(cluster, topic)
            parts = await asyncio.gather(*(_read_partition(cluster, topic, number) for number in range(partitions)))
    except TimeoutError as error:
        if isinstance(error, KafkaError):
            raise
        raise KafkaTimeoutError(f"reading {topic!r} back took more than {timeout:g} s") from error
    return [record for part in parts for record in part]


async def _partitions(cluster: Cluster, topic: str) -> int:
    changed = asyncio.Event()
    cluster.on_change(lambda _names: changed.set())
    cluster.want(topic)
    while True:
        known = cluster.view.topics.get(topic)
        if known is not None and known.partitions:
            return len(known.partitions)
        changed.clear()
        await changed.wait()


async def _read_partition(cluster: Cluster, topic: str, partition: int) -> list[ReadRecord]:
    records: list[ReadRecord] = []
    failures = 0
    while True:
        offset = records[-1].offset + 1 if records else 0
        data = await _fetch(cluster, topic, partition, offset)
        if data is None or data.error_code:
            failures += 1
            if failures == _ATTEMPTS:
                code = 5 if data is None else data.error_code
                raise broker_error(code, f"reading {topic}[{partition}] back")
            # A leader is on the move: it settles in moments, and _ATTEMPTS bounds how many.
            cluster.request_refresh()
            await asyncio.sleep(_PAUSE)
            continue
        assert data.records is None or isinstance(data.records, bytes)  # that is how it is decoded
        records += (record for record in _decode(partition, data.records or b"") if record.offset >= offset)
        if not records or records[-1].offset + 1 >= data.high_watermark:
            return records


async def _fetch(cluster: Cluster, topic: str, partition: int, offset: int) -> PartitionData | None:
    """One answer of the partition's leader, None while it has none."""
    leader = cluster.view.leader(topic, partition)
    if leader is None:
        return None
    connection = await cluster.link(leader.id).connection()
    wanted = FetchPartition(partition=partition, fetch_offset=offset, partition_max_bytes=_FETCH_BYTES)
    request = FetchRequest(
        max_wait_ms=100,
        min_bytes=1,
        max_bytes=_FETCH_BYTES,
        topics=(FetchTopic(topic=topic, partitions=(wanted,)),),
    )
    response = await connection.call(request, timeout=10.0, at_most=_BY_NAME)
    assert isinstance(response, FetchResponse)
    return response.responses[0].partitions[0]


def _decode(partition: int, data: bytes) -> Iterator[ReadRecord]:
    """The records of the batches in a Fetch answer, whose last batch may be cut off."""
    view = memoryview(data)
    while len(view) >= _HEADER_SIZE:
        header = read_header(view)
        size = _LENGTH_ENDS + header.length
        if len(view) < size:
            return
        for record in decode_records(records_section(view[:size], header), header.record_count):
            yield ReadRecord(partition, header.base_offset + record.offset_delta, record.key, record.value)
        view = view[size:]
