"""CRC-32C, the checksum of record batches: where it comes from, and nothing else.

It is the function `crc32c` of the package of that name. The package imports `importlib.metadata` and `argparse` too,
for its version and its command line: 22 ms, of which the function needs one. So the extension module in the package is
loaded alone, and the whole package only where that module is not found by its name.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import TypeAlias

Checksum: TypeAlias = Callable[[bytes | bytearray | memoryview, int], int]
"""From bytes, and the checksum of what precedes them (0 for nothing), to the checksum of both."""


def load(extension: str = "_crc32c") -> Checksum:
    """The function, from a module of that name in the package. Raises ImportError if the package is not there."""
    package = find_spec("crc32c")
    found = package and PathFinder.find_spec(extension, package.submodule_search_locations)
    if not found or found.loader is None:
        from crc32c import crc32c as function
    else:
        module = module_from_spec(found)
        found.loader.exec_module(module)
        function = module.crc32c
    checksum: Checksum = function
    return checksum


crc32c = load()
