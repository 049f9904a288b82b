"""Kafka brokers inside of a test, to be used by our own tests and by those of services: stateful, strict, and faulty
on demand.

`EmbeddedCluster` is all that is needed; the other names are what it takes and gives.
"""

from aioproducer.testing.broker import RequestEntry
from aioproducer.testing.cluster import EmbeddedCluster
from aioproducer.testing.codes import Code
from aioproducer.testing.contents import StoredBatch, StoredRecord
from aioproducer.testing.faults import Fault
from aioproducer.testing.orders import Target
from aioproducer.testing.releases import RELEASES
from aioproducer.testing.topics import TopicConfig, TopicSettings
from aioproducer.testing.transport import Listen, Listener, Stream, listen_on_sockets

__all__ = [
    "RELEASES",
    "Code",
    "EmbeddedCluster",
    "Fault",
    "Listen",
    "Listener",
    "RequestEntry",
    "StoredBatch",
    "StoredRecord",
    "Stream",
    "Target",
    "TopicConfig",
    "TopicSettings",
    "listen_on_sockets",
]
