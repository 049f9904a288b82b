"""The table of error codes against Kafka's own, and the errors made from its rows."""

from __future__ import annotations

import pickle

import pytest

from aioproducer import errors
from aioproducer.errors import BrokerError, Persisted
from aioproducer.protocol.error_codes import ERROR_CODES, broker_error, error_code

# Names, and which are retriable (R) and mean that metadata is out of date (M), as `Errors` of kafka-clients 4.3.1 has
# them: printed from that class, not from our table.
KAFKA = """
-1 UNKNOWN_SERVER_ERROR
0 NONE
1 OFFSET_OUT_OF_RANGE
2 CORRUPT_MESSAGE R
3 UNKNOWN_TOPIC_OR_PARTITION R M
5 LEADER_NOT_AVAILABLE R M
6 NOT_LEADER_OR_FOLLOWER R M
7 REQUEST_TIMED_OUT R
8 BROKER_NOT_AVAILABLE
9 REPLICA_NOT_AVAILABLE R M
10 MESSAGE_TOO_LARGE
12 OFFSET_METADATA_TOO_LARGE
13 NETWORK_EXCEPTION R M
14 COORDINATOR_LOAD_IN_PROGRESS R
15 COORDINATOR_NOT_AVAILABLE R
16 NOT_COORDINATOR R
17 INVALID_TOPIC_EXCEPTION
18 RECORD_LIST_TOO_LARGE
19 NOT_ENOUGH_REPLICAS R
20 NOT_ENOUGH_REPLICAS_AFTER_APPEND R
21 INVALID_REQUIRED_ACKS
22 ILLEGAL_GENERATION
25 UNKNOWN_MEMBER_ID
29 TOPIC_AUTHORIZATION_FAILED
30 GROUP_AUTHORIZATION_FAILED
31 CLUSTER_AUTHORIZATION_FAILED
32 INVALID_TIMESTAMP
33 UNSUPPORTED_SASL_MECHANISM
34 ILLEGAL_SASL_STATE
35 UNSUPPORTED_VERSION
36 TOPIC_ALREADY_EXISTS
37 INVALID_PARTITIONS
38 INVALID_REPLICATION_FACTOR
39 INVALID_REPLICA_ASSIGNMENT
40 INVALID_CONFIG
41 NOT_CONTROLLER R
42 INVALID_REQUEST
43 UNSUPPORTED_FOR_MESSAGE_FORMAT
44 POLICY_VIOLATION
45 OUT_OF_ORDER_SEQUENCE_NUMBER
46 DUPLICATE_SEQUENCE_NUMBER
47 INVALID_PRODUCER_EPOCH
48 INVALID_TXN_STATE
49 INVALID_PRODUCER_ID_MAPPING
50 INVALID_TRANSACTION_TIMEOUT
51 CONCURRENT_TRANSACTIONS R
52 TRANSACTION_COORDINATOR_FENCED
53 TRANSACTIONAL_ID_AUTHORIZATION_FAILED
55 OPERATION_NOT_ATTEMPTED
56 KAFKA_STORAGE_ERROR R M
58 SASL_AUTHENTICATION_FAILED
59 UNKNOWN_PRODUCER_ID
72 LISTENER_NOT_FOUND R M
74 FENCED_LEADER_EPOCH R M
75 UNKNOWN_LEADER_EPOCH R
76 UNSUPPORTED_COMPRESSION_TYPE
82 FENCED_INSTANCE_ID
87 INVALID_RECORD
89 THROTTLING_QUOTA_EXCEEDED R
90 PRODUCER_FENCED
100 UNKNOWN_TOPIC_ID R M
103 INCONSISTENT_TOPIC_ID R M
117 UNKNOWN_SUBSCRIPTION_ID
118 TELEMETRY_TOO_LARGE
120 TRANSACTION_ABORTABLE
129 REBOOTSTRAP_REQUIRED
"""


def test_the_table_agrees_with_kafka() -> None:
    ours = [
        " ".join([str(code), row.name, *(["R"] if row.retriable else []), *(["M"] if row.refresh_metadata else [])])
        for code, row in sorted(ERROR_CODES.items())
    ]
    assert ours == KAFKA.split("\n")[1:-1]


def test_a_row_stands_under_its_own_code() -> None:
    assert all(code == row.code for code, row in ERROR_CODES.items())


def test_fatal_are_the_codes_after_which_a_producer_can_not_go_on() -> None:
    assert {code for code, row in ERROR_CODES.items() if row.fatal} == {31, 35, 49, 53, 90}


def test_persisted_is_said_where_a_broker_may_have_appended() -> None:
    assert {code for code, row in ERROR_CODES.items() if row.possibly_persisted} == {-1, 6, 7, 13, 20, 56}
    assert {code for code, row in ERROR_CODES.items() if row.persisted is Persisted.YES} == {0, 46}


def test_every_meaning_says_what_to_do() -> None:
    for code, row in ERROR_CODES.items():
        if code != 0:
            happened, _, remedy = row.meaning.partition("; ")
            assert happened, row
            assert remedy, row


def test_every_class_of_errors_belongs_to_the_row_with_its_code_and_name() -> None:
    classes = {
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, BrokerError) and each is not BrokerError
    }
    assert {row.error_class for row in ERROR_CODES.values()} - {BrokerError} == classes
    for each in classes:
        row = ERROR_CODES[each.code]
        assert (row.error_class, row.name, row.retriable) == (each, each.name, each.retriable)


@pytest.mark.parametrize("code", [4, 999, 32767, -2, -32768])
def test_an_unknown_code_is_a_row_that_fails_one_batch(code: int) -> None:
    row = error_code(code)
    assert (row.code, row.name) == (code, f"UNKNOWN_CODE_{code}")
    assert (row.retriable, row.fatal, row.refresh_metadata) == (False, False, False)
    assert row.possibly_persisted
    error = broker_error(code)
    assert type(error) is BrokerError
    assert (error.code, error.name) == (code, row.name)


@pytest.mark.parametrize("code", sorted(ERROR_CODES.keys() - {0}))
def test_an_error_carries_its_row(code: int) -> None:
    row = error_code(code)
    error = broker_error(code, "produce to orders[3] on broker 2")
    assert type(error) is row.error_class
    assert (error.code, error.name, error.retriable, error.fatal, error.persisted) == (
        code,
        row.name,
        row.retriable,
        row.fatal,
        row.persisted,
    )
    assert str(error) == f"produce to orders[3] on broker 2: {row.name} ({code}): {row.meaning}"
    assert vars(pickle.loads(pickle.dumps(error))) == vars(error)


def test_an_error_of_a_fatal_row_leaves_its_class_alone() -> None:
    assert broker_error(35).fatal
    assert not BrokerError.fatal


def test_what_the_broker_wrote_can_not_forge_a_line() -> None:
    error = broker_error(87, broker_message="no key\nERROR all is lost")
    assert str(error).endswith("; the broker says 'no key\\nERROR all is lost'")
    assert len(str(broker_error(87, broker_message="x" * 100_000))) < 1000


def test_without_detail_the_message_begins_with_the_name() -> None:
    assert str(broker_error(44)).startswith("POLICY_VIOLATION (44): ")


def test_success_is_no_error() -> None:
    with pytest.raises(ValueError, match="code 0 is success"):
        broker_error(0)
