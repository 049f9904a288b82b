"""Batches to a produce request, and a produce response to one answer per batch.

It knows the shape of the messages, and which version they need; what an answer means for a batch is decided in
`retry`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from aioproducer.batching.batch import Batch
from aioproducer.errors import UnsupportedVersionError
from aioproducer.models import Acks
from aioproducer.protocol.messages.api_versions import ApiVersionsRequest
from aioproducer.protocol.messages.init_producer_id import InitProducerIdRequest
from aioproducer.protocol.messages.metadata import MetadataRequest
from aioproducer.protocol.messages.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from aioproducer.protocol.primitives import ZERO_UUID
from aioproducer.protocol.versions import BrokerVersions

# From this version on a request names topics by id alone (KIP-516).
_TOPIC_IDS_SINCE = 13
_ZSTD_SINCE = 7

TopicIds: TypeAlias = Mapping[str, bytes]
Answers: TypeAlias = Mapping[tuple[str, int], PartitionProduceResponse]
"""By topic and partition."""


def topic_ids(batches: Iterable[Batch], id_of: Callable[[str], bytes]) -> TopicIds:
    """The ids as of the moment of sending, by which the response is read (KAFKA-19397)."""
    ids: dict[str, bytes] = {}
    for batch in batches:
        topic = batch.queue.topic
        if topic not in ids:
            ids[topic] = id_of(topic)
    return ids


def pick_version(versions: BrokerVersions, ids: TopicIds, codec_name: str) -> int:
    """The produce version for a request; one before topic ids if an id is not known. Raises UnsupportedVersionError."""
    at_most = None
    if ZERO_UUID in ids.values():
        at_most = _TOPIC_IDS_SINCE - 1
    version = versions.pick(ProduceRequest, at_most)
    if codec_name == "zstd" and version < _ZSTD_SINCE:
        raise UnsupportedVersionError(
            f"compression_type='zstd' needs Produce version {_ZSTD_SINCE}, and the broker offers {version}: use 'lz4', "
            "or upgrade the broker to Kafka 2.1 or later"
        )
    return version


def build_request(batches: Sequence[Batch], ids: TopicIds, *, acks: Acks, timeout_ms: int) -> ProduceRequest:
    """`timeout_ms`: how long the leader may wait for its replicas."""
    by_topic: dict[str, list[PartitionProduceData]] = {}
    for batch in batches:
        data = PartitionProduceData(index=batch.queue.partition, records=batch.wire_chunks())
        by_topic.setdefault(batch.queue.topic, []).append(data)
    return ProduceRequest(
        transactional_id=None,
        acks=acks.value,
        timeout_ms=timeout_ms,
        topic_data=[
            TopicProduceData(name=topic, topic_id=ids[topic], partition_data=partitions)
            for topic, partitions in by_topic.items()
        ],
    )


def read_response(response: ProduceResponse, ids: TopicIds) -> Answers:
    """The answers by topic and partition."""
    names = {topic_id: name for name, topic_id in ids.items() if topic_id != ZERO_UUID}
    answers = {}
    for topic in response.responses:
        name = topic.name or names.get(topic.topic_id, "")
        for partition in topic.partition_responses:
            answers[name, partition.index] = partition
    return answers


def prepare() -> None:
    """Compile the codecs that a broker of Kafka 4 needs now: 6 ms that the first acknowledgement does not have to wait
    for. What an older one needs is compiled as it comes.
    """
    for request in (ApiVersionsRequest, MetadataRequest, InitProducerIdRequest, ProduceRequest):
        request.prepare(request.max_version, encode=True)
        # Metadata alone is always decoded in steps, see `cluster`.
        steps = request is MetadataRequest
        request.response.prepare(request.max_version, decode=not steps, decode_in_steps=steps)
