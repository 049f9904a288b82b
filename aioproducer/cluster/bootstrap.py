"""The bootstrap list: which servers it stands for, and what is said when none answers. Nothing is dialled here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aioproducer.cluster.resolve import CanonicalName, Resolve, is_ip_address
from aioproducer.configuration.addresses import Address
from aioproducer.errors import StartTimeoutError
from aioproducer.models import Node


def seed_nodes(addresses: Sequence[Address]) -> tuple[Node, ...]:
    """The servers as brokers whose ids are not known yet: -1, -2, …"""
    unique = dict.fromkeys(addresses)
    return tuple(Node(-1 - index, host, port) for index, (host, port) in enumerate(unique))


async def canonical_addresses(
    addresses: Sequence[Address], *, resolve: Resolve, canonical_name: CanonicalName
) -> tuple[Address, ...]:
    """For `resolve_canonical_bootstrap_servers_only`: each name replaced by the canonical names of its addresses.

    What can not be looked up stays as it is, so that dialling it tells the reason.
    """
    found: list[Address] = []
    for address in addresses:
        try:
            numbers = await resolve(address.host, address.port)
        except OSError:
            found.append(address)
            continue
        for number in numbers:
            try:
                found.append(Address(await canonical_name(number), address.port))
            except OSError:
                found.append(address if is_ip_address(address.host) else Address(number, address.port))
    return tuple(dict.fromkeys(found))


def start_timeout(seeds: Sequence[Node], failures: Mapping[int, Exception], timeout: float) -> StartTimeoutError:
    """The error of a start in vain: each server with what was wrong with it, by the ids of the seeds."""
    lines = []
    for seed in seeds:
        server = str(Address(seed.host, seed.port))
        reason = str(failures.get(seed.id, "no answer"))
        lines.append(reason if server in reason else f"{server}: {reason}")
    count = "the server" if len(seeds) == 1 else f"none of the {len(seeds)} servers"
    verb = "did not answer" if len(seeds) == 1 else "answered"
    return StartTimeoutError(
        f"{count} of bootstrap_servers {verb} within {timeout:g} s; check the addresses, and that a broker is up. "
        + "; ".join(lines)
    )
