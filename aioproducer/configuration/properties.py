"""Reads Java's `.properties` format (java.util.Properties, "load"): text in, keys and values out. No meaning is given.

Comments begin with # or !, a backslash at the end joins the next line, = or : or white space ends a key,
\\t \\n \\r \\f and \\uXXXX are escapes, any other escaped character stands for itself. Of a key given twice the last
value counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from os import PathLike

from aioproducer.errors import ConfigurationError

_LINE_END = re.compile(r"\r\n|\n|\r")
_BLANKS = " \t\f"
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_KEY = re.compile(r"(?:\\.|[^\\=: \t\f])*", re.DOTALL)
_SEPARATOR = re.compile(r"[ \t\f]*[=:]?[ \t\f]*")
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.?))", re.DOTALL)


def read_properties(path: str | PathLike[str]) -> dict[str, str]:
    """The keys and values of a file, which is ISO 8859-1 as Java has it. Raises ConfigurationError."""
    try:
        with open(path, "rb") as file:
            text = file.read().decode("latin-1")
    except OSError as error:
        raise ConfigurationError(
            [f"properties file {str(path)!r} can not be read: {error.strerror or error}"]
        ) from error
    try:
        return parse_properties(text)
    except ValueError as error:
        raise ConfigurationError([f"properties file {str(path)!r}, {error}"]) from error


def parse_properties(text: str) -> dict[str, str]:
    """The keys and values in `text`. Raises ValueError for a malformed \\uXXXX, naming the line."""
    found = {}
    for number, line in _logical_lines(text):
        key = _KEY.match(line)
        end = key.end() if key else 0
        separator = _SEPARATOR.match(line, end)
        try:
            found[_unescape(line[:end])] = _unescape(line[separator.end() if separator else end :])
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    return found


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines as the format means them, each with the number of its first line in the file, counted from 1."""
    joined = ""
    start = 0
    for number, natural in enumerate(_LINE_END.split(text), 1):
        line = natural.lstrip(_BLANKS)
        # A backslash alone on its line has begun nothing yet: what follows may still be a comment.
        if not joined:
            if not line or line[0] in "#!":
                continue
            start = number
        backslashes = len(line) - len(line.rstrip("\\"))
        if backslashes % 2:
            joined += line[:-1]
            continue
        yield start, joined + line
        joined = ""
    if joined:
        yield start, joined


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    plain = _ESCAPE.sub(_replacement, text)
    # Two escapes may be one character beyond the 16 bits that \uXXXX has room for.
    try:
        return plain.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise ValueError("half of a surrogate pair; write both halves as \\uXXXX") from None


def _replacement(escape: re.Match[str]) -> str:
    digits: str | None = escape[1]
    if digits is not None:
        return chr(int(digits, 16))
    character: str = escape[2]
    if character == "u":
        raise ValueError("malformed \\uXXXX; write four hexadecimal digits, or \\\\u for a backslash and a u")
    return _ESCAPES.get(character, character)
