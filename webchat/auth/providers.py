"""Signing in at one of several providers: who may, and in which browser it was begun."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

from itsdangerous import BadSignature, TimestampSigner

from webchat.auth.admitting import Rules, admits
from webchat.auth.oidc import OpenIdClient
from webchat.auth.oidc.client import LIFETIME
from webchat.auth.sign_in_errors import SignInExpired, SignInNotAllowed
from webchat.store.people_records import Person


class PersonStore(Protocol):
    """The part of the store that keeps people of a provider. Raises `PersonDisabled`."""

    def enter_person(
        self, issuer: str, subject: str, name: str, email: str | None, operates: bool | None
    ) -> Person: ...

    async def call(self, verb: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any: ...


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
        self._signer = TimestampSigner(secret, salt="webchat.login", digest_method=sha256)
        digest = sha256(f"webchat.login-cookie\0{secret}".encode()).hexdigest()
        self._name = f"webchat_login_{digest[:8]}"

    def __contains__(self, key: str) -> bool:
        return key in self._ways

    async def begin(self, key: str, callback: str, next_path: str, *, secure: bool) -> tuple[str, str]:
        """The address of the provider's page, and the `Set-Cookie` header to go with it. Raises
        `SignInFailed`."""
        begun = await self._ways[key].client.begin(callback, next_path)
        return begun.url, self._cookie(self._signer.sign(f"{key}.{begun.state}").decode(), secure=secure)

    async def finish(
        self, cookies: str, state: str, code: str, iss: str, error: str, *, secure: bool
    ) -> tuple[Person, str]:
        """Who came back from the provider, and the page they wanted. cookies: the request's header. secure:
        it came over https, so a cookie that other pages of the domain can set is not read. Raises
        `SignInFailed`, and `PersonDisabled`."""
        key, kept = self._begun(cookies, self._cookie_name(secure))
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
        return self._cookie("", secure=secure, seconds=0)

    def _begun(self, cookies: str, wanted: str) -> tuple[str, str]:
        """Key and state of the sign-in that the browser has begun; empty if there is none, or if what it says
        is not certain."""
        found = set()
        for part in cookies.split(";"):
            name, _, value = part.strip().partition("=")
            if name == wanted:
                found.add(value)
        try:
            value = self._signer.unsign(found.pop(), max_age=int(LIFETIME.total_seconds())).decode()
        except (KeyError, BadSignature):
            return "", ""
        key, _, state = value.partition(".")
        return ("", "") if found else (key, state)

    def _cookie_name(self, secure: bool) -> str:
        return f"__Host-{self._name}" if secure else self._name

    def _cookie(self, value: str, *, secure: bool, seconds: int = int(LIFETIME.total_seconds())) -> str:
        name = self._cookie_name(secure)
        parts = (f"{name}={value}", "HttpOnly", f"Max-Age={seconds}", "Path=/", "SameSite=Lax")
        return "; ".join((*parts, "Secure") if secure else parts)
