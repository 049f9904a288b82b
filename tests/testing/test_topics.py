from __future__ import annotations

import dataclasses

import pytest

from aioproducer.testing.codes import Code, RefusedError
from aioproducer.testing.topics import TopicConfig, check_name, from_properties


@pytest.mark.parametrize("name", ["a", "Orders_1.x-y", "x" * 249, "..."])
def test_legal_names(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", ".", "..", "x" * 250, "a b", "a/b", "ä", "a\n"])
def test_illegal_names(name: str) -> None:
    with pytest.raises(RefusedError) as caught:
        check_name(name)
    assert caught.value.code is Code.INVALID_TOPIC_EXCEPTION


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("min_insync_replicas", 0),
        ("max_message_bytes", -1),
        ("message_timestamp_type", "Create"),
        ("cleanup_policy", "shred"),
    ],
)
def test_impossible_settings_are_named(setting: str, value: object) -> None:
    with pytest.raises(ValueError, match=setting):
        dataclasses.replace(TopicConfig(), **{setting: value})  # type: ignore[arg-type]  # wrong on purpose


def test_dotted_settings_are_read() -> None:
    config = from_properties(
        TopicConfig(max_message_bytes=5),
        {"min.insync.replicas": "2", "message.timestamp.type": "LogAppendTime", "cleanup.policy": "compact"},
    )
    assert (config.min_insync_replicas, config.max_message_bytes) == (2, 5)
    assert config.log_append_time
    assert config.compacted


@pytest.mark.parametrize(
    ("key", "text"),
    [("segment.bytes", "1"), ("min.insync.replicas", "x"), ("min.insync.replicas", None), ("cleanup.policy", "x")],
)
def test_dotted_settings_that_are_refused(key: str, text: str | None) -> None:
    with pytest.raises(RefusedError) as caught:
        from_properties(TopicConfig(), {key: text})
    assert caught.value.code is Code.INVALID_CONFIG
