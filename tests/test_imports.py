"""What a program waits for when it imports the package, and when its first producer starts: the modules, not the time.

Each interpreter here is a fresh one, since in that of the tests everything is imported already.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from aioproducer.testing import EmbeddedCluster
from tests.test_architecture import ROOT

# Packages and modules of some size that most producers do without, or that are imported for a part of them only.
HEAVY = {
    "aioproducer.cli",
    "aioproducer.protocol.messages.create_topics",
    "aioproducer.protocol.messages.fetch",
    "aioproducer.protocol.messages.find_coordinator",
    "aioproducer.protocol.messages.list_offsets",
    "aioproducer.protocol.requests",
    "aioproducer.protocol.serving",
    "aioproducer.testing",
    "anyio",
    "argparse",
    "cramjam",
    "crc32c",
    "encodings.idna",
    "importlib.metadata",
    "ipaddress",
    "json",
    "lz4",
    "pathlib",
    "urllib.parse",
    "zipfile",
    "zstandard",
}

# A dataclass is source that is executed at import: up to half a millisecond, of which a NamedTuple takes a tenth. So
# these are the values of the public face, and what is written to.
DATACLASSES = {"Config", "Counters", "Draft", "ProducerEvent", "ProducerMetrics", "Ruling"}

IMPORTING = """
import asyncio, dataclasses, sys
before = set(sys.modules)
import aioproducer
new = set(sys.modules) - before
import json
values = [value for name in new if name.startswith("aioproducer") for value in vars(sys.modules[name]).values()]
made = {value.__name__ for value in values if isinstance(value, type) and dataclasses.is_dataclass(value)}
print(json.dumps([sorted(new), sorted(made)]))
"""

STARTING = """
import asyncio, json, sys
import aioproducer

async def main():
    before = set(sys.modules)
    async with aioproducer.Producer(sys.argv[1], **json.loads(sys.argv[2])) as producer:
        await producer.send("t", b"value")
    print(json.dumps([sorted(sys.modules.keys() - before)]))

asyncio.run(main())
"""


async def in_a_new_interpreter(program: str, *arguments: str) -> list[list[str]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        *arguments,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    lines: list[list[str]] = json.loads(output)
    return lines


async def test_the_import_takes_nothing_that_most_producers_do_without() -> None:
    modules, dataclasses = await in_a_new_interpreter(IMPORTING)
    assert "aioproducer.producer" in modules
    assert HEAVY.isdisjoint(modules)
    assert set(dataclasses) == DATACLASSES


async def test_the_first_start_imports_nothing_more() -> None:
    async with EmbeddedCluster() as cluster:
        assert await in_a_new_interpreter(STARTING, cluster.bootstrap_servers, "{}") == [[]]


async def test_what_compresses_is_imported_by_those_who_compress() -> None:
    async with EmbeddedCluster() as cluster:
        (modules,) = await in_a_new_interpreter(STARTING, cluster.bootstrap_servers, '{"compression_type": "zstd"}')
        assert {"anyio", "zstandard"} <= set(modules)
        assert "lz4" not in modules
