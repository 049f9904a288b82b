"""Options that are functions: what is accepted as one, and finding it by its import path."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

import pytest

from aioproducer.configuration.functions import Function, load
from aioproducer.serializers import JsonSerializer, StringSerializer

KIND = Function(parameters=("topic", "value"), returns="bytes | None", example="package.module:name")


def plain(topic: str, value: object) -> bytes:
    return b""


class Callable:
    def __call__(self, topic: str, value: object) -> bytes:
        return b""

    def method(self, topic: str, value: object, more: int = 0) -> bytes:
        return b""


class Awaited:
    async def __call__(self, topic: str, value: object) -> bytes:
        return b""


async def awaited(topic: str, value: object) -> bytes:
    return b""


class NeedsArguments:
    def __init__(self, encoding: str) -> None:
        self.encoding = encoding


@pytest.mark.parametrize(
    "value",
    [
        None,
        plain,
        Callable(),
        Callable().method,
        StringSerializer(),
        lambda *anything: b"",
        functools.partial(plain),
        functools.partial(lambda extra, topic, value: b"", 1),
        max,  # tells nothing about its parameters
    ],
)
def test_what_can_be_called_so_is_accepted_as_it_is(value: object) -> None:
    assert KIND.read(value) is value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (5, "give a callable (topic, value) -> bytes | None, or None"),
        ("json", "give a callable"),
        (StringSerializer, "give an instance, not the class: StringSerializer(...)"),
        (lambda value: b"", "it is called as (topic, value) but takes (value)"),
        (lambda topic, value, more: b"", "it is called as (topic, value) but takes (topic, value, more)"),
        (lambda *, topic, value: b"", "it is called as (topic, value) but takes (*, topic, value)"),
        (awaited, "nobody awaits what a coroutine function returns"),
        (Awaited(), "nobody awaits what a coroutine function returns"),
        (functools.partial(awaited), "nobody awaits what a coroutine function returns"),
    ],
)
def test_what_can_not_be_called_so_is_refused_with_the_reason(value: object, reason: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the reason is compared
        KIND.read(value)
    assert reason in str(caught.value)


HOOKED = Function(parameters=("topic",), returns="int", example="a:b", hook=("on_new_batch", ("topic", "previous")))


class Hooked:
    def __init__(self, hook: object) -> None:
        self.on_new_batch = hook

    def __call__(self, topic: str) -> int:
        return 0


@pytest.mark.parametrize(
    ("hook", "reason"),
    [
        (awaited, "give a plain function for its on_new_batch: nobody awaits"),
        (lambda topic: None, "its on_new_batch is called as (topic, previous) but takes (topic)"),
        (5, "its on_new_batch has to be a method with (topic, previous)"),
    ],
)
def test_a_method_that_it_may_have_is_checked_like_it(hook: object, reason: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the reason is compared
        HOOKED.read(Hooked(hook))
    assert reason in str(caught.value)
    fine = Hooked(lambda topic, previous: None)
    assert HOOKED.read(fine) is fine
    assert HOOKED.read(len) is len, "it need not have one"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = "serializers_of_a_user"
    (tmp_path / f"{name}.py").write_text("import functools\nclass Inner:\n    broken = None\n")
    (tmp_path / f"{name}_broken.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


def test_a_function_is_found_by_its_path() -> None:
    assert KIND.parse("os.path:join") is __import__("os").path.join
    assert load("aioproducer.serializers:JsonSerializer.__call__", example="") is JsonSerializer.__call__


def test_a_class_is_called() -> None:
    assert isinstance(KIND.parse("aioproducer.serializers:JsonSerializer"), JsonSerializer)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "write the import path of a Python object as 'package.module:name'"),
        ("json", "write the import path"),
        ("json:", "write the import path"),
        (":dumps", "write the import path"),
        ("org.apache.kafka.common.serialization.StringSerializer", "it looks like a Java class; write the import path"),
        ("no_such_module_here:x", "importing 'no_such_module_here' failed: ModuleNotFoundError"),
        ("..json:dumps", "importing '..json' failed: "),
        ("{module}_broken:x", "failed: ZeroDivisionError: division by zero"),
        ("json:dump_", "'json' was imported but has no 'dump_'; did you mean 'dump'?"),
        ("{module}:Inner.missing_altogether", "has no 'Inner.missing_altogether'"),
        ("fractions:Fraction", "give a callable"),
        ("collections.abc:Mapping", "is a class that can not be called without arguments (TypeError: "),
    ],
)
def test_what_is_not_found_says_why(module: str, path: str, reason: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the reason is compared
        KIND.parse(path.format(module=module))
    assert reason in str(caught.value)


def test_the_parameters_are_in_the_description() -> None:
    assert KIND.type_text == "(topic, value) -> bytes | None, or None"


def test_a_signature_that_lies_is_the_callers_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Strange:
        __signature__: Any = "not one"

        def __call__(self, topic: str, value: object) -> bytes:
            return b""

    strange = Strange()
    assert KIND.read(strange) is strange
