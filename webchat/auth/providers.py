"""Signing in at one of several providers: who may, and in which browser it was begun."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from webchat.auth.admitting import Rules, admits
from webchat.auth.oidc import OpenIdClient
from webchat.auth.oidc.client import LIFETIME
from webchat.auth.sign_in_errors import SignInExpired, SignInNotAllowed
from webchat.auth.signed_cookie import SignedCookie
from webchat.store.calling import Calls
from webchat.store.people_records import Person


class PersonStore(Calls, Protocol):
    """The part of the store that keeps people of a provider. Raises `PersonDisabled`."""

    def enter_person(
        self, issuer: str, subject: str, name: str, email: str | None, operates: bool | None
    ) -> Person: ...


@dataclass(frozen=True, slots=True)
class Way:
    """One provider. allowed: who of its people may enter. operators: who of them operates; `None` leaves that
    to the command line."""

    client: OpenIdClient
    allowed: Rules
    operators: Rules | None = None


class Providers:
    """Sign-ins at providers, by the key under which the page offers them.

    The state of a sign-in is in a signed cookie of the browser that began it: otherwise anybody could sign
    somebody else's browser in as themselves (RFC 9700, section 4.7).
    """

    def __init__(self, ways: Mapping[str, Way], store: PersonStore, secret: str) -> None:
        self._ways = ways
        self._store = store
        self._cookie = SignedCookie(secret, "login", int(LIFETIME.total_seconds()))

    def __contains__(self, key: str) -> bool:
        return key in self._ways

    async def begin(self, key: str, callback: str, next_path: str, *, secure: bool) -> tuple[str, str]:
        """The address of the provider's page, and the `Set-Cookie` header to go with it. Raises
        `SignInFailed`."""
        begun = await self._ways[key].client.begin(callback, next_path)
        return begun.url, self._cookie.header(f"{key}.{begun.state}", secure=secure)

    async def finish(
        self, cookies: str, state: str, code: str, iss: str, error: str, *, secure: bool
    ) -> tuple[Person, str]:
        """Who came back from the provider, and the page they wanted. cookies: the request's header. secure:
        it came over https, so a cookie that other pages of the domain can set is not read. Raises
        `SignInFailed`, and `PersonDisabled`."""
        key, _, kept = self._cookie.read(cookies, secure=secure).partition(".")
        way = self._ways.get(key)
        if way is None or not state or not hmac.compare_digest(kept.encode(), state.encode()):
            raise SignInExpired("this browser has not begun the sign-in")
        signed_in = await way.client.finish(state, code or None, iss or None, error or None)
        identity = signed_in.identity
        if not admits(identity, way.allowed):
            raise SignInNotAllowed
        operates = None if way.operators is None else admits(identity, way.operators)
        person: Person = await self._store.call(
            self._store.enter_person,
            identity.issuer,
            identity.subject,
            identity.name,
            identity.email,
            operates,
        )
        return person, signed_in.next_path

    async def aclose(self) -> None:
        """Close the connections to the providers."""
        for way in self._ways.values():
            await way.client.aclose()

    def finished(self, *, secure: bool) -> str:
        """The `Set-Cookie` header that takes the state back."""
        return self._cookie.cleared(secure=secure)
