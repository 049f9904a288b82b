"""From names to addresses: all of them, for `client.dns.lookup` (KIP-302, KIP-602). Nothing is dialled here."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""The IP addresses of a host, in the order in which to try them; at least one. Raises OSError."""

CanonicalName: TypeAlias = Callable[[str], Awaitable[str]]
"""The canonical name of an IP address. Raises OSError."""


def is_ip_address(host: str) -> bool:
    """Whether `host` is an IPv4 or IPv6 address, with or without a scope."""
    try:
        # As bytes, for a str imports the codec of international names: 1.3 ms of the first acknowledgement.
        socket.getaddrinfo(host.encode(), None, flags=socket.AI_NUMERICHOST)
    except (OSError, ValueError):
        return False
    return True


async def resolve_host(host: str, port: int) -> Sequence[str]:
    """The resolver of the operating system; an address is its own answer, without a look-up."""
    if is_ip_address(host):
        return (host,)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except ValueError as error:  # what Python says of names with empty or too long parts, or with a null character
        raise socket.gaierror(socket.EAI_NONAME, f"not a host name: {error}") from error
    # Link-local addresses need their scope, which the fourth part of an IPv6 address carries; str() of it does not.
    return tuple(dict.fromkeys(_text(address) for *_, address in found))


async def canonical_name(address: str) -> str:
    """The operating system's reverse look-up."""
    name, _ = await asyncio.get_running_loop().getnameinfo((address, 0), socket.NI_NAMEREQD)
    return name


def _text(address: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]) -> str:
    host = str(address[0])
    scope = address[3] if len(address) == 4 else 0
    return f"{host}%{scope}" if scope and "%" not in host else host
