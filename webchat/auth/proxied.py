"""Sign-in by a trusted proxy: a header names the person, as plain text or as a signed token.

A plain header is only as good as the proxy: it must set or remove the header on every request, and nobody
else may reach this server. A signed one (such as Cloudflare's `Cf-Access-Jwt-Assertion`) is verified, too.

The header speaks for one request. Compare it with the session on each: the person at the proxy may change.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from webchat.auth.admitting import Identity, email_of, name_of
from webchat.auth.oidc.keys import KeyCache
from webchat.auth.oidc.requests import Requests, safe_address
from webchat.auth.oidc.tokens import Expected, checked_claims
from webchat.auth.sign_in_errors import SignInInvalid

ISSUER = "proxy"
"""Of people whom a proxy names."""

MOST_VALUE = 255
"""Bytes of a plain header."""

_MOST_SIGNED = 16 << 10
_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")

Headers = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Signed:
    """How the proxy signs. subject, email, name: the claims to read; an e-mail address counts unless the
    claim `email_verified` denies it. Raises ValueError for an address of keys that is neither https nor on
    this machine."""

    jwks_url: str
    issuer: str
    audience: str
    subject: str = "sub"
    email: str = "email"
    name: str = "name"

    def __post_init__(self) -> None:
        if safe_address(self.jwks_url, plain=True) is None:
            raise ValueError(f"the address of the proxy's keys {self.jwks_url!r} must start with https://")
        if not (self.issuer and self.audience):
            raise ValueError("signed headers need an issuer and an audience")


@dataclass(frozen=True, slots=True)
class ProxySetting:
    """Which headers name the person, in any case of letters.

    header: identifies them (`Remote-User`, `X-Forwarded-Email`, or the one with the token). email_header: the
    address that the proxy has verified, maybe the same header; a user name that looks like an address does
    not count as one. name_header: for display. Raises ValueError for a text that is no header's name.
    """

    header: str
    email_header: str | None = None
    name_header: str | None = None
    signed: Signed | None = None

    def __post_init__(self) -> None:
        for name in (self.header, self.email_header, self.name_header):
            if name is not None and not (name and _NAME.issuperset(name.lower())):
                raise ValueError(f"{name!r} is not the name of a header")


class ProxySignIn:
    """Reads who a request is from. Without `Signed`, `requests` is not needed. now: seconds since 1970."""

    def __init__(
        self,
        setting: ProxySetting,
        *,
        requests: Requests | None = None,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._setting = setting
        self._now = now
        self._requests = requests or Requests()
        signed = setting.signed
        self._keys = None if signed is None else KeyCache(signed.jwks_url, self._requests, clock=clock)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._requests.aclose()

    async def identity_from(self, headers: Headers, peer_is_trusted: bool) -> Identity | None:
        """The person of a request; `None` if there is no header, or the request is not from the proxy.

        Raises `SignInInvalid` for a header that is wrong or repeated: the request must not count as one of
        nobody. Raises `ProviderUnreachable` if the keys cannot be read.
        """
        signed, keys = self._setting.signed, self._keys
        if not peer_is_trusted:
            return None
        if signed is None or keys is None:
            return plain_identity(headers, self._setting)
        token = _only(headers, self._setting.header, _MOST_SIGNED)
        if token is None:
            return None
        expected = Expected(signed.issuer, signed.audience)
        return _identity_of(await checked_claims(token, keys, expected, self._now()), signed)


def plain_identity(headers: Headers, setting: ProxySetting) -> Identity | None:
    """The person named by a trusted proxy's plain headers. Raises `SignInInvalid`."""
    headers = list(headers)
    who = _only(headers, setting.header, MOST_VALUE)
    if who is None:
        return None
    if "," in who:
        raise SignInInvalid(f"the header {setting.header} has several values")
    email = None if setting.email_header is None else _only(headers, setting.email_header, MOST_VALUE)
    name = None if setting.name_header is None else _only(headers, setting.name_header, MOST_VALUE)
    if email is not None and email_of(email) is None:
        raise SignInInvalid(f"the header {setting.email_header} is not an e-mail address")
    subject = who.lower()
    return Identity(ISSUER, subject, name_of(name, who), email, {"sub": subject})


def _identity_of(claims: Mapping[str, Any], signed: Signed) -> Identity:
    subject = claims.get(signed.subject)
    if not isinstance(subject, str) or not 0 < len(subject) <= MOST_VALUE or not subject.isprintable():
        raise SignInInvalid(f"the token's claim {signed.subject} identifies nobody")
    verified = claims.get("email_verified", True) is True
    email = email_of(claims.get(signed.email)) if verified else None
    return Identity(ISSUER, subject, name_of(claims.get(signed.name), email, subject), email, claims)


def _only(headers: Headers, name: str, most: int) -> str | None:
    """The value of the one header of this name; `None` if it is missing or empty."""
    wanted = name.lower().encode("ascii")
    values = [value for key, value in headers if key.lower() == wanted]
    if len(values) > 1:
        raise SignInInvalid(f"the header {name} is repeated")
    value = values[0].strip(b" \t") if values else b""
    if not value:
        return None
    try:
        text = value.decode("utf-8") if len(value) <= most else ""
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable():
        raise SignInInvalid(f"the header {name} is too long or contains invalid characters")
    return text
