from __future__ import annotations

from aioproducer.testing import EmbeddedCluster
from tests.testing.wire import NOW_MS, RawClient, batch, record


async def test_records_are_decoded_and_say_who_wrote_them(cluster: EmbeddedCluster, client: RawClient) -> None:
    section = record(0, b"k", b"v", [("h", b"1"), ("h", None)], 5) + record(1, None, None)
    await client.produce("t", batch(section=section, count=2, producer=(7, 3, 2**31 - 1)))
    await client.produce("t", batch(b"plain"))
    first, second, third = cluster.records("t", 0)
    assert first == (0, 0, NOW_MS + 5, b"k", b"v", (("h", b"1"), ("h", None)), 7, 3, 2**31 - 1)
    assert second == (0, 1, NOW_MS, None, None, (), 7, 3, 0)
    assert (third.offset, third.producer_id, third.epoch, third.sequence) == (2, -1, -1, -1)
    assert cluster.records("t", 1) == []
    assert cluster.records("t") == [first, second, third]


async def test_batches_are_described(cluster: EmbeddedCluster, client: RawClient) -> None:
    data = batch(b"a", b"b", producer=(7, 0, 4))
    await client.produce("t", data)
    (described,) = cluster.batches("t")
    assert described == (0, 0, 2, len(data), "none", False, NOW_MS, 0, 7, 0, 4)
