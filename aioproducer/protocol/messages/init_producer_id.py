"""InitProducerId (22): the id and the epoch that a producer's batches carry. The declaration only.

A producer without transactions asks with `transactional_id` null. That is the default here, where the definition has an
empty string, which brokers refuse.

2 flexible - 3 the id and epoch that the producer has, for a new epoch of the same id (KIP-360) - 4 PRODUCER_FENCED -
5 TRANSACTION_ABORTABLE.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from aioproducer.protocol.fields import Int16, Int32, Int64, String, since
from aioproducer.protocol.schema import Api, Request, Response


class InitProducerId(Api):
    api_key: ClassVar[int] = 22
    min_version: ClassVar[int] = 0
    max_version: ClassVar[int] = 5
    flexible_from: ClassVar[int | None] = 2


class InitProducerIdResponse(InitProducerId, Response):
    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    producer_id: Int64 = -1
    producer_epoch: Int16 = 0


class InitProducerIdRequest(InitProducerId, Request):
    response: ClassVar[type[Response]] = InitProducerIdResponse

    transactional_id: String | None = None
    transaction_timeout_ms: Int32 = 0
    producer_id: Annotated[Int64, since(3)] = -1
    producer_epoch: Annotated[Int16, since(3)] = -1
