"""Metadata answers as the cluster's rules get them, from messages written down in tests."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from aioproducer.cluster.answer import Answer
from aioproducer.cluster.tables import Tables
from aioproducer.cluster.view import TopicView
from aioproducer.protocol.messages.metadata import MetadataResponse
from aioproducer.work import at_once


def answered(
    response: MetadataResponse, version: int = 12, *, known: Mapping[str, TopicView] = MappingProxyType({})
) -> Answer:
    """The answer that a broker's bytes would give."""
    tables = Tables(known)
    octets = b"".join(response.encode(version))
    decoded = at_once(MetadataResponse.decode_in_steps(octets, version, takers=tables.takers))
    return Answer(decoded, version, tables.topics)
