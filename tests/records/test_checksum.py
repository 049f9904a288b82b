"""The checksum is that of the specification wherever the function comes from."""

from __future__ import annotations

import crc32c as package
from hypothesis import given
from hypothesis import strategies as st

from aioproducer.records.checksum import crc32c, load


def test_the_value_of_the_specification() -> None:
    # RFC 3720, appendix B.4: 32 bytes of zeros.
    assert crc32c(bytes(32), 0) == 0x8A9136AA


@given(head=st.binary(), tail=st.binary())
def test_it_goes_on_from_what_precedes(head: bytes, tail: bytes) -> None:
    assert crc32c(memoryview(tail), crc32c(head, 0)) == package.crc32c(head + tail)


def test_it_comes_from_the_extension_module_alone() -> None:
    assert crc32c is not package.crc32c


def test_without_that_module_the_whole_package_is_asked() -> None:
    assert load(extension="gone") is package.crc32c
