"""Metadata (3): brokers, topics, leaders. Creates an unknown topic if both sides allow it.

Versions 1 to 13. A topic that is created by being asked for is not in that answer yet: the asker has to ask again, as
with Kafka. Clusters with ZooKeeper say LEADER_NOT_AVAILABLE then, later ones UNKNOWN_TOPIC_OR_PARTITION.
"""

from __future__ import annotations

from aioproducer.protocol.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from aioproducer.testing.codes import Code, RefusedError
from aioproducer.testing.faults import WHOLE_TOPIC, Subject
from aioproducer.testing.handlers.base import Call, Outcome, handler
from aioproducer.testing.releases import FIRST_WITH_KRAFT
from aioproducer.testing.state import NO_LEADER, ClusterState, Partition, Topic
from aioproducer.testing.topics import check_name

REBOOTSTRAP_REQUIRED = 129
"""The one error of an answer as a whole; others belong to its topics, if there are any."""


def handle(request: MetadataRequest, call: Call) -> Outcome:
    state = call.state
    if request.topics is None:
        topics = [_described(topic, call) for topic in state.topics.values()]
    else:
        topics = [_asked(topic, request.allow_auto_topic_creation, call) for topic in request.topics]
    # A broker puts topics with errors first: nobody may rely on getting them in the order of the request.
    topics.sort(key=lambda topic: topic.error_code == Code.NONE)
    brokers = state.listed_brokers()
    ordered = call.refused("") or call.spoilt("")
    return MetadataResponse(
        brokers=tuple(
            MetadataResponseBroker(node_id=node.node_id, host=node.host, port=node.port, rack=node.rack)
            for node in brokers
        ),
        cluster_id=state.cluster_id,
        controller_id=brokers[0].node_id if brokers else -1,
        topics=tuple(topics),
        error_code=ordered if ordered == REBOOTSTRAP_REQUIRED or not topics else Code.NONE,
    )


def _asked(asked: MetadataRequestTopic, create: bool, call: Call) -> MetadataResponseTopic:
    state = call.state
    name = asked.name
    if name is None:
        found = state.topic_by_id(asked.topic_id)
        if found is None:
            return MetadataResponseTopic(error_code=Code.UNKNOWN_TOPIC_ID, name=None, topic_id=asked.topic_id)
        return _described(found, call)
    known = state.topics.get(name)
    if known is not None:
        return _described(known, call)
    code = _ordered(name, call)
    if not code:
        code = _create(name, call) if create and state.auto_create_topics else _missing(name)
    return MetadataResponseTopic(error_code=code, name=name)


def _ordered(topic: str, call: Call, partition: int = WHOLE_TOPIC) -> int:
    code = call.refused(topic, partition) or call.spoilt(topic, partition)
    return Code.NONE if code == REBOOTSTRAP_REQUIRED else code


def _missing(name: str) -> Code:
    try:
        check_name(name)
    except RefusedError as refusal:
        return refusal.code
    return Code.UNKNOWN_TOPIC_OR_PARTITION


def _create(name: str, call: Call) -> Code:
    state = call.state
    try:
        state.create_topic(name, state.num_partitions, state.default_replication_factor, state.defaults)
    except RefusedError as refusal:
        return refusal.code
    return Code.UNKNOWN_TOPIC_OR_PARTITION if call.release.at_least(FIRST_WITH_KRAFT) else Code.LEADER_NOT_AVAILABLE


def _described(topic: Topic, call: Call) -> MetadataResponseTopic:
    code = _ordered(topic.name, call)
    if code:
        return MetadataResponseTopic(error_code=code, name=topic.name, topic_id=topic.topic_id)
    partitions = tuple(_partition(partition, call) for partition in topic.partitions)
    return MetadataResponseTopic(name=topic.name, topic_id=topic.topic_id, partitions=partitions)


def _partition(partition: Partition, call: Call) -> MetadataResponsePartition:
    code: int = Code.LEADER_NOT_AVAILABLE if partition.leader == NO_LEADER else Code.NONE
    if call.plan.errors:
        code = _ordered(partition.topic, call, partition.index) or code
    brokers = call.state.brokers
    return MetadataResponsePartition(
        error_code=code,
        partition_index=partition.index,
        leader_id=NO_LEADER if code == Code.LEADER_NOT_AVAILABLE else partition.leader,
        leader_epoch=partition.leader_epoch,
        replica_nodes=partition.replicas,
        isr_nodes=partition.isr,
        offline_replicas=tuple(node for node in partition.replicas if not brokers[node].listed),
    )


def subjects(request: MetadataRequest, state: ClusterState) -> list[Subject]:
    if request.topics is None:
        return [(name, WHOLE_TOPIC) for name in state.topics]
    names = []
    for topic in request.topics:
        found = state.topic_by_id(topic.topic_id) if topic.name is None else None
        names.append(topic.name or (found.name if found else topic.topic_id.hex()))
    return [(name, WHOLE_TOPIC) for name in names]


METADATA = handler(MetadataRequest, handle, subjects)
