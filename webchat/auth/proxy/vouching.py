"""What a proxy in front of this server says about the person behind a request, in headers.

The headers are taken from every request before anything else reads it, and only a peer within
`trusted_proxies` is believed. That is decided by the connection, before any header names another client.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.header import decode_header, make_header

from starlette.types import Scope

from webchat.auth.admitting import Identity, email_of, name_of
from webchat.auth.forwarding import is_within
from webchat.auth.oidc.tokens import MOST_SUBJECT
from webchat.settings.networks import Network
from webchat.store.people_records import PROXY_ISSUER

_MOST_GROUPS = 1_000


@dataclass(frozen=True, slots=True)
class ProxyHeaders:
    """Names of headers. person: of the person, or of a signed token that names them; others are optional."""

    person: str
    email: str = ""
    name: str = ""
    groups: str = ""


@dataclass(frozen=True, slots=True)
class Vouch:
    """What a trusted proxy says with one request; empty where it says nothing."""

    person: str = field(default="", repr=False)
    email: str = field(default="", repr=False)
    name: str = field(default="", repr=False)
    groups: str = field(default="", repr=False)


def take_vouch(scope: Scope, names: ProxyHeaders, trusted: Sequence[Network]) -> tuple[Scope, Vouch | None]:
    """The request without the headers, and what they say; `None` if the peer is no trusted proxy."""
    wanted = {name: name.lower().encode() for name in (names.person, names.email, names.name, names.groups)}
    found: dict[bytes, set[str]] = {raw: set() for raw in wanted.values() if raw}
    kept = []
    for name, value in scope["headers"]:
        if (key := name.lower()) in found:
            found[key].add(_text(value))
        else:
            kept.append((name, value))
    scope = {**scope, "headers": kept}
    peer = scope.get("client")
    if peer is None or not is_within(peer[0], trusted):
        return scope, None

    def said(name: str) -> str:
        # Two values: the proxy added its own to one it let through, and which is which cannot be told.
        values = found.get(wanted[name], set())
        return next(iter(values)) if len(values) == 1 else ""

    return scope, Vouch(said(names.person), said(names.email), said(names.name), said(names.groups))


def identity_of_vouch(vouch: Vouch) -> Identity | None:
    """The person whom plain headers name; `None` if nobody is, or by a name that cannot be kept."""
    subject = vouch.person
    if not 0 < len(subject) <= MOST_SUBJECT or not subject.isprintable():
        return None
    email = email_of(vouch.email)
    groups = [group.strip() for group in vouch.groups.split(",")[:_MOST_GROUPS]]
    claims = {"sub": subject, "groups": [group for group in groups if group]}
    return Identity(PROXY_ISSUER, subject, name_of(_decoded(vouch.name), email, subject), email, claims)


def _text(value: bytes) -> str:
    try:
        return value.decode().strip()
    except UnicodeDecodeError:
        return value.decode("latin-1").strip()


def _decoded(name: str) -> str:
    """A name as people write it: some proxies encode it (RFC 2047)."""
    if "=?" not in name:
        return name
    try:
        return str(make_header(decode_header(name)))
    except (HeaderParseError, LookupError, ValueError):
        return name
