"""The kinds of value an option may have: what is accepted from Python, how text of a properties file is read.

A kind looks at one value alone. `read` takes a Python value, `parse` the text of a properties file (already trimmed);
both return the value as `Config` keeps it, or raise ValueError whose message says what to give instead.
Rules between keys are `configuration.rules`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from aioproducer.configuration.addresses import Address, parse_addresses
from aioproducer.models import Acks

INT_MAX = 2**31 - 1
LONG_MAX = 2**63 - 1

_INTEGER = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


class Kind(Protocol):
    """One kind of value. The texts are for people: documentation, the command line, messages."""

    @property
    def type_text(self) -> str: ...

    @property
    def bounds_text(self) -> str:
        """Which values of the type are accepted; empty if all are."""

    @property
    def unit(self) -> str:
        """What a number counts; empty for what is no number."""

    def read(self, value: object) -> object: ...

    def parse(self, text: str) -> object: ...


def shown(value: object) -> str:
    """`value` as a message shows it: its repr, shortened."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


class Integer(NamedTuple):
    """A whole number. `bool` is none, although Python says so; `also` is a value accepted outside of the bounds."""

    unit: str
    at_least: int
    at_most: int = INT_MAX
    also: int | None = None

    @property
    def type_text(self) -> str:
        return "int"

    @property
    def bounds_text(self) -> str:
        if self.at_most in (INT_MAX, LONG_MAX) and self.also is None:
            return f">= {self.at_least}"
        bounds = f"{self.at_least} to {self.at_most}"
        return bounds if self.also is None else f"{bounds}, or {self.also}"

    def read(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(self._wanted())
        if value != self.also and not self.at_least <= value <= self.at_most:
            raise ValueError(self._wanted())
        return int(value)

    def parse(self, text: str) -> int:
        # More digits than any bound has would only cost time to convert.
        if len(text) > 20 or not _INTEGER.fullmatch(text):
            raise ValueError(self._wanted())
        return self.read(int(text))

    def _wanted(self) -> str:
        also = "" if self.also is None else f", or {self.also}"
        return f"give a whole number from {self.at_least} to {self.at_most}{also} ({self.unit})"


class Milliseconds(NamedTuple):
    """A length of time in milliseconds: an int or a float, kept as a float."""

    at_least: float
    at_most: int = LONG_MAX

    @property
    def type_text(self) -> str:
        return "float"

    @property
    def unit(self) -> str:
        return "ms"

    @property
    def bounds_text(self) -> str:
        return f">= {self.at_least:g}"

    def read(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(self._wanted())
        if not self.at_least <= value <= self.at_most:
            raise ValueError(self._wanted())
        return float(value)

    def parse(self, text: str) -> float:
        if len(text) > 40 or not _DECIMAL.fullmatch(text):
            raise ValueError(self._wanted())
        # Through int where it is one: the largest long is no float, and would be rounded over its bound.
        return self.read(int(text) if _INTEGER.fullmatch(text) else float(text))

    def _wanted(self) -> str:
        return f"give a number of milliseconds from {self.at_least:g} to {self.at_most}"


class Boolean:
    """True or False, and nothing that merely counts as one of them."""

    type_text = "bool"
    bounds_text = ""
    unit = ""

    def read(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError("give True or False")
        return value

    def parse(self, text: str) -> bool:
        if text.lower() not in ("true", "false"):
            raise ValueError("write true or false")
        return text.lower() == "true"


class Text:
    """Any text."""

    type_text = "str"
    bounds_text = ""
    unit = ""

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError("give a str")
        return value

    def parse(self, text: str) -> str:
        return text


class Choice(NamedTuple):
    """One of a few words."""

    words: tuple[str, ...]
    any_case: bool = False

    @property
    def type_text(self) -> str:
        return "str"

    @property
    def unit(self) -> str:
        return ""

    @property
    def bounds_text(self) -> str:
        return ", ".join(self.words)

    def read(self, value: object) -> str:
        word = value.lower() if self.any_case and isinstance(value, str) else value
        if not isinstance(word, str) or word not in self.words:
            raise ValueError(f"give one of {', '.join(map(repr, self.words))}")
        return word

    def parse(self, text: str) -> str:
        return self.read(text)


class AcksKind:
    """How many replicas acknowledge: `Acks`, its number, or Kafka's words for it."""

    type_text = "Acks"
    bounds_text = "all, -1, 0, 1"
    unit = ""

    def read(self, value: object) -> Acks:
        if isinstance(value, Acks):
            return value
        if isinstance(value, str) and value in ("all", "-1", "0", "1"):
            return Acks.ALL if value == "all" else Acks(int(value))
        if isinstance(value, int) and not isinstance(value, bool) and value in (-1, 0, 1):
            return Acks(value)
        raise ValueError("give 'all' (or -1), 1 or 0")

    def parse(self, text: str) -> Acks:
        return self.read(text)


class Servers:
    """Where to find the cluster."""

    type_text = "str or sequence of str"
    bounds_text = "host:port, at least one"
    unit = ""

    def read(self, value: object) -> tuple[Address, ...]:
        if isinstance(value, str):
            return parse_addresses(value)
        if not isinstance(value, Sequence) or not all(isinstance(server, str) for server in value):
            raise ValueError("give a str as 'host:9092,other:9092', or a sequence of such str")
        return parse_addresses(value)

    def parse(self, text: str) -> tuple[Address, ...]:
        return parse_addresses(text)
