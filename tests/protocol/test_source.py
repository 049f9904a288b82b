from __future__ import annotations

from aioproducer.protocol.source import Source


def test_what_is_written_runs() -> None:
    source = Source(base=100)
    offset = source.constant("offset", 7)
    with source.block("def add(value):"):
        result = source.fresh("result")
        with source.block("if value:"):
            source.line(f"{result} = base + {offset} + value")
        with source.block("else:"):
            source.line(f"{result} = None")
        source.line(f"return {result}")
    add = source.function("add", "<adder>")
    assert add(1) == 108
    assert add(0) is None


def test_names_differ() -> None:
    source = Source()
    assert len({source.fresh("value"), source.fresh("value"), source.constant("value", 1)}) == 3


def test_text_is_indented_by_block() -> None:
    source = Source()
    with source.block("if True:"):
        source.line("pass")
    source.line("pass")
    assert source.text() == "if True:\n    pass\npass\n"
