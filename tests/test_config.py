"""The table of options, and a `Config` made from Python values, from Kafka's names, and from a properties file."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import typing
from pathlib import Path
from typing import Any

import pytest

from aioproducer.config import TABLE, Address, Config, Options
from aioproducer.errors import ConfigurationError
from aioproducer.models import Acks
from aioproducer.serializers import JsonSerializer, StringSerializer

# Name, default and bounds of every key of Kafka's that we have, as `ProducerConfig.configDef()` of kafka-clients 4.3.1
# prints them; our differences stand beside.
KAFKA = {
    "acks": ("all", "all, -1, 0, 1"),
    "allow.auto.create.topics": ("True", ""),  # Kafka: of its consumer alone; its producer always allows it
    "batch.size": ("16384", ">= 0"),
    "buffer.memory": ("33554432", ">= 85"),  # Kafka: >= 0, with which no record can be sent
    "client.dns.lookup": ("use_all_dns_ips", "use_all_dns_ips, resolve_canonical_bootstrap_servers_only"),
    "client.rack": ('""', ""),  # Kafka: from 4.4 on
    "compression.gzip.level": ("-1", "1 to 9, or -1"),
    "compression.lz4.level": ("9", "1 to 17"),
    "compression.type": ("none", "none, gzip, snappy, lz4, zstd"),
    "compression.zstd.level": ("3", "-131072 to 22"),
    "connections.max.idle.ms": ("540000.0", ">= -1"),  # Kafka: any, negative ones all mean the same
    "delivery.timeout.ms": ("120000.0", ">= 0"),
    "enable.idempotence": ("True", ""),
    "linger.ms": ("5.0", ">= 0"),
    "max.block.ms": ("60000.0", ">= 0"),
    "max.in.flight.requests.per.connection": ("5", ">= 1"),
    "max.request.size": ("1048576", ">= 85"),  # Kafka: >= 0
    "metadata.max.age.ms": ("300000.0", ">= 0"),
    "metadata.max.idle.ms": ("300000.0", ">= 5000"),
    "metadata.recovery.rebootstrap.trigger.ms": ("300000.0", ">= 0"),
    "metadata.recovery.strategy": ("rebootstrap", "none, rebootstrap"),
    "partitioner.adaptive.partitioning.enable": ("True", ""),
    "partitioner.availability.timeout.ms": ("0.0", ">= 0"),
    "partitioner.class": ("None", ""),
    "partitioner.ignore.keys": ("False", ""),
    "partitioner.rack.aware": ("False", ""),  # Kafka: from 4.4 on
    "receive.buffer.bytes": ("32768", ">= -1"),
    "reconnect.backoff.max.ms": ("1000.0", ">= 0"),
    "reconnect.backoff.ms": ("50.0", ">= 0"),
    "request.timeout.ms": ("30000.0", ">= 1"),  # Kafka: >= 0, with which every request is too late
    "retries": ("2147483647", ">= 0"),
    "retry.backoff.max.ms": ("1000.0", ">= 0"),
    "retry.backoff.ms": ("100.0", ">= 0"),
    "send.buffer.bytes": ("131072", ">= -1"),
    "socket.connection.setup.timeout.max.ms": ("30000.0", ">= 1"),  # Kafka: any
    "socket.connection.setup.timeout.ms": ("10000.0", ">= 1"),  # Kafka: any
}
# Required or generated there and here, or a null default there and None here.
OF_OUR_OWN_FORM = {
    "bootstrap.servers",
    "client.id",
    "key.serializer",
    "value.serializer",
    "strict.linger",
    "batch.max.size",
    "on.event",
}

NUMBERS = [name for name, row in TABLE.items() if row.kind.type_text in ("int", "float")]


def config(**options: Any) -> Config:
    return Config.from_options("localhost:9092", **options)


def faults(**options: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        config(**options)
    return caught.value.faults


def test_defaults_and_bounds_are_kafkas() -> None:
    ours = {row.kafka_name: (row.default, row.bounds) for row in Config.describe()}
    assert {name: row for name, row in ours.items() if name not in OF_OUR_OWN_FORM} == KAFKA
    assert ours.keys() - KAFKA.keys() == OF_OUR_OWN_FORM


def test_every_option_has_one_row_with_all_it_needs() -> None:
    rows = Config.describe()
    fields = [each.name for each in dataclasses.fields(Config)]
    assert [row.name for row in rows] == fields[: len(rows)]
    assert fields[len(rows) :] == ["explicit", "adjustments"]
    assert len({row.name for row in rows}) == len({row.kafka_name for row in rows}) == len(rows)
    for row in rows:
        assert row.meaning[0].isupper(), row
        assert row.meaning.endswith("."), row
        assert "\n" not in row.meaning, row
        assert bool(row.unit) == (row.type in ("int", "float")), row
        assert (row.unit == "ms") == row.name.endswith("_ms"), row
        assert row.default, row


def test_names_are_kafkas_in_snake_case() -> None:
    exceptions = {name: row.kafka_name for name, row in TABLE.items() if row.kafka_name.replace(".", "_") != name}
    assert exceptions == {"partitioner": "partitioner.class"}


def test_type_checkers_see_the_same_options_as_the_table() -> None:
    hints = typing.get_type_hints(Options)
    assert list(hints) == [name for name in TABLE if name != "bootstrap_servers"]
    ours = typing.get_type_hints(Config)
    # An option takes more than its attribute holds where there are several ways to write it.
    assert {name for name, hint in hints.items() if hint != ours[name]} == {"client_id", "acks"}


def test_attributes_are_of_the_annotated_type() -> None:
    made = config(linger_ms=7, batch_size=100, acks="all")
    assert type(made.linger_ms) is float
    assert made.linger_ms == 7.0
    assert type(made.batch_size) is int
    assert made.acks is Acks.ALL
    assert made.bootstrap_servers == (Address("localhost", 9092),)


def test_defaults_pass_their_own_checks() -> None:
    made = config()
    assert made.adjustments == ()
    assert made.explicit == {"bootstrap_servers"}
    for name, row in TABLE.items():
        if name not in ("bootstrap_servers", "client_id"):
            assert getattr(made, name) == row.default
            assert row.kind.read(row.default) == row.default


def test_calling_the_class_is_from_options() -> None:
    assert Config("localhost:9092", client_id="a", linger_ms=3) == config(client_id="a", linger_ms=3)


def test_explicit_are_the_options_that_were_given_even_with_their_default() -> None:
    assert config(linger_ms=5, retries=3).explicit == {"bootstrap_servers", "linger_ms", "retries"}


def test_a_config_can_not_be_changed() -> None:
    made = config()
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.linger_ms = 1.0  # type: ignore[misc] # the point of the test


def test_a_config_can_be_copied_and_pickled() -> None:
    made = config(value_serializer=StringSerializer.__call__.__get__(StringSerializer()), acks=1)
    assert copy.copy(made) == made
    plain = config(acks=1)
    twin = pickle.loads(pickle.dumps(plain))
    assert twin == plain
    assert (twin.explicit, twin.adjustments) == (plain.explicit, plain.adjustments)


def test_client_ids_are_counted_up_unless_given() -> None:
    first, second = config().client_id, config(client_id=None).client_id
    assert first.startswith("producer-")
    assert int(second.removeprefix("producer-")) == int(first.removeprefix("producer-")) + 1
    assert config(client_id="").client_id == ""
    assert "client_id" not in config(client_id=None).explicit


def test_what_fails_uses_up_no_client_id() -> None:
    before = config().client_id
    faults(linger_ms=-1)
    config(client_id="named")
    assert int(config().client_id.removeprefix("producer-")) == int(before.removeprefix("producer-")) + 1


def test_all_faults_come_at_once() -> None:
    wrong: dict[str, Any] = {"linger_ms": -1, "lingerms": 3, "ssl_cafile": "x", "acks": 7, "batch_size": 10**7}
    with pytest.raises(ConfigurationError) as caught:
        Config.from_options("localhost", **wrong)
    found = caught.value.faults
    assert len(found) == 6
    assert found[0] == "bootstrap_servers='localhost': 'localhost' has no port; add it, as in 'localhost:9092'"
    assert found[1] == "linger_ms=-1: give a number of milliseconds from 0 to 9223372036854775807"
    assert found[2] == "lingerms: unknown option; did you mean linger_ms?"
    assert found[3].startswith("ssl_cafile: TLS is not supported by this version; ")
    assert found[4] == "acks=7: give 'all' (or -1), 1 or 0"
    assert found[5].startswith("batch_size=10000000 is larger than max_request_size=1048576, ")


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [True, "5", None, float("nan"), float("inf"), 2**63, -(2**63), [1]])
def test_what_is_no_number_is_refused_by_every_number(name: str, value: object) -> None:
    (fault,) = faults(**{name: value})
    assert fault.startswith(f"{name}={value!r}: give a ")


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row.kind.type_text == "int"])
def test_a_float_is_no_whole_number(name: str) -> None:
    (fault,) = faults(**{name: 5.0})
    assert fault.startswith(f"{name}=5.0: give a whole number")


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row.kind.type_text == "bool"])
@pytest.mark.parametrize("value", [0, 1, "true", None])
def test_what_is_not_a_bool_is_refused_by_every_flag(name: str, value: object) -> None:
    assert faults(**{name: value}) == (f"{name}={value!r}: give True or False",)


@pytest.mark.parametrize("name", ["compression_type", "client_dns_lookup", "metadata_recovery_strategy"])
@pytest.mark.parametrize("value", [None, "brotli", 1, b"none"])
def test_what_is_not_on_the_list_is_refused_with_the_list(name: str, value: object) -> None:
    (fault,) = faults(**{name: value})
    assert fault.startswith(f"{name}={value!r}: give one of '")


def test_a_long_value_is_shortened_in_the_message() -> None:
    (fault,) = faults(compression_type="x" * 10_000)
    assert len(fault) < 250


# Kafka's names


def test_properties_are_parsed() -> None:
    made = Config.from_properties(
        {
            "bootstrap.servers": "a:1, [::1]:2",
            "acks": "all",
            "linger.ms": " 20 ",
            "retries": "+7",
            "enable.idempotence": "TRUE",
            "compression.type": "zstd",
            "compression.zstd.level": "-5",
            "metadata.recovery.strategy": "NONE",
            "connections.max.idle.ms": "-1",
            "max.block.ms": "9223372036854775807",
            "client.id": "billing",
            "value.serializer": "aioproducer.serializers:JsonSerializer",
        }
    )
    assert made.bootstrap_servers == (Address("a", 1), Address("::1", 2))
    assert (made.acks, made.linger_ms, made.retries, made.enable_idempotence) == (Acks.ALL, 20.0, 7, True)
    assert (made.compression_type, made.compression_zstd_level) == ("zstd", -5)
    assert (made.metadata_recovery_strategy, made.connections_max_idle_ms) == ("none", -1.0)
    assert made.max_block_ms == 2.0**63
    assert made.client_id == "billing"
    assert isinstance(made.value_serializer, JsonSerializer)
    assert {"linger_ms", "acks", "value_serializer"} <= made.explicit


def test_python_values_may_stand_among_properties() -> None:
    serializer = StringSerializer()
    made = Config.from_properties({"bootstrap.servers": ["a:1"], "linger.ms": 2.5, "key.serializer": serializer})
    assert (made.linger_ms, made.key_serializer) == (2.5, serializer)


def test_properties_and_options_agree() -> None:
    by_options = config(client_id="x", acks=1, linger_ms=0, retry_backoff_ms=2000)
    by_properties = Config.from_properties(
        {
            "bootstrap.servers": "localhost:9092",
            "client.id": "x",
            "acks": "1",
            "linger.ms": "0",
            "retry.backoff.ms": "2000",
        }
    )
    assert by_options == by_properties
    assert by_options.explicit == by_properties.explicit


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("linger.ms", ""),
        ("linger.ms", "5s"),
        ("linger.ms", "1_000"),
        ("linger.ms", "nan"),
        ("linger.ms", "1e3"),
        ("linger.ms", "٣"),
        ("linger.ms", "9" * 100_000),
        ("retries", "3.0"),
        ("retries", "0x10"),
        ("retries", "9" * 100_000),
        ("enable.idempotence", "yes"),
        ("enable.idempotence", "1"),
        ("acks", "two"),
        ("acks", "ALL"),
        ("compression.type", "ZSTD"),
        ("bootstrap.servers", ""),
        ("key.serializer", "org.apache.kafka.common.serialization.StringSerializer"),
    ],
)
def test_text_that_says_nothing_is_refused(key: str, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Config.from_properties({"bootstrap.servers": "localhost:9092", key: text})
    (fault,) = caught.value.faults
    assert fault.startswith(f"{key}='")


def test_messages_use_the_names_the_user_wrote() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Config.from_properties({"acks": "1", "enable.idempotence": "true", "linger_ms": "5", "transactional.id": "t"})
    assert caught.value.faults == (
        "linger_ms: unknown option; did you mean linger.ms?",
        "transactional.id: transactions are not supported by this version; "
        "leave it out: a producer is idempotent without it",
        "bootstrap.servers is missing: some brokers to learn the cluster from, as host:port separated by commas.",
        "acks=1 contradicts enable.idempotence=true: give acks=all, or enable.idempotence=false and accept duplicates",
    )


def test_adjustments_use_the_names_the_user_wrote() -> None:
    made = Config.from_properties({"bootstrap.servers": "localhost:9092", "request.timeout.ms": "120000"})
    (adjustment,) = made.adjustments
    assert adjustment.startswith("delivery.timeout.ms=120005, raised from 120000, because linger.ms=5 plus ")


def test_a_properties_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "producer.properties"
    path.write_bytes(b"# ours\nbootstrap.servers = a:1,\\\n    b:2\nlinger.ms:20\nclient.id caf\\u00e9\n")
    for given in (path, str(path)):
        made = Config.from_properties(given)
        assert made.bootstrap_servers == (Address("a", 1), Address("b", 2))
        assert (made.linger_ms, made.client_id) == (20.0, "café")


def test_a_properties_file_that_is_not_there_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="can not be read: No such file or directory"):
        Config.from_properties(tmp_path / "missing.properties")
