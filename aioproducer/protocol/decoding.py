"""Turns the declaration of a message into a function that decodes one version of it.

The function is written as Python source and executed, as in `encoding`; neighbouring fixed-size fields are one
`unpack_from`. `decoder_source` gives the text to whoever wants to read it. When to compile, and what an error is
called, is decided in `schema`.

Rules, for bytes that anybody may have written:
1. Nothing is read behind the end: `struct` and indexing check that themselves, slices are checked before they are cut.
2. An array is not begun unless what is left could hold its elements at their smallest, so memory stays proportional to
   the size of the message, and so does time.
3. Faults leave as MalformedError, struct.error, IndexError or UnicodeDecodeError, and as nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from struct import Struct as Packer
from struct import unpack_from
from typing import Any, TypeAlias, cast

from aioproducer.protocol.fields import UUID_BYTES, Array, Blob, Kind, Scalar, Text, WireField, wire_fields
from aioproducer.protocol.primitives import MalformedError, read_uvarint, skip_tagged_fields
from aioproducer.protocol.source import Source
from aioproducer.protocol.structs import Struct

OCTET = Scalar("the first byte of an unsigned varint", "B", 1)


def decoder(struct: type[Struct], version: int, *, flexible: bool) -> Callable[[bytes, int, bool], Struct]:
    """A function from a body, its length, and whether the `struct` has to end there, to the `struct`."""
    writer = _Decoder(version, flexible)
    name = writer.message(struct)
    function = writer.source.function(name, f"<{struct.__name__} v{version} decoder>")
    return cast("Callable[[bytes, int, bool], Struct]", function)


Takers: TypeAlias = Mapping[type[Struct], Callable[[Any], object]]
"""By the class of structs in arrays: what gets each of them as soon as it is decoded, in the array's place."""

SlowDecoder: TypeAlias = Callable[[bytes, int, bool, Takers], Generator[int, None, Struct]]


def slow_decoder(struct: type[Struct], version: int, *, flexible: bool) -> SlowDecoder:
    """The same for large messages: it does its work step by step, and yields 1 after each element of an array that is
    a struct. Elements that somebody takes are in no array: of thousands, one at a time exists then. What is in tagged
    fields is small: nobody takes it, and it is decoded in one step.
    """
    writer = _Decoder(version, flexible, in_steps=True)
    name = writer.message(struct)
    function = writer.source.function(name, f"<{struct.__name__} v{version} slow decoder>")
    return cast("SlowDecoder", function)


def decoder_source(struct: type[Struct], version: int, *, flexible: bool, in_steps: bool = False) -> str:
    """The source of what `decoder` returns, or `slow_decoder`."""
    writer = _Decoder(version, flexible, in_steps=in_steps)
    writer.message(struct)
    return writer.source.text()


def fault(position: int, reason: str, *values: object) -> MalformedError:
    """`reason` has braces for the `values`: an f-string would take its time whenever a decoder is compiled."""
    return MalformedError(f"at byte {position}, {reason.format(*values)}")


class _Tagged:
    """Decodes the value of a tagged field, and is compiled when the first one comes: most never come at all."""

    def __init__(self, field: WireField, version: int) -> None:
        self._field = field
        self._version = version
        self._function: Callable[[bytes, int, int], tuple[object, int]] | None = None

    def __call__(self, body: bytes, position: int, size: int) -> tuple[object, int]:
        """The value, and the position behind it."""
        if self._function is None:
            writer = _Decoder(self._version, flexible=True)
            function = writer.source.function(
                writer.field(self._field), f"<{self._field.name} v{self._version} decoder>"
            )
            self._function = cast("Callable[[bytes, int, int], tuple[object, int]]", function)
        return self._function(body, position, size)


class _Decoder:
    """Writes decoders. Fixed-size values that are to be read wait in `_run`, so that neighbours become one call."""

    def __init__(self, version: int, flexible: bool, *, in_steps: bool = False) -> None:
        self._version = version
        self._flexible = flexible
        self._in_steps = in_steps
        self._run: list[tuple[Scalar, str]] = []
        self.source = Source(
            fault=fault,
            new=object.__new__,
            read_uvarint=read_uvarint,
            skip_tagged_fields=skip_tagged_fields,
            unpack_from=unpack_from,
        )

    def message(self, struct: type[Struct]) -> str:
        with self.source.block(f"def decode(body, size, exact{', takers' if self._in_steps else ''}):"):
            self.source.line("position = 0")
            if self._in_steps:
                self.source.line("yield 0")  # so that it is a generator whatever the struct has
            value = self._struct(struct)
            with self.source.block("if position != size and (exact or position > size):"):
                self.source.line("raise fault(position, '{} bytes follow the end of the message', size - position)")
            self.source.line(f"return {value}")
        return "decode"

    def field(self, field: WireField) -> str:
        with self.source.block("def decode(body, position, size):"):
            self._value(field.kind, "value", field.nullable(self._version), field.name)
            self._flush()
            self.source.line("return value, position")
        return "decode"

    def _struct(self, struct: type[Struct]) -> str:
        """Writes the making of a struct, whose fields are set as they are read: a call of `__init__` would cost as much
        as all else. What it returns is the name of the struct.
        """
        made = self.source.fresh("struct")
        self.source.line(f"{made} = new({self.source.constant(struct.__name__, struct)})")
        tags: list[tuple[WireField, str]] = []
        for field in wire_fields(struct):
            target = f"{made}.{field.name}"
            present = field.present(self._version)
            if not present or field.tag is not None:
                self.source.line(f"{target} = {self._literal(field.default)}")
                if present:
                    tags.append((field, target))
            else:
                self._value(field.kind, target, field.nullable(self._version), field.name)
        if self._flexible:
            self._tagged_fields(tags)
        self._flush()
        return made

    def _literal(self, default: object) -> str:
        plain = default is None or default == () or isinstance(default, int | str)
        return repr(default) if plain else self.source.constant("default", default)

    def _tagged_fields(self, tags: list[tuple[WireField, str]]) -> None:
        count, tag, length, end = (self.source.fresh(name) for name in ("count", "tag", "length", "end"))
        self._run.append((OCTET, count))
        self._flush()
        if not tags:
            with self.source.block(f"if {count}:"):
                self.source.line("position = skip_tagged_fields(body, position - 1)")
            return
        with self.source.block(f"if {count} > 127:"):
            self.source.line(f"{count}, position = read_uvarint(body, position - 1)")
        # A field takes two bytes at least, so a count that is not true ends at the end of the body.
        with self.source.block(f"for _ in range({count}):"):
            self.source.line(f"{tag}, position = read_uvarint(body, position)")
            self.source.line(f"{length}, position = read_uvarint(body, position)")
            self.source.line(f"{end} = position + {length}")
            self._check_end(end, "a tagged field")
            for field, target in tags:
                with self.source.block(f"if {tag} == {field.tag}:"):
                    decode = self.source.constant("decode_tagged", _Tagged(field, self._version))
                    self.source.line(f"{target}, position = {decode}(body, position, size)")
                    with self.source.block(f"if position != {end}:"):
                        self.source.line(f"raise fault(position, 'the size of {field.name} is not what was announced')")
            self.source.line(f"position = {end}")

    def _value(self, kind: Kind, target: str, nullable: bool, name: str) -> None:
        if isinstance(kind, Scalar):
            self._run.append((kind, target))
        elif isinstance(kind, Text | Blob):
            self._bytes(kind, target, nullable, name)
        elif isinstance(kind, Array):
            self._array(kind, target, nullable, name)
        else:
            self.source.line(f"{target} = {self._struct(kind)}")

    def _bytes(self, kind: Text | Blob, target: str, nullable: bool, name: str) -> None:
        text = isinstance(kind, Text)
        length, end = self.source.fresh("length"), self.source.fresh("end")
        with self._unless_null("h" if text else "i", length, target, nullable, name):
            self.source.line(f"{end} = position + {length}")
            self._check_end(end, name)
            self.source.line(f"{target} = body[position:{end}]{'.decode()' if text else ''}")
            self.source.line(f"position = {end}")

    def _array(self, kind: Array, target: str, nullable: bool, name: str) -> None:
        length = self.source.fresh("length")
        element = kind.element
        with self._unless_null("i", length, target, nullable, name):
            smallest = _smallest(element, self._version, self._flexible)
            with self.source.block(f"if {length} * {smallest} > size - position:"):
                self.source.line(
                    f"raise fault(position, '{name} of {{}} elements does not fit into the rest', {length})"
                )
            if isinstance(element, Scalar) and element is not UUID_BYTES:
                self.source.line(f"{target} = unpack_from(f'>{{{length}}}{element.letter}', body, position)")
                self.source.line(f"position += {length} * {smallest}")
                return
            items = self.source.fresh("items")
            self.source.line(f"{items} = []")
            take = f"{items}.append"
            if self._in_steps and isinstance(element, type):
                struct = self.source.constant(element.__name__, element)
                self.source.line(f"{items}_take = takers.get({struct}, {take})")
                take = f"{items}_take"
            with self.source.block(f"for _ in range({length}):"):
                if isinstance(element, type):
                    item = self._struct(element)
                else:
                    item = self.source.fresh("item")
                    self._value(element, item, False, name)
                    self._flush()
                self.source.line(f"{take}({item})")
                if self._in_steps and isinstance(element, type):
                    self.source.line("yield 1")
            self.source.line(f"{target} = tuple({items})")

    @contextmanager
    def _unless_null(self, letter: str, length: str, target: str, nullable: bool, name: str) -> Iterator[None]:
        """Writes the reading of a length; the body of the block is for the case that it is none of null."""
        if self._flexible:
            self._read_uvarint(length)
            with self.source.block(f"if {length}:"):
                self.source.line(f"{length} -= 1")
                yield
            with self.source.block("else:"):
                self.source.line(f"{target} = None" if nullable else f"raise fault(position, '{name} is null')")
            return
        self._run.append((Scalar("length", letter, 2 if letter == "h" else 4), length))
        self._flush()
        with self.source.block(f"if {length} >= 0:"):
            yield
        if nullable:
            with self.source.block(f"elif {length} == -1:"):
                self.source.line(f"{target} = None")
        with self.source.block("else:"):
            self.source.line(f"raise fault(position, '{name} has the length {{}}', {length})")

    def _read_uvarint(self, target: str) -> None:
        self._run.append((OCTET, target))
        self._flush()
        with self.source.block(f"if {target} > 127:"):
            self.source.line(f"{target}, position = read_uvarint(body, position - 1)")

    def _check_end(self, end: str, name: str) -> None:
        with self.source.block(f"if {end} > size:"):
            self.source.line(f"raise fault(position, '{name} reaches {{}} bytes behind the end', {end} - size)")

    def _flush(self) -> None:
        """Writes what waits, as one `unpack_from`."""
        if not self._run:
            return
        if [kind for kind, _ in self._run] == [OCTET]:
            self.source.line(f"{self._run.pop()[1]} = body[position]")
            self.source.line("position += 1")
            return
        packer = Packer(">" + "".join(kind.letter for kind, _ in self._run))
        targets = "".join(f"{target}, " for _, target in self._run)
        self.source.line(f"{targets}= {self.source.constant('unpack', packer.unpack_from)}(body, position)")
        self.source.line(f"position += {packer.size}")
        self._run.clear()


def _smallest(kind: Kind, version: int, flexible: bool) -> int:
    """The number of bytes that a value takes at least. Never 0, for then an array could be longer than its bytes."""
    if isinstance(kind, Scalar):
        return kind.size
    if isinstance(kind, type):
        sizes = [
            _smallest(field.kind, version, flexible)
            for field in wire_fields(kind)
            if field.present(version) and field.tag is None
        ]
        return sum(sizes) + flexible
    if flexible:
        return 1
    return 2 if isinstance(kind, Text) else 4
