"""Kafka keys that this version knows and does not support, so that nobody takes one of them for a spelling mistake.

A key of Kafka's that changes what is sent, or to whom, must not be ignored; one that does nothing here is refused too,
because accepted keys are keys that work.
"""

from __future__ import annotations

# A key, or all keys that begin so where the text ends with a dot; what is missing; what to do instead.
_UNSUPPORTED: tuple[tuple[str, str, str], ...] = (
    ("transactional.id", "transactions", "leave it out: a producer is idempotent without it"),
    ("transaction.timeout.ms", "transactions", "leave it out"),
    ("transaction.two.phase.commit.enable", "transactions", "leave it out"),
    ("security.protocol", "TLS and SASL", "leave it out and use a PLAINTEXT listener of the brokers"),
    ("security.providers", "TLS and SASL", "leave it out; it is about Java"),
    ("ssl.", "TLS", "leave it out and use a PLAINTEXT listener of the brokers"),
    ("sasl.", "SASL", "leave it out and use a PLAINTEXT listener of the brokers"),
    ("interceptor.classes", "interceptors", "leave it out and wrap send() instead"),
    ("metric.reporters", "metric reporters", "leave it out"),
    ("metrics.", "metric windows", "leave it out"),
    ("enable.metrics.push", "pushing metrics to brokers", "leave it out: nothing is pushed"),
    ("auto.include.jmx.reporter", "JMX", "leave it out; Kafka 4.0 removed it"),
    ("config.providers", "configuration providers", "leave it out and pass the resolved values"),
    ("partitioner.rack.aware", "rack-aware partitioning", "leave it out, or give a partitioner of your own"),
    ("client.rack", "rack-aware partitioning", "leave it out"),
    ("bootstrap.resolve.timeout.ms", "a deadline for resolving names", "leave it out; max.block.ms bounds the start"),
    ("metadata.cluster.check.enable", "checking the cluster's id", "leave it out"),
)


def unsupported(key: str) -> str | None:
    """What to say of `key`, in Kafka's spelling or in snake case; None if it is no key of Kafka's producer."""
    dotted = key.replace("_", ".")
    for known, missing, remedy in _UNSUPPORTED:
        # `config.providers.<name>.class` and its like belong to the key that they begin with.
        if dotted == known or dotted.startswith(known if known.endswith(".") else f"{known}."):
            return f"{missing} are not supported by this version; {remedy}".replace("TLS are", "TLS is")
    return None
