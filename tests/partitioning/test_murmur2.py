"""The hash of keys, held against Java's vectors and two foreign implementations."""

from __future__ import annotations

import warnings

import pytest
from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from hypothesis import given
from hypothesis import strategies as st

from aioproducer.partitioning.murmur2 import KEY_HASHES, murmur2, partition_for_key

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka.partitioner.default import murmur2 as kafka_python_murmur2

VECTORS = [
    (b"21", -973932308, (0, 3, 0)),
    (b"foobar", -790332482, (0, 0, 6)),
    (b"a-little-bit-long-string", -985981536, (2, 1, 8)),
    (b"a-little-bit-longer-string", -1486304829, (2, 0, 11)),
    (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971, (2, 3, 5)),
    (b"abc", 479470107, (0, 4, 3)),
    (b"", 275646681, (0, 2, 9)),
    (b"\xff\xff\xff", 1548199422, (0, 0, 6)),
    (b"kafka", -798503068, (1, 3, 4)),
]


@pytest.mark.parametrize(("key", "signed", "partitions"), VECTORS)
def test_vectors(key: bytes, signed: int, partitions: tuple[int, int, int]) -> None:
    assert murmur2(key) == signed & 0xFFFFFFFF
    for _ in range(2):  # the second time it is remembered
        assert tuple(partition_for_key(key, count) for count in (3, 7, 12)) == partitions


@given(st.binary(max_size=300))
def test_same_as_others(key: bytes) -> None:
    assert murmur2(key) == kafka_python_murmur2(key) & 0xFFFFFFFF == aiokafka_murmur2(key) & 0xFFFFFFFF


@pytest.mark.parametrize("size", [*range(20), *range(252, 270), 1000, 1001])
def test_every_length(size: int) -> None:
    for key in (b"\x00" * size, b"\xff" * size, bytes(i * 37 % 256 for i in range(size))):
        assert murmur2(key) == kafka_python_murmur2(key) & 0xFFFFFFFF


@given(st.binary(max_size=80), st.integers(1, 10_000))
def test_remembering_never_moves_a_key(key: bytes, count: int) -> None:
    expected = (kafka_python_murmur2(key) & 0x7FFFFFFF) % count
    assert partition_for_key(key, count) == expected
    assert partition_for_key(bytes(bytearray(key)), count) == expected


def test_more_keys_than_are_remembered() -> None:
    keys = [b"%d" % number for number in range(20_000)]
    first = [partition_for_key(key, 997) for key in keys]
    assert [partition_for_key(key, 997) for key in keys] == first
    assert first == [(murmur2(key) & 0x7FFFFFFF) % 997 for key in keys]


def test_what_is_remembered_is_bounded() -> None:
    remembered = KEY_HASHES
    remembered.clear()
    partition_for_key(b"x" * 65, 3)
    assert remembered == {}
    for number in range(20_000):
        partition_for_key(b"%d" % number, 3)
        assert len(remembered) <= 8192
    assert b"19999" in remembered
