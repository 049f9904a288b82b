"""The base of messages: a declaration with annotations and defaults becomes a class with slots, as cheaply as it can.

A type checker sees frozen dataclasses with keyword-only fields. At run time such a class takes 12 us to make, and a
frozen dataclass 450: of a few dozen they would be the largest part of importing a producer. And since nothing guards
their fields then, a decoder fills one in a third of the time. They compare, hash and show themselves by their fields.

What the annotations mean is the matter of `fields`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar, dataclass_transform

_S = TypeVar("_S", bound="Struct")


def _initialize(self: Struct, **values: object) -> None:
    """The first instance of a class has its `__init__` written. Not before: it takes 40 us, and many never have one."""
    made = _initializer(type(self).declared)
    type.__setattr__(type(self), "__init__", made)
    made(self, **values)


@dataclass_transform(kw_only_default=True, frozen_default=True)
class StructType(type):
    """Makes the classes. What is annotated in them, and is no ClassVar, is a field, and needs a default; a base has
    none.
    """

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> StructType:
        # Text in any version of Python, as long as the module begins with `from __future__ import annotations`.
        hints: Mapping[str, object] = namespace.get("__annotations__", {})
        own = [field for field, hint in hints.items() if not str(hint).startswith("ClassVar")]
        if missing := [field for field in own if field not in namespace]:
            raise TypeError(f"{name}.{missing[0]} has no default: say what it is in versions without the field")
        namespace["declared"] = {field: namespace.pop(field) for field in own}
        namespace["__slots__"] = tuple(own)
        namespace["__init__"] = _initialize
        return super().__new__(cls, name, bases, namespace)


class Struct(metaclass=StructType):
    """The base of everything that lies on the wire, messages and their parts.

    declared: the fields in the order of the wire, with their defaults.
    """

    declared: ClassVar[Mapping[str, Any]]

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.declared)
        return f"{type(self).__qualname__}({values})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.declared)

    def __hash__(self) -> int:
        return hash(tuple(getattr(self, name) for name in self.declared))


def replaced(struct: _S, **changes: object) -> _S:
    """A copy of `struct` in which some fields have other values."""
    values = {name: getattr(struct, name) for name in struct.declared}
    return type(struct)(**(values | changes))


def _initializer(declared: Mapping[str, object]) -> Callable[..., None]:
    """An `__init__` that is written out for these fields, as `dataclasses` does it."""
    parameters = ", ".join(
        ["self", "*", *(f"{name}=declared[{name!r}]" for name in declared)] if declared else ["self"]
    )
    body = "; ".join(f"self.{name} = {name}" for name in declared) or "pass"
    names: dict[str, Any] = {"declared": declared}
    exec(f"def __init__({parameters}): {body}", names)
    function: Callable[..., None] = names["__init__"]
    return function
