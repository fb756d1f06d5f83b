"""Which addresses may be connected to. A name is judged by what it resolves to when the connection is made,
and only that is connected to: a name that points elsewhere a moment later gains nothing."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence

from aiohttp.abc import AbstractResolver, ResolveResult

_CARRIES_IPV4 = tuple(
    ipaddress.ip_network(one) for one in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")
)
"""Addresses that gateways turn into others (NAT64, 6to4, Teredo): those may be private."""


class AddressRefused(Exception):
    """A host is in a private network. The message is one sentence without its full stop."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        elif any(found in network for network in _CARRIES_IPV4):
            return False
    return found.is_global and not found.is_multicast


def check_host(host: str) -> None:
    """A host that is an address itself. Raises AddressRefused."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return
    if not is_public(host):
        raise refused(host)


def refused(host: str) -> AddressRefused:
    return AddressRefused(f"{host} is in a private network; webhooks_private allows it")


class PublicResolver(AbstractResolver):
    """Resolves names, and fails for those with any private address."""

    def __init__(self, resolver: AbstractResolver) -> None:
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises AddressRefused, OSError."""
        found: Sequence[ResolveResult] = await self._resolver.resolve(host, port, family)
        if not all(is_public(one["host"]) for one in found):
            raise refused(host)
        return list(found)

    async def close(self) -> None:
        await self._resolver.close()
