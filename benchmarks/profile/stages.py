"""Which stage of a record's path a piece of code belongs to: a table from functions to stages, and looking stacks up in
it. Knows nothing of clocks or signals.

The innermost frame that is ours decides, so that what asyncio, a codec or a socket does on our behalf counts as the
stage that called it. A stack without any frame of ours is the loop's, or the measuring program's.
"""

from __future__ import annotations

from collections.abc import Iterable

PACKAGE = "aioproducer"
PLACING = "arguments + placement"
APPENDING = "encode + append"
SEALING = "seal + header + crc"
WRITING = "request encode + write"
ANSWERING = "answer decode + settle"
WAKING = "waiter + Delivery"
KEEPING = "rest of the producer"
LOOP = "the loop"
PROGRAM = "the program that sends"

STAGES = (PLACING, APPENDING, SEALING, WRITING, ANSWERING, WAKING, KEEPING, LOOP, PROGRAM)

# The first entry that fits decides: a module (or all below it), and functions of it, or all.
TABLE: tuple[tuple[str, frozenset[str] | None, str], ...] = (
    ("producer", frozenset({"send", "drain", "flush"}), PLACING),
    ("bulk", None, PLACING),
    ("arguments", None, PLACING),
    ("serializers", None, PLACING),
    ("partitioning", None, PLACING),
    ("batching.topic", None, PLACING),
    ("records.builder", frozenset({"build"}), SEALING),
    ("records.batch", None, SEALING),
    ("records.codecs", None, SEALING),
    ("records", None, APPENDING),
    ("batching.batch", frozenset({"load", "section", "wire_chunks", "wire_size"}), SEALING),
    ("batching.accumulator", frozenset({"seal", "seal_all", "_close"}), SEALING),
    ("batching.accumulator", frozenset({"drain"}), WRITING),
    ("batching.accumulator", frozenset({"answered", "settle"}), ANSWERING),
    ("batching.node_queue", None, WRITING),
    ("batching.partition_queue", frozenset({"release", "drop"}), ANSWERING),
    ("batching.partition_queue", frozenset({"take"}), WRITING),
    ("batching", None, APPENDING),
    ("sending.settlement", None, ANSWERING),
    ("sending", None, WRITING),
    ("network.connection", frozenset({"_received", "_read", "_answer"}), ANSWERING),
    ("network.framing", frozenset({"feed"}), ANSWERING),
    ("network.sockets", frozenset({"buffer_updated"}), ANSWERING),
    ("network", None, WRITING),
    ("protocol.decoding", None, ANSWERING),
    ("protocol.source", None, ANSWERING),
    ("protocol", None, WRITING),
    ("outcome", None, WAKING),
    ("delivery", None, WAKING),
)

Frame = tuple[str, str]
"""A module's dotted name, and a function's."""


def stage_of(stack: Iterable[Frame]) -> str:
    """The stage of a stack, innermost frame first."""
    loop = False
    for number, (module, function) in enumerate(stack):
        if module == PACKAGE or module.startswith(f"{PACKAGE}."):
            return _stage_of_ours(module.removeprefix(f"{PACKAGE}."), function)
        if number == 0:
            loop = module.split(".")[0] in ("asyncio", "selectors", "uvloop")
    return LOOP if loop else PROGRAM


def _stage_of_ours(module: str, function: str) -> str:
    for prefix, functions, stage in TABLE:
        if (module == prefix or module.startswith(f"{prefix}.")) and (functions is None or function in functions):
            return stage
    return KEEPING
