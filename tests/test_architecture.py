"""The rules of the house, executed: who may import whom, what has to be pure, and what no source file may hold.

The tables are at the top; change one in the commit that changes the house. Every rule is a function from modules to
complaints, and has a test that shows it a small breach, so that no rule can pass by having stopped to look. Whether a
module does its job well is not judged here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "aioproducer"
FACE = "(package root)"

# From the top of the house to its ground. A room may import from the rooms of later rows, and from itself.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("__main__", "cli"),
    ("integrations",),
    (FACE,),
    ("producer",),
    ("runtime", "bulk", "arguments"),
    ("lifecycle",),
    ("endings", "snapshot"),
    ("background",),
    ("transactions", "sending"),
    ("batching",),
    ("cluster", "partitioning"),
    ("network",),
    ("protocol", "records"),
    ("config",),
    ("configuration",),
    ("serializers", "delivery", "telemetry"),
    ("outcome",),
    ("waiting",),
    ("models",),
    ("slices", "turns"),
    ("errors", "trim", "version", "work"),
)

# Rooms beside the layers: all that they may import.
BESIDE: dict[str, frozenset[str]] = {
    "testing": frozenset({"protocol", "models", "errors"}),
}

# Rooms that may import from every room, those beside included.
MAY_IMPORT_ANYTHING = frozenset({"__main__", "cli"})

# What decides: a room, or one module of it. Each has to exist, so that a renamed one does not slip out of the rule.
DECIDES = (
    "models",
    "errors",
    "trim",
    "work",
    "arguments",
    "serializers",
    "config",
    "configuration",
    "partitioning",
    "records",
    "protocol",
    "batching",
    "sending.retry",
    "sending.produce",
    "sending.sequences",
    "cluster.answer",
    "cluster.view",
    "cluster.metadata",
    "cluster.backoff",
    "telemetry.events",
    "telemetry.incidents",
)

# A loop, a socket, a clock, chance, a log, a thread: what a deciding module is given, never what it fetches.
IMPURE = frozenset(
    {"anyio", "asyncio", "concurrent", "datetime", "logging", "multiprocessing", "random", "sched", "secrets"}
    | {"select", "selectors", "signal", "socket", "ssl", "subprocess", "threading", "time", "uvloop"}
)

LINES = 400
# Files that may be longer, and why.
LONGER: dict[str, str] = {}

# Imports that a deciding module may have all the same, and why.
TOLERATED: dict[tuple[str, str], str] = {
    ("aioproducer.batching.intake", "aioproducer.delivery"): "it makes the handles of parked records; no loop is used",
    ("aioproducer.batching.intake", "aioproducer.outcome"): "it settles parked records; no loop is used",
    ("aioproducer.partitioning.keyless", "random"): "`chance`: the default of partitioners that users make themselves",
    ("aioproducer.records.codecs", "threading"): "`local`: one compressor per thread, nothing is started",
}

# Public methods of namedtuple that begin with an underscore so as not to collide with fields.
NAMEDTUPLE_METHODS = frozenset({"_asdict", "_fields", "_make", "_replace", "_field_defaults"})

MAKES_OWN = re.compile(r"cls\(|cls\.__new__\(")

# Written in pieces, for this file obeys its own rule.
UNFINISHED = re.compile(r"\b(?:" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX"]) + r")\b")
UNFINISHED_ERROR = "NotImplemented" + "Error"


@dataclass(frozen=True)
class Module:
    """One source file. `name` is dotted, without `.__init__`."""

    name: str
    path: str
    source: str
    is_package: bool = False

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    @property
    def room(self) -> str:
        """The file or folder of the package in which this module lives."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else FACE


def read(folder: str) -> list[Module]:
    """All modules under a folder of the repository."""
    modules = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        relative = path.relative_to(ROOT)
        dotted = ".".join(relative.with_suffix("").parts)
        modules.append(
            Module(
                name=dotted.removesuffix(".__init__"),
                path=str(relative),
                source=path.read_text(encoding="utf-8"),
                is_package=path.name == "__init__.py",
            )
        )
    return modules


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def nodes(tree: ast.AST, *, types_only_too: bool) -> Iterator[ast.AST]:
    """Every node; without what stands under `if TYPE_CHECKING:` if asked."""
    for child in ast.iter_child_nodes(tree):
        if is_type_checking(child) and not types_only_too:
            continue
        yield child
        yield from nodes(child, types_only_too=types_only_too)


def imports(module: Module, known: frozenset[str] = frozenset(), *, types_only_too: bool = True) -> Iterator[str]:
    """Absolute names of what a module imports; `from a import b` is `a.b` where that is a known module, else `a`."""
    base = module.name.split(".") if module.is_package else module.name.split(".")[:-1]
    for node in nodes(module.tree, types_only_too=types_only_too):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = base[: len(base) - node.level + 1] if node.level else []
            origin = ".".join([*parts, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{origin}.{alias.name}"
                yield inner if inner in known else origin


def names_of(modules: Sequence[Module]) -> frozenset[str]:
    return frozenset(module.name for module in modules)


def room_of(imported: str) -> str | None:
    """The room of an imported name; None if it is not of this package."""
    parts = imported.split(".")
    if parts[0] != PACKAGE:
        return None
    return parts[1] if len(parts) > 1 else FACE


def allowed_rooms(room: str) -> frozenset[str] | None:
    """What a room may import beside itself; None if the tables do not know the room."""
    below = frozenset[str]().union(*LAYERS)
    if room in MAY_IMPORT_ANYTHING:
        return below | BESIDE.keys()
    if room in BESIDE:
        return BESIDE[room]
    for depth, layer in enumerate(LAYERS):
        if room in layer:
            return frozenset[str]().union(*LAYERS[depth + 1 :])
    return None


# The rules


def wrong_directions(modules: Sequence[Module]) -> list[str]:
    known = names_of(modules)
    complaints = []
    for module in modules:
        allowed = allowed_rooms(module.room)
        if allowed is None:
            complaints.append(f"{module.path}: the room {module.room!r} has no row in LAYERS")
            continue
        for imported in sorted(set(imports(module, known))):
            room = room_of(imported)
            if room is not None and room != module.room and room not in allowed:
                complaints.append(f"{module.path}: {module.room} may not import {imported}")
    return complaints


def cycles(modules: Sequence[Module]) -> list[str]:
    """Imports that are for the type checker alone make no cycle: nothing is executed by them."""
    known = names_of(modules)
    graph = {
        module.name: {name for name in imports(module, known, types_only_too=False) if name in known}
        for module in modules
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [" > ".join(reversed(error.args[1]))]
    return []


def impurities(modules: Sequence[Module], decides: Sequence[str] = DECIDES) -> list[str]:
    """Impure imports from outside the package, and imports of its own modules that are not listed as deciding."""
    known = names_of(modules)
    rules = [f"{PACKAGE}.{rule}" for rule in decides]
    deciding = {name for name in known for rule in rules if name == rule or name.startswith(f"{rule}.")}
    complaints = [
        f"{rule} is listed in DECIDES and does not exist"
        for rule in rules
        if not any(name == rule or name.startswith(f"{rule}.") for name in deciding)
    ]
    for module in modules:
        if module.name not in deciding:
            continue
        for imported in sorted(set(imports(module, known, types_only_too=False))):
            wrong = imported.split(".")[0] in IMPURE or (room_of(imported) is not None and imported not in deciding)
            if wrong and (module.name, imported) not in TOLERATED:
                complaints.append(f"{module.path}: decides, and imports {imported}")
    return complaints


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name != "_" and name not in NAMEDTUPLE_METHODS


def with_own_names(node: ast.AST, own: frozenset[str]) -> Iterator[tuple[ast.AST, frozenset[str]]]:
    """Every node, with the names that are the object's own there: self, cls, what an alternative constructor makes."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        made = (part for part in node.body if isinstance(part, ast.Assign) and MAKES_OWN.match(ast.unparse(part.value)))
        own |= {ast.unparse(target) for part in made for target in part.targets}
    yield node, own
    for child in ast.iter_child_nodes(node):
        yield from with_own_names(child, own)


def foreign_privates(modules: Sequence[Module]) -> list[str]:
    complaints = []
    for module in modules:
        for node, own in with_own_names(module.tree, frozenset({"self", "cls", "super()", "type(self)"})):
            if isinstance(node, ast.Attribute) and is_private(node.attr) and ast.unparse(node.value) not in own:
                complaints.append(f"{module.path}:{node.lineno}: reads {ast.unparse(node)}")
            elif isinstance(node, ast.Import | ast.ImportFrom):
                names = [part for alias in node.names for part in alias.name.split(".")]
                names += (getattr(node, "module", None) or "").split(".")
                complaints += [f"{module.path}:{node.lineno}: imports {name}" for name in names if is_private(name)]
    return complaints


def without_docstring(modules: Sequence[Module]) -> list[str]:
    return [
        f"{module.path}: does not say what it is for"
        for module in modules
        if module.tree.body and not ast.get_docstring(module.tree)
    ]


def too_long(modules: Sequence[Module]) -> list[str]:
    return [
        f"{module.path}: {len(module.source.splitlines())} lines, {LINES} are allowed"
        for module in modules
        if module.path not in LONGER and len(module.source.splitlines()) > LINES
    ]


def prints(modules: Sequence[Module]) -> list[str]:
    return [
        f"{module.path}:{node.lineno}: print"
        for module in modules
        if module.room not in MAY_IMPORT_ANYTHING
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]


def may_be_empty(node: ast.FunctionDef | ast.AsyncFunctionDef, owner: ast.AST | None) -> bool:
    """Whether `...` is a whole body here: in a Protocol, an overload or an abstract method."""
    decorators = " ".join(ast.unparse(decorator) for decorator in node.decorator_list)
    bases = " ".join(ast.unparse(base) for base in owner.bases) if isinstance(owner, ast.ClassDef) else ""
    return "overload" in decorators or "abstractmethod" in decorators or "Protocol" in bases


def marks(modules: Sequence[Module]) -> list[str]:
    return [
        f"{module.path}:{number}: {found}"
        for module in modules
        for number, line in enumerate(module.source.splitlines(), 1)
        for found in UNFINISHED.findall(line)
    ]


def stubs(modules: Sequence[Module]) -> list[str]:
    complaints = []
    for module in modules:
        for owner in ast.walk(module.tree):
            if isinstance(owner, ast.Name) and owner.id == UNFINISHED_ERROR:
                complaints.append(f"{module.path}:{owner.lineno}: {UNFINISHED_ERROR}")
            for node in ast.iter_child_nodes(owner):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not may_be_empty(node, owner):
                    body = [part for part in node.body if not (isinstance(part, ast.Expr) and is_text(part.value))]
                    if body and all(ast.unparse(part) == "..." for part in body):
                        complaints.append(f"{module.path}:{node.lineno}: {node.name} has no body")
    return complaints


def is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


# The rules, applied to this repository

SOURCE = read(PACKAGE)
AROUND = read("benchmarks") + read("examples")
TESTS = read("tests")


def none(complaints: Sequence[str]) -> None:
    assert not complaints, "\n".join(["", *complaints])


def test_imports_go_one_way() -> None:
    none(wrong_directions(SOURCE))


def test_there_is_no_import_cycle() -> None:
    none(cycles(SOURCE))


def test_what_decides_is_pure() -> None:
    none(impurities(SOURCE))
    known = names_of(SOURCE)
    there = {(module.name, imported) for module in SOURCE for imported in imports(module, known)}
    assert TOLERATED.keys() <= there, "TOLERATED names an import that is gone"


def test_nobody_reads_anothers_underscore_names() -> None:
    none(foreign_privates(SOURCE + AROUND))


def test_every_file_that_others_use_says_what_it_is_for() -> None:
    none(without_docstring(SOURCE + AROUND + read("tests/support")))


def test_files_are_short() -> None:
    none(too_long(SOURCE + AROUND))
    assert LONGER.keys() <= {module.path for module in SOURCE + AROUND}, "LONGER names a file that is gone"


def test_only_the_command_line_prints() -> None:
    none(prints(SOURCE))


def test_nothing_is_left_unfinished() -> None:
    none(marks(SOURCE + AROUND + TESTS))
    none(stubs(SOURCE + AROUND))


# The rules, applied to breaches


def snippet(source: str, name: str = "aioproducer.batching.sample", *, is_package: bool = False) -> Module:
    return Module(name=name, path="sample.py", source=source, is_package=is_package)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("aioproducer.batching.sample", "from aioproducer.sending.window import Window"),
        ("aioproducer.batching.sample", "from ..producer import Producer"),
        ("aioproducer.batching.sample", "import aioproducer.sending"),
        ("aioproducer.batching.sample", "def late():\n    from aioproducer import sending"),
        ("aioproducer.models", "from aioproducer import Producer"),
        ("aioproducer.testing.broker", "from aioproducer.records.batch import encode_header"),
        ("aioproducer.producer", "from aioproducer.testing import EmbeddedCluster"),
        ("aioproducer.producer", "from aioproducer.cli import main"),
        ("aioproducer.attic", "import aioproducer.errors"),
    ],
)
def test_a_wrong_direction_is_seen(name: str, source: str) -> None:
    known = [snippet("", "aioproducer.sending", is_package=True), snippet(source, name)]
    assert len(wrong_directions(known)) == 1


def test_a_right_direction_is_not() -> None:
    source = "from . import queue\nfrom aioproducer.records.batch import HEADER_SIZE\nimport asyncio, json"
    assert wrong_directions([snippet(source)]) == []
    assert wrong_directions([snippet("from aioproducer.testing import EmbeddedCluster", "aioproducer.cli.demo")]) == []


def test_a_cycle_is_seen() -> None:
    there = snippet("from aioproducer.records import back", "aioproducer.records.there")
    back = snippet("def late():\n    from .there import thing", "aioproducer.records.back")
    assert len(cycles([there, back])) == 1
    types_only = snippet(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .there import thing", "aioproducer.records.back"
    )
    assert cycles([there, types_only]) == []


@pytest.mark.parametrize(
    "source",
    ["import asyncio", "from time import monotonic", "def f():\n    import random", "from aioproducer import sending"],
)
def test_an_impurity_is_seen(source: str) -> None:
    assert len(impurities([snippet(source)], ["batching"])) == 1
    assert impurities([snippet("import struct")], ["batching"]) == []


def test_a_deciding_module_that_is_gone_is_seen() -> None:
    assert len(impurities([snippet("")], ["batching", "sending.gone"])) == 1


@pytest.mark.parametrize(
    "source",
    ["batch._builder.close()", "self.batch._state", "from os import _exit", "import a._b.c", "from a._b import c"],
)
def test_a_foreign_underscore_is_seen(source: str) -> None:
    assert len(foreign_privates([snippet(source)])) == 1
    assert foreign_privates([snippet("self._own, cls._own, row._replace(a=1), x.__class__")]) == []
    constructor = "def make(cls):\n    made = cls.__new__(cls)\n    made._set_up()"
    assert foreign_privates([snippet(constructor)]) == []
    assert len(foreign_privates([snippet(f"{constructor}\ndef other(made):\n    made._set_up()")])) == 1


def test_a_missing_docstring_is_seen() -> None:
    assert len(without_docstring([snippet("import os")])) == 1
    assert without_docstring([snippet('"""Says it."""\nimport os'), snippet("")]) == []


def test_a_long_file_is_seen() -> None:
    assert len(too_long([snippet("a = 1\n" * (LINES + 1))])) == 1
    assert too_long([snippet("a = 1\n" * LINES)]) == []


def test_a_print_is_seen() -> None:
    assert len(prints([snippet("print(1)")])) == 1
    assert prints([snippet("print(1)", "aioproducer.cli.demo"), snippet("pprint(1)")]) == []


@pytest.mark.parametrize(
    "source",
    [
        "# TO" + "DO: later",
        '"""FIX' + 'ME"""',
        f"raise {UNFINISHED_ERROR}",
        "def f(): ...",
        "class A:\n    async def f(self):\n        'says'\n        ...",
    ],
)
def test_an_unfinished_piece_is_seen(source: str) -> None:
    assert len(marks([snippet(source)]) + stubs([snippet(source)])) == 1


def test_a_protocol_is_not_unfinished() -> None:
    source = "class A(Protocol):\n    def f(self):\n        'says'\n        ...\n@overload\ndef g(): ...\ndef h(): pass"
    assert marks([snippet(source)]) + stubs([snippet(source)]) == []
