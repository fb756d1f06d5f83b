"""Browsers that have signed in with a password before.

Behind a proxy that is not in `trusted_proxies`, everybody has one address, and what a request says of another
can be made up. So wrong passwords are counted for each account over all unknown browsers, which limits
guessing, and apart for each browser that has been signed in to the account before, as its cookie says: a
stranger's tries don't delay it (OWASP, "Slow down online guessing attacks with device cookies").
"""

from __future__ import annotations

import secrets
from hashlib import sha256

from webchat.auth.cookies import MAX_AGE
from webchat.auth.signed_cookie import SignedCookie

_MOST_ACCOUNTS = 5
_DIGITS = 16


class Devices:
    """Knows a browser by a random id in a signed cookie, which also holds the latest accounts, hashed."""

    def __init__(self, secret: str) -> None:
        self._cookie = SignedCookie(secret, "device", int(MAX_AGE.total_seconds()))

    def known(self, cookies: str, account: str, *, secure: bool) -> str | None:
        """The browser's id, if it has been signed in to the account. cookies: the request's header."""
        id, *marks = self._cookie.read(cookies, secure=secure).split(".")
        return id if _mark(id, account) in marks else None

    def header(self, cookies: str, account: str, *, secure: bool) -> str:
        """The `Set-Cookie` header for a browser that has just signed in to the account."""
        id, *marks = self._cookie.read(cookies, secure=secure).split(".")
        id = id or secrets.token_hex(_DIGITS)
        kept = dict.fromkeys((_mark(id, account), *marks))
        return self._cookie.header(".".join((id, *list(kept)[:_MOST_ACCOUNTS])), secure=secure)


def _mark(id: str, account: str) -> str:
    return sha256(f"{id}\0{account}".encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
