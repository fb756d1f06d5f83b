"""Which addresses may be connected to. A name is judged by what it resolves to when the connection is made,
and only that is connected to: a name that points elsewhere a moment later gains nothing."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence

from aiohttp import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult

_UNICAST = ipaddress.ip_network("2000::/3")
"""What IPv6 has of public addresses so far. Outside are, among others, NAT64's and old forms of IPv4's."""

_CARRIES_IPV4 = tuple(ipaddress.ip_network(one) for one in ("2002::/16", "2001::/32"))
"""Addresses that gateways turn into others (6to4, Teredo): those may be private."""


class AddressRefused(Exception):
    """A host is in a private network."""

    def __init__(self, host: str) -> None:
        super().__init__(f"{host} is in a private network")
        self.host = host


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        elif found not in _UNICAST or any(found in network for network in _CARRIES_IPV4):
            return False
    return found.is_global and not found.is_multicast


def check_host(host: str) -> None:
    """A host that is an address itself. Raises AddressRefused."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return
    if not is_public(host):
        raise AddressRefused(host)


def public_socket(info: AddrInfoType) -> socket.socket:
    """The socket for a connection, after a last look at where it leads: what a client takes for an address,
    and connects to without resolving it, has more spellings than `check_host` knows. Raises AddressRefused.
    """
    family, kind, protocol, _, address = info
    if not is_public(str(address[0])):
        raise AddressRefused(str(address[0]))
    return socket.socket(family, kind, protocol)


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
            raise AddressRefused(host)
        return list(found)

    async def close(self) -> None:
        await self._resolver.close()
