"""Options whose value is a function of the user's: serializers, the partitioner, a listener.

Checked here is what can be known before the first call: that it is callable, as often as it will be called, and no
coroutine function. A properties file names it by its import path, `package.module:name`; a class is called without
arguments to make the instance.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable
from typing import NamedTuple


class Function(NamedTuple):
    """A callable, or None. `parameters` are what it is called with; `example` is one that a message can show; `hook` is
    the name and the parameters of a method that it may have beside.
    """

    parameters: tuple[str, ...]
    returns: str
    example: str
    hook: tuple[str, tuple[str, ...]] | None = None

    @property
    def bounds_text(self) -> str:
        return ""

    @property
    def unit(self) -> str:
        return ""

    @property
    def type_text(self) -> str:
        return f"({', '.join(self.parameters)}) -> {self.returns}, or None"

    def read(self, value: object) -> Callable[..., object] | None:
        if value is None:
            return None
        if isinstance(value, type):
            raise ValueError(f"give an instance, not the class: {value.__name__}(...)")
        if not callable(value):
            raise ValueError(f"give a callable {self.type_text}; in a properties file, its import path")
        _check_call(value, self.parameters, "it")
        if self.hook is not None and hasattr(value, self.hook[0]):
            name, parameters = self.hook
            method = getattr(value, name)
            if not callable(method):
                raise ValueError(f"its {name} has to be a method with ({', '.join(parameters)})")
            _check_call(method, parameters, f"its {name}")
        return value

    def parse(self, text: str) -> Callable[..., object] | None:
        return self.read(load(text, example=self.example))


def _check_call(function: Callable[..., object], parameters: tuple[str, ...], what: str) -> None:
    """Raises ValueError unless it can be called with these, and gives its result at once."""
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__):
        whose = "" if what == "it" else f" for {what}"
        raise ValueError(f"give a plain function{whose}: nobody awaits what a coroutine function returns")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # some callables written in C tell nothing about their parameters
    try:
        signature.bind(*parameters)
    except TypeError:
        raise ValueError(f"{what} is called as ({', '.join(parameters)}) but takes {signature}") from None


def load(path: str, *, example: str) -> object:
    """The object at an import path, or an instance if that is a class. Raises ValueError that says what is missing."""
    module_name, colon, names = path.partition(":")
    if not colon or not module_name or not names:
        java = "it looks like a Java class; " if path.startswith(("org.", "com.", "io.")) else ""
        raise ValueError(f"{java}write the import path of a Python object as 'package.module:name', as in {example!r}")
    try:
        found: object = importlib.import_module(module_name)
    except Exception as error:
        raise ValueError(f"importing {module_name!r} failed: {type(error).__name__}: {error}") from error
    for name in names.split("."):
        if not hasattr(found, name):
            near = difflib.get_close_matches(name, dir(found), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"{module_name!r} was imported but has no {names!r}{hint}")
        found = getattr(found, name)
    if not isinstance(found, type):
        return found
    try:
        return found()
    except Exception as error:
        raise ValueError(
            f"{path!r} is a class that can not be called without arguments ({type(error).__name__}: {error}); "
            f"name an instance in your own module"
        ) from error
