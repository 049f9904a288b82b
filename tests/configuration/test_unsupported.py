"""Kafka's keys that are known and not supported."""

from __future__ import annotations

import pytest

from aioproducer.config import TABLE
from aioproducer.configuration.unsupported import unsupported

# All keys of `ProducerConfig.configDef()` of kafka-clients 4.3.1 that our table does not have, one of each family; and
# what Kafka removed in 4.0 or prepares for 4.4.
KEYS = [
    "transactional.id",
    "transaction.timeout.ms",
    "transaction.two.phase.commit.enable",
    "security.protocol",
    "security.providers",
    "ssl.protocol",
    "ssl.key.password",
    "ssl.truststore.location",
    "sasl.mechanism",
    "sasl.jaas.config",
    "sasl.oauthbearer.scope",
    "interceptor.classes",
    "metric.reporters",
    "metrics.num.samples",
    "metrics.recording.level",
    "metrics.sample.window.ms",
    "enable.metrics.push",
    "config.providers",
    "config.providers.file.class",
    "auto.include.jmx.reporter",
    "bootstrap.resolve.timeout.ms",
    "metadata.cluster.check.enable",
]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("written", [str, lambda key: key.replace(".", "_")], ids=["dotted", "snake case"])
def test_known_keys_say_what_is_not_supported_and_what_to_do(key: str, written: object) -> None:
    assert callable(written)
    said = unsupported(written(key))
    assert said is not None
    assert " not supported by this version; leave it out" in said


@pytest.mark.parametrize("key", [*TABLE, *(row.kafka_name for row in TABLE.values()), "ssl", "foo", "", "client.racks"])
def test_nothing_is_said_of_other_keys(key: str) -> None:
    assert unsupported(key) is None
