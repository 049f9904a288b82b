"""The settings of a topic that a producer can notice, and the names that Kafka allows. Values only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TypedDict

from aioproducer.testing.codes import Code, RefusedError

CREATE_TIME = "CreateTime"
LOG_APPEND_TIME = "LogAppendTime"
CLEANUP_POLICIES = ("delete", "compact", "compact,delete", "delete,compact")
MAX_NAME = 249
ONE_HOUR_MS = 3_600_000
FOREVER_MS = 2**63 - 1

_LEGAL = re.compile(r"[a-zA-Z0-9._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicConfig:
    """Topic settings under Kafka's names, dots and hyphens as underscores.

    min_insync_replicas: fewer in-sync replicas than this refuse `acks=all`.
    max_message_bytes: size of the largest batch, as it comes in.
    message_timestamp_type: "CreateTime", or "LogAppendTime" for the leader's clock.
    message_timestamp_after_max_ms, message_timestamp_before_max_ms: how far a record's own time may be ahead of, or
        behind, the broker's; None for before is no limit.
    cleanup_policy: "compact" refuses records without key. Nothing is ever compacted or deleted by it.
    """

    min_insync_replicas: int = 1
    max_message_bytes: int = 1_048_588
    message_timestamp_type: str = CREATE_TIME
    message_timestamp_after_max_ms: int = ONE_HOUR_MS
    message_timestamp_before_max_ms: int | None = None
    cleanup_policy: str = "delete"

    def __post_init__(self) -> None:
        if self.min_insync_replicas < 1:
            raise ValueError(f"min_insync_replicas={self.min_insync_replicas}: give 1 or more")
        if self.max_message_bytes < 0:
            raise ValueError(f"max_message_bytes={self.max_message_bytes}: give 0 or more")
        if self.message_timestamp_type not in (CREATE_TIME, LOG_APPEND_TIME):
            raise ValueError(
                f"message_timestamp_type={self.message_timestamp_type!r}: give {CREATE_TIME!r} or {LOG_APPEND_TIME!r}"
            )
        if self.cleanup_policy not in CLEANUP_POLICIES:
            raise ValueError(f"cleanup_policy={self.cleanup_policy!r}: give one of {', '.join(CLEANUP_POLICIES)}")

    @property
    def log_append_time(self) -> bool:
        return self.message_timestamp_type == LOG_APPEND_TIME

    @property
    def compacted(self) -> bool:
        return "compact" in self.cleanup_policy


class TopicSettings(TypedDict, total=False):
    """The settings of `TopicConfig`, as keyword arguments."""

    min_insync_replicas: int
    max_message_bytes: int
    message_timestamp_type: str
    message_timestamp_after_max_ms: int
    message_timestamp_before_max_ms: int | None
    cleanup_policy: str


SETTINGS = {field.name.replace("_", "."): field.name for field in fields(TopicConfig)}
"""Kafka's dotted names to ours."""

_TEXT_SETTINGS = ("message_timestamp_type", "cleanup_policy")


def from_properties(base: TopicConfig, properties: Mapping[str, str | None]) -> TopicConfig:
    """`base` with Kafka's dotted settings, as a CreateTopics request has them. Raises RefusedError (INVALID_CONFIG)."""
    changes: dict[str, int | str] = {}
    for key, text in properties.items():
        name = SETTINGS.get(key)
        if name is None:
            raise RefusedError(Code.INVALID_CONFIG, f"the embedded cluster has no topic setting {key!r}")
        if text is None:
            raise RefusedError(Code.INVALID_CONFIG, f"{key} has no value")
        if name in _TEXT_SETTINGS:
            changes[name] = text
            continue
        try:
            changes[name] = int(text)
        except ValueError:
            raise RefusedError(Code.INVALID_CONFIG, f"{key}={text!r} is no number") from None
    try:
        return replace(base, **changes)  # type: ignore[arg-type]  # the keys and types are those of the fields above
    except ValueError as error:
        raise RefusedError(Code.INVALID_CONFIG, str(error)) from error


def check_name(name: str) -> None:
    """Raises RefusedError (INVALID_TOPIC_EXCEPTION) for a name that Kafka does not allow."""
    if name in ("", ".", "..") or len(name) > MAX_NAME or not _LEGAL.fullmatch(name):
        raise RefusedError(
            Code.INVALID_TOPIC_EXCEPTION,
            f"{name!r} is no topic name: 1 to {MAX_NAME} of a-z, A-Z, 0-9, '.', '_' and '-', and not '.' or '..'",
        )
