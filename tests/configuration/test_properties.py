"""The `.properties` format. What each text means was read from java.util.Properties itself (Java 17)."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioproducer.configuration.properties import parse_properties, read_properties
from aioproducer.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("", {}),
        ("\n \t\f\n\r\n", {}),
        ("a=1", {"a": "1"}),
        ("a:1\nb 2\nc\t3\nd = 4\ne : 5\nf\f=\t6", {"a": "1", "b": "2", "c": "3", "d": "4", "e": "5", "f": "6"}),
        ("a", {"a": ""}),
        ("a=", {"a": ""}),
        ("=1", {"": "1"}),
        ("a==1", {"a": "=1"}),
        ("a = = 1", {"a": "= 1"}),
        ("a b=1", {"a": "b=1"}),
        ("a=1 2 ", {"a": "1 2 "}),
        ("a=1\na=2", {"a": "2"}),
        ("# a=1\n  ! b=2\nc=#3!", {"c": "#3!"}),
        ("# a\\\nb=1", {"b": "1"}),
        ("a=1\rb=2\r\nc=3", {"a": "1", "b": "2", "c": "3"}),
        ("a=1,\\\n   2,\\\r\n\t3", {"a": "1,2,3"}),
        ("a=1\\\n#2", {"a": "1#2"}),
        ("a=1\\\n\nb=2", {"a": "1", "b": "2"}),
        ("a=1\\\\\nb=2", {"a": "1\\", "b": "2"}),
        ("a=1\\\\\\\nb=2", {"a": "1\\b=2"}),
        ("a=1\\", {"a": "1"}),
        ("\\\n# comment\na=1", {"a": "1"}),
        ("\\\n\n a=1", {"a": "1"}),
        (r"a\=b\:c\ d=1", {"a=b:c d": "1"}),
        (r"\#a=1", {"#a": "1"}),
        (r"a=\t\n\r\f\z\"\\", {"a": '\t\n\r\fz"\\'}),
        (r"\u0061=\u00e9\u00E9", {"a": "éé"}),
        (r"a=\uD83D\uDE00", {"a": "😀"}),
        ("a=é", {"a": "é"}),
        ("a=\x85\x0b\x1c\u2028b", {"a": "\x85\x0b\x1c\u2028b"}),
    ],
)
def test_a_text_means_what_java_says(text: str, meaning: dict[str, str]) -> None:
    assert parse_properties(text) == meaning


@pytest.mark.parametrize("text", [r"a=\u12", r"a=\u12g4", r"a=\u", r"\uzzzz=1", "a=\\u00\\\n"])
def test_a_malformed_escape_names_its_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"^line 2: malformed \\uXXXX"):
        parse_properties(f"# first\n{text}")


def test_half_a_character_is_refused() -> None:
    with pytest.raises(ValueError, match="line 1: half of a surrogate pair"):
        parse_properties(r"a=\ud83d")


def escaped(text: str) -> str:
    """As java.util.Properties writes it: everything that could mean something is escaped."""
    units = text.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.dictionaries(TEXTS, TEXTS, max_size=5), st.sampled_from(["=", ":", " ", " = ", "\t:\f"]))
def test_what_was_escaped_comes_back(values: dict[str, str], separator: str) -> None:
    text = "\n".join(f"{escaped(key)}{separator}{escaped(value)}" for key, value in values.items() if key)
    assert parse_properties(text) == {key: value for key, value in values.items() if key}


@given(st.text(alphabet="ab=: \t\f\\\n\r#!u0", max_size=60))
def test_any_text_has_a_meaning_or_names_a_line(text: str) -> None:
    found: dict[str, str] = {}
    fault = "line "
    try:
        found = parse_properties(text)
    except ValueError as error:
        fault = str(error)
    assert fault.startswith("line ")
    assert all("\n" not in key and "\r" not in key for key in found)


def test_a_file_is_latin_1(tmp_path: Path) -> None:
    path = tmp_path / "a.properties"
    path.write_bytes("a=é\n".encode("latin-1"))
    assert read_properties(path) == {"a": "é"}
    assert read_properties(str(path)) == {"a": "é"}


def test_a_file_that_can_not_be_read_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="can not be read: Is a directory") as caught:
        read_properties(tmp_path)
    assert isinstance(caught.value.__cause__, OSError)


def test_a_malformed_file_names_itself_and_the_line(tmp_path: Path) -> None:
    path = tmp_path / "a.properties"
    path.write_bytes(b"a=1\nb=\\u12\n")
    with pytest.raises(ConfigurationError, match=r"a\.properties', line 2: malformed"):
        read_properties(path)
