"""CreateTopics (19): topics with partitions, replicas and settings. Versions 2 to 7. Any broker does it, as if it
forwarded.
"""

from __future__ import annotations

from aioproducer.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from aioproducer.testing.codes import Code, RefusedError
from aioproducer.testing.faults import WHOLE_TOPIC, Subject
from aioproducer.testing.handlers.base import Call, Outcome, handler
from aioproducer.testing.state import ClusterState
from aioproducer.testing.topics import from_properties

DEFAULT = -1


def handle(request: CreateTopicsRequest, call: Call) -> Outcome:
    return CreateTopicsResponse(topics=tuple(_create(topic, call, request.validate_only) for topic in request.topics))


def _create(asked: CreatableTopic, call: Call, only_check: bool) -> CreatableTopicResult:
    state = call.state
    ordered = call.refused(asked.name)
    if ordered:
        return CreatableTopicResult(name=asked.name, error_code=ordered, error_message=call.message(asked.name))
    try:
        properties = {setting.name: setting.value for setting in asked.configs}
        assignments = {row.partition_index: row.broker_ids for row in asked.assignments}
        if assignments and (asked.num_partitions != DEFAULT or asked.replication_factor != DEFAULT):
            raise RefusedError(Code.INVALID_REQUEST, "give either assignments or numbers of partitions and replicas")
        count = state.num_partitions if asked.num_partitions == DEFAULT else asked.num_partitions
        factor = asked.replication_factor
        if factor == DEFAULT:
            factor = state.default_replication_factor
        config = from_properties(state.defaults, properties)
        topic = state.create_topic(asked.name, count, factor, config, assignments, only_check=only_check)
    except RefusedError as refusal:
        return CreatableTopicResult(name=asked.name, error_code=refusal.code, error_message=refusal.message)
    spoilt = call.spoilt(asked.name)
    if spoilt:
        return CreatableTopicResult(name=asked.name, error_code=spoilt, error_message=call.message(asked.name))
    return CreatableTopicResult(
        name=asked.name,
        topic_id=topic.topic_id,
        error_message=None,
        num_partitions=len(topic.partitions),
        replication_factor=len(topic.partitions[0].replicas),
    )


def subjects(request: CreateTopicsRequest, _state: ClusterState) -> list[Subject]:
    return [(topic.name, WHOLE_TOPIC) for topic in request.topics]


CREATE_TOPICS = handler(CreateTopicsRequest, handle, subjects)
