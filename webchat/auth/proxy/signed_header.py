"""The person in a header that the proxy has signed: a token (JWT), checked with the issuer's public keys."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from webchat.auth.admitting import Identity, email_of, name_of
from webchat.auth.oidc.keys import KEPT_SECONDS, KeyCache
from webchat.auth.oidc.requests import Requests
from webchat.auth.oidc.tokens import Expected, checked_claims
from webchat.auth.sign_in_errors import SignInFailed
from webchat.store.people_records import PROXY_ISSUER

_MOST_KEPT = 1_000
_log = logging.getLogger(__name__)


class SignedHeader:
    """Checks tokens. One that was found valid is not checked again while it lasts, an hour at most: it comes
    with every request, and the keys may be out of reach for a moment.

    keys_url: of the issuer's keys (JWKS). issuer, audience: what a token must say. now: seconds since 1970.
    """

    def __init__(
        self,
        keys_url: str,
        issuer: str,
        audience: str,
        *,
        requests: Requests | None = None,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._requests = requests or Requests()
        self._keys = KeyCache(keys_url, self._requests, clock=clock)
        self._expected = Expected(issuer, audience, nonce=None)
        self._now = now
        self._kept: OrderedDict[bytes, tuple[Identity, float]] = OrderedDict()

    async def identity(self, token: str) -> Identity:
        """Whom a token names. Raises `SignInFailed`."""
        key, now = sha256(token.encode("utf-8", "surrogatepass")).digest(), self._now()
        identity, until = self._kept.get(key, (None, 0.0))
        if identity is not None and now < until:
            return identity
        try:
            claims = await checked_claims(token, self._keys, self._expected, now)
        except SignInFailed as error:
            _log.warning("The header of the proxy: %s %s", error.code, error.reason)
            raise
        identity = _identity(self._expected.issuer, claims)
        self._kept[key] = identity, min(claims["exp"], now + KEPT_SECONDS)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return identity

    async def aclose(self) -> None:
        """Close the connections."""
        await self._requests.aclose()


def _identity(issuer: str, claims: dict[str, Any]) -> Identity:
    """Such issuers say nothing about an address unless it is unverified: they vouch for all they say."""
    email = None if claims.get("email_verified", True) is not True else email_of(claims.get("email"))
    name = name_of(claims.get("name"), claims.get("preferred_username"), email, claims["sub"])
    # Apart from people who sign in at the same issuer themselves: those need no header.
    return Identity(f"{PROXY_ISSUER} {issuer}", claims["sub"], name, email, claims)
