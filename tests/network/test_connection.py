"""The connection over streams in memory and in virtual time: order, time-outs, endings, the handshake."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable

import pytest

from aioproducer.errors import (
    BrokerError,
    ConnectionFailedError,
    ConnectTimeoutError,
    KafkaError,
    ProtocolError,
    RequestTimeoutError,
    UnsupportedVersionError,
)
from aioproducer.network.connection import Connection, open_connection
from aioproducer.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from aioproducer.protocol.messages.metadata import MetadataRequest, MetadataResponse, MetadataResponseTopic
from aioproducer.protocol.schema import Response
from aioproducer.protocol.serving import encode_response
from aioproducer.turns import Turn
from tests.support.scripted_peer import Answer, Close, MemoryNetwork, MemoryStream
from tests.support.virtual_time import Background, virtual_time

VERSION = MetadataRequest.max_version


class Bench:
    """One scripted broker, and connections to it."""

    def __init__(self) -> None:
        self.network = MemoryNetwork()
        self.broker = self.network.add("broker")
        self.background = Background()
        self.answers: list[Response | KafkaError] = []

    async def open(self, setup_timeout: float = 10.0) -> Connection:
        return await open_connection(
            self.network,
            "broker",
            9092,
            client_id="test",
            spawn=self.background.spawn,
            clock=asyncio.get_running_loop().time,
            setup_timeout=setup_timeout,
        )

    @property
    def stream(self) -> MemoryStream:
        return self.broker.streams[-1]

    def send(self, connection: Connection, *, timeout: float = 30.0) -> None:
        connection.send(MetadataRequest(), VERSION, self.answers.append, timeout=timeout)

    def respond(self, *correlation_ids: int, throttle_ms: int = 0) -> None:
        """Answers in one chunk; the answers carry their correlation id as controller id."""
        self.stream.feed(b"".join(reply(correlation_id, throttle_ms) for correlation_id in correlation_ids))

    def controllers(self) -> list[int]:
        assert all(isinstance(answer, MetadataResponse) for answer in self.answers), self.answers
        return [answer.controller_id for answer in self.answers if isinstance(answer, MetadataResponse)]


def reply(correlation_id: int, throttle_ms: int = 0) -> bytes:
    response = MetadataResponse(controller_id=correlation_id, throttle_time_ms=throttle_ms)
    return b"".join(encode_response(response, MetadataRequest, version=VERSION, correlation_id=correlation_id))


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def ended(connection: Connection) -> None:
    connection.close()
    await connection.wait_closed()


@virtual_time
async def test_answers_come_in_order_and_all_of_a_chunk_in_one_turn() -> None:
    bench = Bench()
    connection = await bench.open()
    for _ in range(5):
        bench.send(connection)
    assert connection.in_flight == 5
    assert bench.broker.count(MetadataRequest) == 5, "requests go out at once, without waiting for answers"
    await turns()
    bench.respond(2, 3, 4, 5, 6)
    await turns(2)
    assert bench.controllers() == [2, 3, 4, 5, 6]
    assert connection.in_flight == 0
    assert connection.answered == 5
    await ended(connection)


@virtual_time
async def test_an_answer_out_of_order_ends_the_connection_for_all() -> None:
    bench = Bench()
    connection = await bench.open()
    for _ in range(3):
        bench.send(connection)
    bench.respond(2, 4, 3)
    await connection.wait_closed()
    first, *others = bench.answers
    assert isinstance(first, MetadataResponse)
    assert [type(other) for other in others] == [ProtocolError, ProtocolError]
    assert "broker:9092: it answered request 4 where the answer to 3 (Metadata) was due" in str(others[0])
    assert connection.error is others[0]
    assert bench.stream.closed
    assert bench.background.alive == 0


@virtual_time
async def test_an_answer_nobody_asked_for_ends_the_connection() -> None:
    bench = Bench()
    connection = await bench.open()
    bench.respond(2)
    await connection.wait_closed()
    assert isinstance(connection.error, ProtocolError)


@virtual_time
async def test_a_body_that_can_not_be_decoded_is_that_requests_error_too() -> None:
    bench = Bench()
    connection = await bench.open()
    bench.send(connection)
    bench.stream.feed(struct.pack(">iib", 9, 2, 0) + b"\xff" * 4)
    await connection.wait_closed()
    assert [type(answer) for answer in bench.answers] == [ProtocolError]


@virtual_time
async def test_a_late_answer_times_out_everything_in_flight_in_order() -> None:
    bench = Bench()
    loop = asyncio.get_running_loop()
    connection = await bench.open()
    order: list[int] = []
    begin = loop.time()

    def noting(number: int) -> Callable[[Response | KafkaError], None]:
        def note(answer: Response | KafkaError) -> None:
            order.append(number)
            bench.answers.append(answer)

        return note

    for number, timeout in enumerate((30.0, 5.0, 40.0)):
        connection.send(MetadataRequest(), VERSION, noting(number), timeout=timeout)
    await connection.wait_closed()
    assert loop.time() - begin == pytest.approx(5.0)
    assert order == [0, 1, 2]
    assert {type(answer) for answer in bench.answers} == {RequestTimeoutError}
    assert "left a Metadata request unanswered" in str(connection.error)


@virtual_time
async def test_the_timer_follows_the_requests_that_are_still_open() -> None:
    bench = Bench()
    loop = asyncio.get_running_loop()
    connection = await bench.open()
    bench.send(connection, timeout=10)
    await asyncio.sleep(8)
    bench.send(connection, timeout=10)
    bench.respond(2)
    await connection.wait_closed()
    assert loop.time() == pytest.approx(18.0)
    assert isinstance(bench.answers[0], MetadataResponse)
    assert isinstance(bench.answers[1], RequestTimeoutError)


@virtual_time
async def test_throttling_is_noted_and_prolongs_what_is_in_flight() -> None:
    bench = Bench()
    loop = asyncio.get_running_loop()
    connection = await bench.open()
    bench.send(connection, timeout=10)
    bench.send(connection, timeout=10)
    bench.respond(2, throttle_ms=7000)
    await turns()
    assert connection.throttled_until == pytest.approx(7.0)
    bench.send(connection, timeout=10)
    await connection.wait_closed()
    assert loop.time() == pytest.approx(17.0)


@virtual_time
async def test_the_peers_end_is_told_in_order_and_once() -> None:
    bench = Bench()
    connection = await bench.open()
    told: list[object] = []
    connection.on_close(lambda error: told.append((error, len(bench.answers))))
    bench.send(connection)
    bench.send(connection)
    bench.stream.feed(b"")
    await connection.wait_closed()
    assert [type(answer) for answer in bench.answers] == [ConnectionFailedError] * 2
    assert told == [(connection.error, 2)]
    connection.close()
    connection.on_close(told.append)
    assert told[1] is connection.error
    assert "closed (connection to broker:9092 lost: closed by the broker)" in repr(connection)


@virtual_time
async def test_a_broken_stream_is_a_connection_error_and_not_the_readers_death() -> None:
    bench = Bench()
    connection = await bench.open()
    bench.send(connection)
    bench.stream.feed(ConnectionResetError(104, "Connection reset by peer"))
    await connection.wait_closed()
    assert isinstance(bench.answers[0], ConnectionFailedError)
    assert "Connection reset by peer" in str(bench.answers[0])
    await bench.background.end()


@virtual_time
async def test_sending_on_a_closed_connection_is_answered_later_with_its_error() -> None:
    bench = Bench()
    connection = await bench.open()
    await ended(connection)
    bench.send(connection)
    assert bench.answers == [], "never from within send"
    await turns()
    assert bench.answers == [connection.error]
    with pytest.raises(ConnectionFailedError):
        await connection.call(MetadataRequest(), timeout=1)
    with pytest.raises(ConnectionFailedError):
        connection.send_unanswered(MetadataRequest(), VERSION)
    with pytest.raises(ConnectionFailedError):
        await connection.drain()


@virtual_time
async def test_a_request_that_can_not_be_encoded_leaves_nothing_behind() -> None:
    bench = Bench()
    connection = await bench.open()
    with pytest.raises(UnsupportedVersionError):
        connection.send(MetadataRequest(allow_auto_topic_creation=False), 1, bench.answers.append, timeout=1)
    assert connection.in_flight == 0
    bench.send(connection)
    bench.respond(2)
    await turns()
    assert bench.controllers() == [2]
    await ended(connection)
    assert len(bench.answers) == 1


@virtual_time
async def test_an_unanswered_request_does_not_shift_the_answers() -> None:
    bench = Bench()
    connection = await bench.open()
    connection.send_unanswered(MetadataRequest(), VERSION)
    assert connection.in_flight == 0
    bench.send(connection)
    bench.respond(3)
    await turns()
    assert bench.controllers() == [3]
    await ended(connection)


@virtual_time
async def test_a_cancelled_call_does_not_shift_the_answers() -> None:
    bench = Bench()
    connection = await bench.open()
    first = asyncio.create_task(connection.call(MetadataRequest(), timeout=5))
    await turns()
    first.cancel()
    second = asyncio.create_task(connection.call(MetadataRequest(), timeout=5))
    await turns()
    bench.respond(2, 3)
    answer = await second
    assert isinstance(answer, MetadataResponse)
    assert answer.controller_id == 3
    assert first.cancelled()
    await ended(connection)


@virtual_time
async def test_a_bug_in_a_callback_ends_the_reader_after_all_others_were_told() -> None:
    bench = Bench()
    connection = await bench.open()

    def buggy(_answer: Response | KafkaError) -> None:
        raise OSError("a bug that looks like the network")

    connection.send(MetadataRequest(), VERSION, buggy, timeout=5)
    bench.send(connection)
    bench.respond(2)
    await connection.wait_closed()
    assert [type(answer) for answer in bench.answers] == [ConnectionFailedError]
    with pytest.raises(OSError, match="looks like the network"):
        await bench.background.end()


@virtual_time
async def test_a_callback_may_close_the_connection_and_send() -> None:
    bench = Bench()
    connection = await bench.open()

    def closing(_answer: Response | KafkaError) -> None:
        connection.close()
        bench.send(connection)

    connection.send(MetadataRequest(), VERSION, closing, timeout=5)
    bench.send(connection)
    bench.respond(2, 3)
    await connection.wait_closed()
    await turns()
    assert bench.answers == [connection.error, connection.error]


@virtual_time
async def test_drain_waits_for_the_kernel_and_says_when_the_connection_ends() -> None:
    bench = Bench()
    connection = await bench.open()
    bench.stream.drained.clear()
    waiting = asyncio.create_task(connection.drain())
    await turns()
    assert not waiting.done()
    bench.stream.drained.set()
    await waiting
    bench.stream.drained.clear()
    waiting = asyncio.create_task(connection.drain())
    await turns()
    connection.close(ConnectionFailedError("enough"))
    with pytest.raises(ConnectionFailedError, match="enough"):
        await waiting
    await connection.wait_closed()


@virtual_time
async def test_cancelling_the_reader_tells_those_who_wait() -> None:
    bench = Bench()
    connection = await bench.open()
    bench.send(connection)
    await turns()
    await bench.background.end()
    assert [type(answer) for answer in bench.answers] == [ConnectionFailedError]
    assert bench.stream.closed


# The handshake


@virtual_time
async def test_the_handshake_says_who_we_are_and_learns_the_versions() -> None:
    bench = Bench()
    connection = await bench.open()
    (header, request) = bench.broker.received[0]
    assert (header.api_version, header.client_id) == (4, "test")
    assert isinstance(request, ApiVersionsRequest)
    assert request.client_software_name == "aioproducer"
    assert request.client_software_version[0].isdigit()
    assert connection.versions.pick(MetadataRequest) == VERSION
    assert repr(connection) == "<Connection to broker:9092, ready, 0 in flight>"
    await ended(connection)


@virtual_time
async def test_an_older_broker_is_asked_again_in_the_version_it_lists() -> None:
    bench = Bench()
    bench.broker.versions[ApiVersionsRequest] = (0, 2)
    connection = await bench.open()
    assert [header.api_version for header, _ in bench.broker.received] == [4, 2]
    await ended(connection)


@virtual_time
async def test_a_malformed_refusal_is_followed_by_version_0() -> None:
    bench = Bench()
    answers: list[Answer] = [struct.pack(">iih", 6, 0, 35), ApiVersionsResponse()]
    bench.broker.script[ApiVersionsRequest] = lambda _: answers.pop(0)
    connection = await bench.open()
    assert [header.api_version for header, _ in bench.broker.received] == [4, 0]
    await ended(connection)


@virtual_time
async def test_a_second_refusal_is_the_end() -> None:
    bench = Bench()
    bench.broker.script[ApiVersionsRequest] = lambda _: ApiVersionsResponse(error_code=35)
    with pytest.raises(UnsupportedVersionError, match="broker:9092: it speaks no version"):
        await bench.open()
    assert len(bench.broker.received) == 2
    assert bench.stream.closed


@virtual_time
async def test_another_error_code_is_the_brokers_error() -> None:
    bench = Bench()
    bench.broker.script[ApiVersionsRequest] = lambda _: ApiVersionsResponse(error_code=42)
    with pytest.raises(BrokerError, match="broker:9092") as caught:
        await bench.open()
    assert caught.value.code == 42


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", ProtocolError, "broker:9092: it answered 'HTTP/1.1 400 Bad Request'"),
        (struct.pack(">i", 2**31 - 1), ProtocolError, "is this the Kafka port?"),
        (struct.pack(">iih", 6, 77, 0), ProtocolError, "not one to the question"),
        (struct.pack(">iib", 5, 0, 0), ProtocolError, "error code of 2 bytes"),
        (struct.pack(">iihi", 10, 0, 0, 2**31 - 1), ProtocolError, "ApiVersionsResponse"),
        (Close, ConnectionFailedError, "closed the connection during the handshake"),
        (None, ConnectTimeoutError, "connected, but no answer to the handshake within 10 s"),
        (b"\0\0", ConnectTimeoutError, "is this the Kafka port?"),
    ],
)
@virtual_time
async def test_a_peer_that_is_no_broker_is_told_within_the_setup_timeout(
    answer: bytes | type[Close] | None, kind: type[KafkaError], said: str
) -> None:
    bench = Bench()
    bench.broker.script[ApiVersionsRequest] = lambda _: answer
    with pytest.raises(kind) as caught:
        await bench.open()
    assert said in str(caught.value)
    assert asyncio.get_running_loop().time() <= 10.0
    assert bench.stream.closed
    assert bench.background.tasks == []


@virtual_time
async def test_a_dial_that_fails_or_hangs() -> None:
    bench = Bench()
    del bench.network.brokers["broker", 9092]
    with pytest.raises(ConnectionFailedError, match="broker:9092: connection refused; is a broker"):
        await bench.open()
    bench.network.silent.add(("broker", 9092))
    with pytest.raises(ConnectTimeoutError, match="broker:9092: no connection within 3 s"):
        await bench.open(setup_timeout=3)
    assert asyncio.get_running_loop().time() == pytest.approx(3.0)


@virtual_time
async def test_opening_can_be_cancelled() -> None:
    bench = Bench()
    bench.broker.script[ApiVersionsRequest] = lambda _: None
    opening = asyncio.create_task(bench.open())
    await turns()
    opening.cancel()
    await asyncio.wait([opening])
    assert opening.cancelled()
    assert bench.stream.closed


@virtual_time
async def test_a_throttle_in_the_handshake_counts() -> None:
    bench = Bench()
    bench.broker.script[ApiVersionsRequest] = lambda _: ApiVersionsResponse(throttle_time_ms=2000)
    connection = await bench.open()
    assert connection.throttled_until == pytest.approx(2.0)
    await ended(connection)


def large(correlation_id: int, *, spoilt: bool = False) -> bytes:
    topics = tuple(MetadataResponseTopic(name=f"topic-{number}") for number in range(2000))
    response = MetadataResponse(topics=topics, throttle_time_ms=700)
    frame = b"".join(encode_response(response, MetadataRequest, version=VERSION, correlation_id=correlation_id))
    return frame[:-3] + b"\xff\xff\xff" if spoilt else frame


@virtual_time
async def test_a_large_answer_holds_up_nobody_behind_it() -> None:
    bench = Bench()
    connection = await bench.open()
    call = asyncio.get_running_loop().create_task(connection.call(MetadataRequest(), timeout=30))
    await turns()
    bench.send(connection)
    bench.stream.feed(large(2) + reply(3))
    await turns()
    assert bench.controllers() == [3]
    assert not call.done()
    answer = await call
    assert isinstance(answer, MetadataResponse)
    assert len(answer.topics) == 2000
    assert connection.throttled_until == pytest.approx(0.7, abs=0.01)
    await ended(connection)
    await bench.background.end()


@virtual_time
async def test_a_large_answer_that_is_none_ends_the_connection() -> None:
    bench = Bench()
    connection = await bench.open()
    call = asyncio.get_running_loop().create_task(connection.call(MetadataRequest(), timeout=30))
    await turns()
    bench.send(connection)
    bench.stream.feed(large(2, spoilt=True))
    with pytest.raises(ProtocolError, match=r"broker:9092: \d+ bytes are no MetadataResponse"):
        await call
    assert connection.closed
    assert isinstance(bench.answers[0], ProtocolError)
    await connection.wait_closed()
    await bench.background.end()


@pytest.mark.parametrize("spoilt", [False, True])
def test_what_comes_of_the_answers_goes_on_behind_the_last_of_a_chunk(spoilt: bool) -> None:
    @virtual_time
    async def run() -> None:
        bench = Bench()
        connection = await bench.open()
        loop = asyncio.get_running_loop()
        connection.turn = turn = Turn(loop, lambda: True)
        answered_by_then: list[int] = []
        answered = 0

        def on_answer(_answer: Response | KafkaError) -> None:
            nonlocal answered
            answered += 1
            turn.soon(lambda: answered_by_then.append(answered))

        for _ in range(3):
            connection.send(MetadataRequest(), VERSION, on_answer, timeout=30.0)
        last = reply(9) if spoilt else reply(4)
        loop.call_soon(bench.stream.feed, reply(2) + reply(3) + last)
        loop.call_soon(lambda: answered_by_then.append(-1))
        await turns()
        assert answered_by_then == [3, 3, 3, -1]
        assert connection.closed == spoilt
        connection.close()
        await bench.background.end()

    run()
