"""Every request that is known here, by API key: for those who serve requests or read them, as brokers for tests do.

The producer asks by name for what it needs, and does not import the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from aioproducer.protocol.messages.api_versions import ApiVersionsRequest
from aioproducer.protocol.messages.create_topics import CreateTopicsRequest
from aioproducer.protocol.messages.fetch import FetchRequest
from aioproducer.protocol.messages.find_coordinator import FindCoordinatorRequest
from aioproducer.protocol.messages.init_producer_id import InitProducerIdRequest
from aioproducer.protocol.messages.list_offsets import ListOffsetsRequest
from aioproducer.protocol.messages.metadata import MetadataRequest
from aioproducer.protocol.messages.produce import ProduceRequest
from aioproducer.protocol.schema import Request

REQUESTS: Mapping[int, type[Request]] = MappingProxyType(
    {
        request.api_key: request
        for request in (
            ProduceRequest,
            FetchRequest,
            ListOffsetsRequest,
            MetadataRequest,
            FindCoordinatorRequest,
            ApiVersionsRequest,
            CreateTopicsRequest,
            InitProducerIdRequest,
        )
    }
)
"""By API key."""
