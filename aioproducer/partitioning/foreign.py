"""Partitioners that put a key where clients of other languages put it, so that several can feed one topic.

| class | the same as |
|---|---|
| `ConsistentPartitioner` | librdkafka's `consistent` |
| `ConsistentRandomPartitioner` | librdkafka's `consistent_random`, which is the default of clients built on it |
| `Fnv1aPartitioner` | librdkafka's `fnv1a` |
| `Fnv1aRandomPartitioner` | librdkafka's `fnv1a_random`, Sarama's default (`NewHashPartitioner`) |
| `Fnv1aReferencePartitioner` | Sarama's `NewReferenceHashPartitioner` |

librdkafka's `murmur2_random` is what the producer does by itself. Where these clients leave a record without a key to
chance, it goes to the partition whose batch is being filled: chance decides per batch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from zlib import crc32

from aioproducer.partitioning.base import Partitions
from aioproducer.partitioning.keyless import StickyByTopic, chance

_FNV_OFFSET = 0x811C9DC5
_FNV_PRIME = 0x01000193
_MASK = 0xFFFFFFFF
_SIGN = 0x80000000
_REMEMBERED_KEY_SIZE = 64


def fnv1a(data: bytes) -> int:
    """The 32-bit FNV-1a hash of `data`, as an unsigned number."""
    return _remembered_fnv1a(data) if len(data) <= _REMEMBERED_KEY_SIZE else _fnv1a(data)


def _fnv1a(data: bytes) -> int:
    h = _FNV_OFFSET
    for octet in data:
        h = (h ^ octet) * _FNV_PRIME & _MASK
    return h


# Byte by byte in plain Python 16 bytes take 1 us, and keys come again.
_remembered_fnv1a = lru_cache(maxsize=8192)(_fnv1a)


def _absolute_fnv1a(data: bytes) -> int:
    """The absolute value of the hash as a signed number, which for the lowest one is that number without its sign."""
    h = fnv1a(data)
    return h if h < _SIGN else _SIGN * 2 - h


def _masked_fnv1a(data: bytes) -> int:
    return fnv1a(data) & ~_SIGN


class HashPartitioner:
    """What the partitioners of this module share: a hash of the key, modulo the number of partitions."""

    __slots__ = ("_hash", "_left_to_chance", "_sticky")

    def __init__(
        self,
        hash_key: Callable[[bytes], int],
        *,
        left_to_chance: tuple[bytes | None, ...] = (),
        random: Callable[[], int] | None = None,
    ) -> None:
        """`left_to_chance` are the keys that count as none. `random` returns any int from 0 up, evenly distributed; by
        default each partitioner has a source of chance of its own.
        """
        self._hash = hash_key
        self._left_to_chance = left_to_chance
        self._sticky = StickyByTopic(random or chance())

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def __call__(self, topic: str, key: bytes | None, _value: bytes | None, partitions: Partitions, /) -> int:
        """The partition of the key, whether it has a leader or not."""
        if key in self._left_to_chance:
            return self._sticky.choose(topic, partitions)
        return self._hash(key or b"") % len(partitions)

    def on_new_batch(self, topic: str, partitions: Partitions, previous: int) -> None:
        """The batch on `previous` is full."""
        self._sticky.move_on(topic, partitions, previous)


class ConsistentPartitioner(HashPartitioner):
    """CRC-32 of the key; no key counts as an empty one."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(crc32)


class ConsistentRandomPartitioner(HashPartitioner):
    """CRC-32 of the key; no key, and an empty one, are left to chance."""

    __slots__ = ()

    def __init__(self, random: Callable[[], int] | None = None) -> None:
        super().__init__(crc32, left_to_chance=(None, b""), random=random)


class Fnv1aPartitioner(HashPartitioner):
    """FNV-1a of the key as an absolute value; no key counts as an empty one."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(_absolute_fnv1a)


class Fnv1aRandomPartitioner(HashPartitioner):
    """FNV-1a of the key as an absolute value; no key is left to chance."""

    __slots__ = ()

    def __init__(self, random: Callable[[], int] | None = None) -> None:
        super().__init__(_absolute_fnv1a, left_to_chance=(None,), random=random)


class Fnv1aReferencePartitioner(HashPartitioner):
    """FNV-1a of the key with its sign masked away; no key is left to chance."""

    __slots__ = ()

    def __init__(self, random: Callable[[], int] | None = None) -> None:
        super().__init__(_masked_fnv1a, left_to_chance=(None,), random=random)
