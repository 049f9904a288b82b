"""InitProducerId (22): a fresh producer id with epoch 0. Versions 0 to 5.

Without a transactional id a broker gives a new one whatever id and epoch the request names. With one, the answer is
that it is not authorised, for there are no transactions here and a client should not go on trying.
"""

from __future__ import annotations

from aioproducer.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from aioproducer.testing.codes import Code
from aioproducer.testing.handlers.base import Call, Outcome, handler


def handle(request: InitProducerIdRequest, call: Call) -> Outcome:
    code: int = call.refused("")
    if not code and request.transactional_id is not None:
        code = Code.INVALID_REQUEST if not request.transactional_id else Code.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    if not code:
        producer_id = call.state.new_producer_id()
        code = call.spoilt("")
        if not code:
            return InitProducerIdResponse(producer_id=producer_id, producer_epoch=0)
    return InitProducerIdResponse(error_code=code, producer_id=-1, producer_epoch=-1)


INIT_PRODUCER_ID = handler(InitProducerIdRequest, handle)
