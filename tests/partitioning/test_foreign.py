"""The partitioners of other ecosystems: librdkafka's own choices beside ours, and Sarama's as it has told them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from random import Random

import pytest
from confluent_kafka import KafkaError, Message, Producer

from aioproducer.partitioning import foreign
from aioproducer.partitioning.base import Partitioner, Partitions, choose
from aioproducer.partitioning.foreign import (
    ConsistentPartitioner,
    ConsistentRandomPartitioner,
    Fnv1aPartitioner,
    Fnv1aRandomPartitioner,
    Fnv1aReferencePartitioner,
    HashPartitioner,
    fnv1a,
)
from tests.support.rdkafka_mock import RdKafkaMock

LIBRDKAFKA: dict[str, Partitioner] = {
    "consistent": ConsistentPartitioner(),
    "consistent_random": ConsistentRandomPartitioner(),
    "fnv1a": Fnv1aPartitioner(),
    "fnv1a_random": Fnv1aRandomPartitioner(),
}
MAKERS: list[Callable[[Callable[[], int]], HashPartitioner]] = [
    ConsistentRandomPartitioner,
    Fnv1aRandomPartitioner,
    Fnv1aReferencePartitioner,
]


@pytest.mark.parametrize("name", LIBRDKAFKA)
@pytest.mark.parametrize("partitions", [7, 12])
def test_keys_go_where_librdkafka_puts_them(rdkafka_mock: RdKafkaMock, name: str, partitions: int) -> None:
    topic = f"{name}-{partitions}"
    rdkafka_mock.create_topic(topic, partitions)
    random = Random(partitions)
    keys: list[bytes | None] = [random.randbytes(random.randrange(1, 80)) for _ in range(1000)]
    if "random" not in name:
        keys += [b"", None]
    elif name == "fnv1a_random":
        keys += [b""]
    theirs: dict[int, int | None] = {}

    def report(number: int) -> Callable[[KafkaError | None, Message], None]:
        return lambda _error, message: theirs.update({number: message.partition()})

    producer = Producer({"bootstrap.servers": rdkafka_mock.bootstrap, "partitioner": name})
    for number, key in enumerate(keys):
        producer.produce(topic, b"", key=key, on_delivery=report(number))
    assert producer.flush(20) == 0
    there = Partitions(partitions)
    ours = {number: choose(LIBRDKAFKA[name], topic, key, None, there) for number, key in enumerate(keys)}
    assert ours == theirs


# The authors' own test vectors.
@pytest.mark.parametrize(("data", "value"), [(b"", 0x811C9DC5), (b"a", 0xE40C292C), (b"foobar", 0xBF9CF968)])
def test_fnv1a(data: bytes, value: int) -> None:
    assert fnv1a(data) == fnv1a(data) == value
    # Sarama: the 32 bits as a signed number; its absolute value, or in the reference variant the sign masked away.
    signed = value - (1 << 32) if value >> 31 else value
    for partitions in (1, 3, 7, 12, 1000):
        there = Partitions(partitions)
        assert Fnv1aRandomPartitioner()("t", data, None, there) == abs(signed) % partitions
        assert Fnv1aReferencePartitioner()("t", data, None, there) == (value & 0x7FFFFFFF) % partitions


# What Sarama 1.45.1 itself answers for 7, 12 and 1000 partitions.
@pytest.mark.parametrize(
    ("key", "hashed", "reference"),
    [
        (b"", (2, 3, 35), (0, 5, 613)),
        (b"a", (6, 0, 76), (3, 8, 572)),
        (b"foobar", (4, 0, 576), (5, 8, 72)),
        (b"order-1", (1, 1, 949), (1, 1, 949)),
        ("Müller".encode(), (2, 8, 372), (2, 8, 372)),
        (bytes(range(16)), (6, 3, 443), (3, 5, 205)),
        (b"\xff" * 9, (1, 6, 378), (1, 2, 270)),
    ],
)
def test_keys_go_where_sarama_puts_them(
    key: bytes, hashed: tuple[int, int, int], reference: tuple[int, int, int]
) -> None:
    for partitions, by_hash, by_reference in zip((7, 12, 1000), hashed, reference, strict=True):
        there = Partitions(partitions)
        assert Fnv1aRandomPartitioner()("t", key, None, there) == by_hash
        assert Fnv1aReferencePartitioner()("t", key, None, there) == by_reference


def test_the_lowest_number_has_no_absolute_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "fnv1a", lambda _data: 0x80000000)
    assert Fnv1aPartitioner()("t", b"k", None, Partitions(1000)) == 2**31 % 1000


def test_long_keys_are_not_remembered() -> None:
    assert fnv1a(b"x" * 1000) == fnv1a(b"x" * 1000)


@pytest.mark.parametrize("make", MAKERS)
def test_without_a_key_a_batch_goes_to_one_partition(make: Callable[[Callable[[], int]], HashPartitioner]) -> None:
    partitioner = make(count().__next__)
    there = Partitions(3)
    visits = []
    for _ in range(4):
        visits += [partitioner("t", None, b"v", there) for _ in range(2)]
        partitioner.on_new_batch("t", there, visits[-1])
    assert all(first == second for first, second in zip(visits[::2], visits[1::2], strict=True))
    assert all(before != after for before, after in zip(visits[1::2], visits[2::2], strict=False))


def test_an_empty_key_is_none_for_librdkafkas_default() -> None:
    partitioner = ConsistentRandomPartitioner(lambda: 2)
    assert partitioner("t", b"", None, Partitions(3)) == 2
    assert Fnv1aRandomPartitioner(lambda: 2)("t", b"", None, Partitions(1000)) == (2**32 - 0x811C9DC5) % 1000


def test_keys_do_not_mind_a_leader_that_is_away() -> None:
    key = b"some key"
    for partitioner in (*LIBRDKAFKA.values(), Fnv1aReferencePartitioner()):
        assert partitioner("t", key, None, Partitions(9, (0,))) == partitioner("t", key, None, Partitions(9))


def test_each_has_chance_of_its_own() -> None:
    chosen = {ConsistentRandomPartitioner()("t", None, None, Partitions(1 << 30)) for _ in range(20)}
    assert len(chosen) > 10


def test_repr() -> None:
    assert repr(Fnv1aReferencePartitioner()) == "Fnv1aReferencePartitioner()"
