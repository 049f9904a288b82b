"""What stands in `bootstrap_servers`: host and port, read from text. Nothing is resolved here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

# What Java's client takes for a host name or an IPv4 address; underscores are common in names of containers.
_HOST = re.compile(r"[0-9A-Za-z._-]+", re.ASCII)


class Address(NamedTuple):
    """Where a server listens. `host` is a name, an IPv4 or an IPv6 address, the latter without brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """`host:port` or `[ipv6]:port`. Raises ValueError, saying what is wrong with the text and what to write."""
    if "://" in text:
        raise ValueError(f"{text!r} has a scheme; write host:port alone")
    host, colon, port_text = text.rpartition(":")
    if not colon or text.endswith("]"):
        raise ValueError(f"{text!r} has no port; add it, as in {f'{text}:9092'!r}")
    if not host:
        raise ValueError(f"{text!r} has no host; write host:port")
    if not (port_text.isascii() and port_text.isdigit() and 0 < int(port_text[:6]) <= 65535):
        raise ValueError(f"{text!r} has the port {port_text!r}; a port is a number from 1 to 65535")
    if host.startswith("[") and host.endswith("]"):
        from ipaddress import AddressValueError, IPv6Address  # 1.3 ms, which others are spared

        host = host[1:-1]
        try:
            IPv6Address(host)
        except AddressValueError as error:
            raise ValueError(f"{text!r} holds no IPv6 address between its brackets ({error})") from None
    elif ":" in host:
        raise ValueError(f"{text!r} has several colons; put an IPv6 address in brackets, as in '[::1]:9092'")
    elif not _HOST.fullmatch(host):
        raise ValueError(f"{text!r} has the host {host!r}; a host is letters, digits, '.', '-' and '_'")
    return Address(host, int(port_text))


def parse_addresses(servers: str | Sequence[str]) -> tuple[Address, ...]:
    """A comma-separated list, or a sequence of texts, in order, without repetitions.

    Raises ValueError that names every entry which is no address, and for an empty list.
    """
    entries = servers.split(",") if isinstance(servers, str) else servers
    addresses: dict[Address, None] = {}
    faults = []
    for entry in entries:
        text = entry.strip()
        if not text:
            faults.append("it has an empty entry; remove it" if len(entries) > 1 else "it is empty; name a server")
            continue
        try:
            addresses[parse_address(text)] = None
        except ValueError as error:
            faults.append(str(error))
    if not entries:
        faults.append("it is empty; name at least one server")
    if faults:
        raise ValueError(", ".join(dict.fromkeys(faults)))
    return tuple(addresses)
