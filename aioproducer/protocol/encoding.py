"""Turns the declaration of a message into a function that encodes it in one version.

The function is written as Python source and executed, as `dataclasses` makes `__init__`: whatever depends on the
declaration and the version alone is settled then, and what is left to do per message is straight code in which
neighbouring fixed-size fields, length prefixes included, are one `pack`. `encoder_source` gives the text to whoever
wants to read it. When to compile, and what an error is called, is decided in `schema`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from struct import Struct as Packer
from struct import pack
from typing import cast

from aioproducer.protocol.fields import UUID_BYTES, Array, Blob, Kind, Scalar, Text, WireField, wire_fields
from aioproducer.protocol.primitives import MAX_STRING, SMALL_UVARINTS, Chunk, record_chunks, uuid_octets, uvarint
from aioproducer.protocol.source import Source
from aioproducer.protocol.structs import Struct


class AbsentFieldError(Exception):
    """A field has a value that the version can not say, and that the peer may not miss. The argument is its name."""


def encoder(struct: type[Struct], version: int, *, flexible: bool) -> Callable[[Struct], list[Chunk]]:
    """A function from a `struct` to the chunks of its body."""
    writer = _Encoder(version, flexible)
    name = writer.message(struct)
    function = writer.source.function(name, f"<{struct.__name__} v{version} encoder>")
    return cast("Callable[[Struct], list[Chunk]]", function)


def encoder_source(struct: type[Struct], version: int, *, flexible: bool) -> str:
    """The source of what `encoder` returns."""
    writer = _Encoder(version, flexible)
    writer.message(struct)
    return writer.source.text()


def write_tagged_field(fields: list[bytes], tag: int, value: bytes) -> None:
    fields.append(b"".join((uvarint(tag), uvarint(len(value)), value)))


class _Encoder:
    """Writes encoders. What is to be packed waits in `_run`, so that neighbours end up in one call."""

    def __init__(self, version: int, flexible: bool) -> None:
        self._version = version
        self._flexible = flexible
        self._run: list[tuple[str, str]] = []  # (letters of `struct`, argument), or ("", expression of bytes)
        self.source = Source(
            AbsentFieldError=AbsentFieldError,
            SHORT=SMALL_UVARINTS,
            pack=pack,
            record_chunks=record_chunks,
            uuid_octets=uuid_octets,
            uvarint=uvarint,
            write_tagged_field=write_tagged_field,
        )

    def message(self, struct: type[Struct]) -> str:
        tagged = self._tagged_values(struct)
        with self.source.block("def encode(message):"):
            self.source.line("chunks = []")
            self.source.line("parts = []")
            self._struct(struct, "message", tagged)
            self._flush()
            with self.source.block("if parts:"):
                self.source.line("chunks.append(b''.join(parts))")
            self.source.line("return chunks")
        return "encode"

    def _tagged_values(self, struct: type[Struct]) -> dict[tuple[type[Struct], str], str]:
        """Writes a function per tagged field in and below `struct`, for its value; their names by owner and field."""
        functions: dict[tuple[type[Struct], str], str] = {}
        for field in wire_fields(struct):
            if not field.present(self._version):
                continue
            kind = field.kind.element if isinstance(field.kind, Array) else field.kind
            if isinstance(kind, type):
                functions |= self._tagged_values(kind)
            if field.tag is not None:
                name = functions[struct, field.name] = self.source.fresh("encode_tagged")
                with self.source.block(f"def {name}(value):"):
                    self.source.line("parts = []")
                    self._value(field.kind, "value", field.nullable(self._version), functions)
                    self._flush()
                    self.source.line("return b''.join(parts)")
        return functions

    def _struct(self, struct: type[Struct], value: str, tagged: dict[tuple[type[Struct], str], str]) -> None:
        tags: list[WireField] = []
        for field in wire_fields(struct):
            attribute = f"{value}.{field.name}"
            if not field.present(self._version):
                if not field.ignorable:
                    default = self.source.constant("default", field.default)
                    with self.source.block(f"if {attribute} != {default}:"):
                        self.source.line(f"raise AbsentFieldError({field.name!r})")
            elif field.tag is not None:
                tags.append(field)
            else:
                self._value(field.kind, attribute, field.nullable(self._version), tagged)
        if tags:
            fields = self.source.fresh("tagged")
            self.source.line(f"{fields} = []")
            for field in sorted(tags, key=lambda field: field.tag or 0):
                default = self.source.constant("default", field.default)
                item = self.source.fresh("value")
                self.source.line(f"{item} = {value}.{field.name}")
                with self.source.block(f"if {item} is not {default} and {item} != {default}:"):
                    function = tagged[struct, field.name]
                    self.source.line(f"write_tagged_field({fields}, {field.tag}, {function}({item}))")
            self._flush()
            self.source.line(f"parts.append(uvarint(len({fields})))")
            self.source.line(f"parts += {fields}")
        elif self._flexible:
            self._run.append(("x", ""))  # a padding byte: zero tagged fields

    def _value(self, kind: Kind, value: str, nullable: bool, tagged: dict[tuple[type[Struct], str], str]) -> None:
        if isinstance(kind, Scalar):
            self._run.append((kind.letter, f"uuid_octets({value})" if kind is UUID_BYTES else value))
        elif isinstance(kind, Text):
            self._text(value, nullable)
        elif isinstance(kind, Blob):
            self._blob(value, nullable)
        elif isinstance(kind, Array):
            self._array(kind, value, nullable, tagged)
        else:
            self._struct(kind, value, tagged)

    def _text(self, value: str, nullable: bool) -> None:
        text, length = self.source.fresh("text"), self.source.fresh("length")
        with self._unless_null(value, length, f"{text} = b''", nullable):
            self.source.line(f"{text} = {value}.encode()")
            self.source.line(f"{length} = len({text})")
            if self._flexible:
                with self.source.block(f"if {length} > {MAX_STRING}:"):
                    self.source.line(f"raise OverflowError('a string of more than {MAX_STRING} bytes')")
        self._length("h", length)
        self._run.append(("", text))

    def _blob(self, value: str, nullable: bool) -> None:
        length, pieces = self.source.fresh("length"), self.source.fresh("pieces")
        records = self.source.fresh("records")
        self.source.line(f"{records} = {value}")
        with self._unless_null(records, length, f"{pieces} = ()", nullable):
            self.source.line(f"{length}, {pieces} = record_chunks({records})")
        self._length("i", length)
        self._flush()
        with self.source.block(f"if {pieces}:"):
            self.source.line("chunks.append(b''.join(parts))")
            self.source.line("parts.clear()")
            self.source.line(f"chunks += {pieces}")

    def _array(self, kind: Array, value: str, nullable: bool, tagged: dict[tuple[type[Struct], str], str]) -> None:
        items, length = self.source.fresh("items"), self.source.fresh("length")
        self.source.line(f"{items} = {value}")
        with self._unless_null(items, length, f"{items} = ()", nullable):
            self.source.line(f"{length} = len({items})")
        self._length("i", length)
        if isinstance(kind.element, Scalar) and kind.element is not UUID_BYTES:
            self._run.append(("", f"pack(f'>{{len({items})}}{kind.element.letter}', *{items})"))
            return
        self._flush()
        item = self.source.fresh("item")
        with self.source.block(f"for {item} in {items}:"):
            self._value(kind.element, item, False, tagged)
            self._flush()

    @contextmanager
    def _unless_null(self, value: str, length: str, null: str, nullable: bool) -> Iterator[None]:
        if not nullable:
            yield
            return
        with self.source.block(f"if {value} is None:"):
            self.source.line(null)
            self.source.line(f"{length} = -1")
        with self.source.block("else:"):
            yield

    def _length(self, letter: str, length: str) -> None:
        if self._flexible:
            # One more than the length, 0 for null: the indices of SHORT are the values it holds.
            self._run.append(("", f"SHORT[{length} + 1] if {length} < 127 else uvarint({length} + 1)"))
        else:
            self._run.append((letter, length))

    def _flush(self) -> None:
        """Writes what waits: one `pack` for each stretch of fixed-size values."""
        parts: list[str] = []
        letters = ""
        arguments: list[str] = []
        for letter, argument in [*self._run, ("", "")]:
            if letter:
                letters += letter
                arguments += [argument] if argument else []
                continue
            if letters:
                if arguments:
                    parts.append(f"{self.source.constant('pack', Packer('>' + letters).pack)}({', '.join(arguments)})")
                else:
                    parts.append(repr(bytes(len(letters))))
                letters, arguments = "", []
            if argument:
                parts.append(argument)
        self._run.clear()
        if len(parts) == 1:
            self.source.line(f"parts.append({parts[0]})")
        elif parts:
            self.source.line(f"parts += ({', '.join(parts)})")
