"""The client and scheme of a request behind proxies.

A proxy appends to `X-Forwarded-For` the address it was reached from, so the right end is what the proxies saw
and the left end can be forged by anyone. Only a peer within `trusted_proxies` is trusted; its last entry is
the next peer, and so on: the right-most address that is not a trusted proxy is the client's. This is the only
place that decides; uvicorn's own handling of these headers is disabled.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from starlette.types import Scope

from webchat.settings.networks import Network, network

_NEARBY = tuple(
    map(
        network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7"),
    )
)
"""Private networks, those of carriers and links among them: proxies of containers and clusters are there.
`is_private` of Python counts addresses of documentation and tests, too."""
_PAIR = re.compile(r'\s*([A-Za-z-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;,"]+)\s*')


def with_client(scope: Scope, trusted: Sequence[Network]) -> Scope:
    """The request as the first trusted proxy received it: its client's address and scheme."""
    peer = scope.get("client")
    if not trusted or peer is None or not _is_trusted(_address(peer[0]), trusted):
        return scope
    lists = {
        name: _values(scope["headers"], name)
        for name in (b"x-forwarded-for", b"forwarded", b"x-forwarded-proto")
    }
    said = _said_for(lists[b"x-forwarded-for"], lists[b"forwarded"])
    chosen = {client_address(peer[0], hops, trusted) for hops in said}
    # A proxy that writes one of the two headers hands on the other as it came: where they disagree, one was
    # made up, and neither is believed.
    client = chosen.pop() if len(chosen) == 1 else peer[0]
    scheme = _scheme(lists[b"x-forwarded-proto"], lists[b"forwarded"])
    secure = {"http": "https", "ws": "wss"} if scheme == "https" else {}
    return {
        **scope,
        "client": (client, 0) if client != peer[0] else peer,
        "scheme": secure.get(scope["scheme"], scope["scheme"]),
    }


def client_address(peer: str, hops: Sequence[str], trusted: Sequence[Network]) -> str:
    """The right-most address that is not a trusted proxy. hops: as listed in the headers, the nearest last.

    An entry that is not an address ends the search at the proxy that forwarded it.
    """
    current = peer
    for hop in reversed(hops):
        if not _is_trusted(_address(current), trusted):
            break
        address = _address(hop)
        if address is None:
            break
        current = str(address)
    return current


def is_within(address: str, networks: Sequence[Network]) -> bool:
    """Whether a text is an address in one of the networks."""
    return _is_trusted(_address(address), networks)


def is_elsewhere(scope: Scope) -> bool:
    """Whether a request comes from another machine. One through a socket file or a test has no address."""
    peer = scope.get("client")
    address = None if peer is None else _address(peer[0])
    return address is not None and not address.is_loopback


def one_person(address: str) -> str:
    """The key for counting one client's attempts: an IPv6 client has a whole /64."""
    found = _address(address)
    if isinstance(found, IPv6Address):
        return str(IPv6Network((int(found), 64), strict=False))
    return address if found is None else str(found)


def is_shared(address: str, trusted: Sequence[Network]) -> bool:
    """Whether a peer may stand for any number of people: it is trusted, or on this machine."""
    found = _address(address)
    return found is not None and (found.is_loopback or _is_trusted(found, trusted))


def is_unnamed_proxy(scope: Scope, trusted: Sequence[Network]) -> bool:
    """Whether a request seems to come through a proxy that is not trusted: from a peer on this machine or a
    private network that forwards. Anybody there can seem so, so this must give no advantage."""
    peer = scope.get("client")
    address = None if peer is None else _address(peer[0])
    if address is None or not (address.is_loopback or _is_trusted(address, _NEARBY)):
        return False
    if _is_trusted(address, trusted):
        return False
    return any(name in (b"x-forwarded-for", b"forwarded", b"x-real-ip") for name, _ in scope["headers"])


def _said_for(x_forwarded_for: list[str], forwarded: list[str]) -> list[list[str]]:
    said = []
    if x_forwarded_for:
        said.append([part.strip() for value in x_forwarded_for for part in value.split(",")])
    if forwarded:
        said.append([pairs.get("for", "") for pairs in _forwarded(forwarded)])
    return said


def _scheme(x_forwarded_proto: list[str], forwarded: list[str]) -> str:
    """The scheme people use: of several proxies, the first knows it. A client that forges it only makes their
    own cookie useless."""
    if x_forwarded_proto:
        return x_forwarded_proto[0].partition(",")[0].strip().lower()
    elements = _forwarded(forwarded)
    return elements[0].get("proto", "").lower() if elements else ""


def _forwarded(values: Iterable[str]) -> list[dict[str, str]]:
    """The elements of `Forwarded` (RFC 7239), names in lower case; unreadable ones are empty."""
    elements: list[dict[str, str]] = []
    for value in values:
        at, pairs = 0, dict[str, str]()
        while at < len(value):
            pair = _PAIR.match(value, at)
            if pair is None:  # unreadable up to its end
                comma = value.find(",", at)
                pairs, at = {}, len(value) if comma < 0 else comma
            else:
                text = pair[2]
                pairs[pair[1].lower()] = re.sub(r"\\(.)", r"\1", text[1:-1]) if text[0] == '"' else text
                at = pair.end()
            if at >= len(value) or value[at] == ",":
                elements.append(pairs)
                pairs = {}
            at += 1
    return elements


def _values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key == name]


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An address, with or without port, brackets and zone; `None` for anything else (`unknown`,
    `_hidden`)."""
    text = text.strip()
    if text.startswith("["):
        text, _, port = text[1:].partition("]")
        if port and not re.fullmatch(r":\d{1,5}", port):
            return None
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not re.fullmatch(r"\d{1,5}", port):
            return None
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def _is_trusted(address: IPv4Address | IPv6Address | None, trusted: Sequence[Network]) -> bool:
    return address is not None and any(
        address.version == network.version and address in network for network in trusted
    )
