"""Networks in settings."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network

Network = IPv4Network | IPv6Network


def network(text: str) -> Network:
    """An address or a network (`10.0.0.0/8`). Raises `ValueError`."""
    return ip_network(text.strip(), strict=False)
