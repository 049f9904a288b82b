"""From what the user gave to the values of a configuration: every key looked at, every fault collected, once.

Pure but for the counter that numbers the client ids.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NamedTuple

from aioproducer.configuration.kinds import shown
from aioproducer.configuration.options import Option, Required
from aioproducer.configuration.rules import Draft, Ruling, apply_rules
from aioproducer.configuration.unsupported import unsupported
from aioproducer.errors import ConfigurationError

_client_numbers = itertools.count(1)


class Resolved(NamedTuple):
    """`values` by option name, complete; which of them were given; what was changed because of others, in sentences."""

    values: Mapping[str, Any]
    explicit: frozenset[str]
    adjustments: tuple[str, ...]


def resolve(table: Mapping[str, Option], given: Mapping[str, object], *, dotted: bool) -> Resolved:
    """Reads `given` by the table and the rules. Raises ConfigurationError with every fault.

    dotted: keys are Kafka's own, as in a properties file, where a value that is a str is text to be parsed. Messages
    then use those names.
    """
    names = {name: row.kafka_name if dotted else name for name, row in table.items()}
    keys = {key: name for name, key in names.items()}
    faults: list[str] = []
    faulty: set[str] = set()
    explicit: set[str] = set()
    values: dict[str, Any] = {name: row.default for name, row in table.items()}
    for key, value in given.items():
        name = keys.get(key)
        if name is None:
            faults.append(_unknown(key, keys))
            continue
        row = table[name]
        if value is None and row.generated:
            continue
        explicit.add(name)
        try:
            if dotted and isinstance(value, str):
                values[name] = row.kind.parse(value.strip())
            else:
                values[name] = row.kind.read(value)
        except ValueError as error:
            faults.append(f"{key}={shown(value)}: {error}")
            faulty.add(name)
    for name, row in table.items():
        if row.default is Required and name not in explicit:
            faults.append(f"{names[name]} is missing: {row.meaning[0].lower()}{row.meaning[1:]}")
    ruling = Ruling(Draft(**{each.name: values[each.name] for each in fields(Draft)}), explicit, names, dotted)
    apply_rules(ruling, faulty)
    faults += ruling.faults
    if faults:
        raise ConfigurationError(faults)
    values.update((each.name, getattr(ruling.draft, each.name)) for each in fields(Draft))
    if values["client_id"] is None:
        values["client_id"] = f"producer-{next(_client_numbers)}"
    return Resolved(values=values, explicit=frozenset(explicit), adjustments=tuple(ruling.adjustments))


def _unknown(key: object, keys: Mapping[str, str]) -> str:
    # Without the value, which may be a password: it is the key that is wrong.
    if not isinstance(key, str):
        return f"{shown(key)} is no option: a key is a str"
    refused = unsupported(key)
    if refused is not None:
        return f"{key}: {refused}"
    # The other spelling of a key is the nearest there is: linger.ms for linger_ms, maxRequestSize for max_request_size.
    plain = {_plain(known): known for known in keys}
    near = difflib.get_close_matches(_plain(key), plain, n=1, cutoff=0.6)
    hint = f"did you mean {plain[near[0]]}?" if near else "remove it"
    return f"{key}: unknown option; {hint}"


def _plain(key: str) -> str:
    return key.lower().replace("_", "").replace(".", "").replace("-", "")
