"""One module per API that a broker answers, and the table of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from aioproducer.testing import releases
from aioproducer.testing.handlers.api_versions import API_VERSIONS_HANDLER
from aioproducer.testing.handlers.base import Handler
from aioproducer.testing.handlers.create_topics import CREATE_TOPICS
from aioproducer.testing.handlers.fetch import FETCH
from aioproducer.testing.handlers.find_coordinator import FIND_COORDINATOR
from aioproducer.testing.handlers.init_producer_id import INIT_PRODUCER_ID
from aioproducer.testing.handlers.list_offsets import LIST_OFFSETS
from aioproducer.testing.handlers.metadata import METADATA
from aioproducer.testing.handlers.produce import PRODUCE

HANDLERS: Mapping[int, Handler] = MappingProxyType(
    {
        releases.PRODUCE: PRODUCE,
        releases.FETCH: FETCH,
        releases.LIST_OFFSETS: LIST_OFFSETS,
        releases.METADATA: METADATA,
        releases.FIND_COORDINATOR: FIND_COORDINATOR,
        releases.API_VERSIONS: API_VERSIONS_HANDLER,
        releases.CREATE_TOPICS: CREATE_TOPICS,
        releases.INIT_PRODUCER_ID: INIT_PRODUCER_ID,
    }
)

__all__ = ["HANDLERS"]
