"""The Kafka producer for asyncio services.

    from aioproducer import Producer

    async with Producer("localhost:9092") as producer:
        metadata = await producer.send("orders", b"...", key=b"42")

`Producer` is the way in. What it raises is in `aioproducer.errors`, its options are listed by
`aioproducer.config.Config`, and `aioproducer.testing` has Kafka brokers for the tests of services that use it.
"""

from aioproducer import errors
from aioproducer.bulk import ProducerRecord
from aioproducer.config import Config
from aioproducer.delivery import Delivery
from aioproducer.errors import KafkaError, Persisted
from aioproducer.models import Acks, Node, PartitionInfo, RecordMetadata, TimestampType, TopicPartition
from aioproducer.producer import Producer
from aioproducer.telemetry.events import EventKind, ProducerEvent
from aioproducer.telemetry.metrics import ProducerMetrics
from aioproducer.version import __version__

__all__ = [
    "Acks",
    "Config",
    "Delivery",
    "EventKind",
    "KafkaError",
    "Node",
    "PartitionInfo",
    "Persisted",
    "Producer",
    "ProducerEvent",
    "ProducerMetrics",
    "ProducerRecord",
    "RecordMetadata",
    "TimestampType",
    "TopicPartition",
    "__version__",
    "errors",
]
