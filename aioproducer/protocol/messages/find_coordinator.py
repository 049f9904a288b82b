"""FindCoordinator (10): which broker coordinates a group or a transactional id. The declaration only.

`key_type` is 0 for a group, 1 for a transactional id, 2 for a share group.

1 kind of key, error message - 3 flexible - 4 several keys, a result for each - 5 TRANSACTION_ABORTABLE -
6 share groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from aioproducer.protocol.fields import Int8, Int16, Int32, String, between, since, until
from aioproducer.protocol.schema import Api, Request, Response
from aioproducer.protocol.structs import Struct


class FindCoordinator(Api):
    api_key: ClassVar[int] = 10
    min_version: ClassVar[int] = 0
    max_version: ClassVar[int] = 6
    flexible_from: ClassVar[int | None] = 3


class Coordinator(Struct):
    key: String = ""
    node_id: Int32 = 0
    host: String = ""
    port: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = ""


class FindCoordinatorResponse(FindCoordinator, Response):
    throttle_time_ms: Annotated[Int32, since(1, ignorable=True)] = 0
    error_code: Annotated[Int16, until(3)] = 0
    error_message: Annotated[String | None, between(1, 3, ignorable=True)] = ""
    node_id: Annotated[Int32, until(3)] = 0
    host: Annotated[String, until(3)] = ""
    port: Annotated[Int32, until(3)] = 0
    coordinators: Annotated[Sequence[Coordinator], since(4)] = ()


class FindCoordinatorRequest(FindCoordinator, Request):
    response: ClassVar[type[Response]] = FindCoordinatorResponse

    key: Annotated[String, until(3)] = ""
    key_type: Annotated[Int8, since(1)] = 0
    coordinator_keys: Annotated[Sequence[String], since(4)] = ()
