"""Kafka keys that this version knows and does not support, so that nobody takes one of them for a spelling mistake.

A key of Kafka's that changes what is sent, or to whom, must not be ignored; one that does nothing here is refused too,
because accepted keys are keys that work.
"""

from __future__ import annotations

# A key, or all keys that begin so where the text ends with a dot; what is missing, with its verb; what to do instead.
_UNSUPPORTED: tuple[tuple[str, str, str], ...] = (
    ("transactional.id", "transactions are", "leave it out: a producer is idempotent without it"),
    ("transaction.timeout.ms", "transactions are", "leave it out"),
    ("transaction.two.phase.commit.enable", "transactions are", "leave it out"),
    ("security.protocol", "TLS and SASL are", "leave it out and use a PLAINTEXT listener of the brokers"),
    ("security.providers", "TLS and SASL are", "leave it out; it is about Java"),
    ("ssl.", "TLS is", "leave it out and use a PLAINTEXT listener of the brokers"),
    ("sasl.", "SASL is", "leave it out and use a PLAINTEXT listener of the brokers"),
    ("interceptor.classes", "interceptors are", "leave it out and wrap send() instead"),
    ("metric.reporters", "metric reporters are", "leave it out"),
    ("metrics.", "metric windows are", "leave it out"),
    ("enable.metrics.push", "pushing metrics to brokers is", "leave it out: nothing is pushed"),
    ("auto.include.jmx.reporter", "JMX is", "leave it out; Kafka 4.0 removed it"),
    ("config.providers", "configuration providers are", "leave it out and pass the resolved values"),
    (
        "bootstrap.resolve.timeout.ms",
        "a deadline for resolving names is",
        "leave it out; max.block.ms bounds the start",
    ),
    ("metadata.cluster.check.enable", "checking the cluster's id is", "leave it out"),
)


def unsupported(key: str) -> str | None:
    """What to say of `key`, in Kafka's spelling or in snake case; None if it is no key of Kafka's producer."""
    dotted = key.replace("_", ".")
    for known, missing, remedy in _UNSUPPORTED:
        # `config.providers.<name>.class` and its like belong to the key that they begin with.
        if dotted == known or dotted.startswith(known if known.endswith(".") else f"{known}."):
            return f"{missing} not supported by this version; {remedy}"
    return None
