"""The OpenID Connect client.

State, nonce and PKCE verifier are in the database, under the hash of the state, and can be used once. The
caller must also keep the state in a cookie of the browser that begins and compare it when the person comes
back: otherwise anyone can sign somebody else's browser in to an account of their own.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
import secrets
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Protocol
from urllib.parse import quote_plus, urlencode

from webchat.auth.admitting import Identity, email_of, name_of
from webchat.auth.local_path import local_path
from webchat.auth.oidc.keys import FAILED_SECONDS, KeyCache
from webchat.auth.oidc.provider import Metadata, Provider, metadata_of
from webchat.auth.oidc.requests import Requests
from webchat.auth.oidc.tokens import Expected, checked_claims
from webchat.auth.sign_in_errors import (
    ProviderUnreachable,
    SignInExpired,
    SignInFailed,
    SignInInvalid,
    SignInRefused,
)
from webchat.sharing.links import hash_of
from webchat.store.calling import Calls
from webchat.store.errors import NotFound

LIFETIME = timedelta(minutes=10)
"""Between the start of a sign-in and the return from the provider."""

KEPT_SECONDS = 3600.0
"""For a provider's description."""

_MOST_PARAMETER = 4096
_ERROR = re.compile(r"[a-z_]{1,40}")
_log = logging.getLogger(__name__)


class LoginStore(Calls, Protocol):
    """The parts of the store that hold sign-ins under way. `take_login` raises `NotFound`."""

    def keep_login(self, state_hash: str, data: dict[str, Any], expires_at: datetime) -> Any: ...

    def take_login(self, state_hash: str) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in that has begun: where to send the browser, and the state for its cookie."""

    url: str = field(repr=False)
    state: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who signed in, and the page they wanted."""

    identity: Identity
    next_path: str


class OpenIdClient:
    """Signs people in at one provider.

    wanted: claims that rules look at; the provider is asked for them if the ID token lacks one. now: seconds
    since 1970. clock: for what is kept.
    """

    def __init__(
        self,
        provider: Provider,
        store: LoginStore,
        *,
        wanted: Iterable[str] = (),
        requests: Requests | None = None,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.provider = provider
        self._store = store
        self._wanted = frozenset(wanted)
        self._requests = requests or Requests()
        self._now = now
        self._clock = clock
        self._described: tuple[Metadata, float] | None = None
        self._failed_at = -math.inf
        self._keys: KeyCache | None = None
        self._keys_at = ""
        self._lock = asyncio.Lock()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._requests.aclose()

    async def begin(self, redirect_uri: str, next_path: str = "/") -> Begun:
        """Start a sign-in. Raises `SignInFailed`."""
        try:
            metadata = await self._metadata()
        except SignInFailed as error:
            raise self._logged(error) from None
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        data = {
            "provider": self.provider.issuer,
            "client_id": self.provider.client_id,
            "nonce": nonce,
            "verifier": verifier,
            "redirect_uri": redirect_uri,
            "next_path": local_path(next_path),
        }
        expires_at = datetime.fromtimestamp(self._now(), UTC) + LIFETIME
        await self._store.call(self._store.keep_login, hash_of(state), data, expires_at)
        query = {
            "response_type": "code",
            "client_id": self.provider.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(self.provider.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
        }
        endpoint = metadata.authorization_endpoint
        return Begun(f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}", state)

    async def finish(
        self, state: str, code: str | None, iss: str | None = None, error: str | None = None
    ) -> SignedIn:
        """Complete a sign-in with what the provider sent to the redirect address. Raises `SignInFailed`;
        whatever happens, the state cannot be used again."""
        try:
            data = await self._taken(state)
            metadata = await self._metadata()
            self._check_answer(metadata, iss, error)
            if not code or len(code) > _MOST_PARAMETER:
                raise SignInInvalid("the provider sent no code")
            tokens = await self._exchange(metadata, code, data)
            expected = Expected(self.provider.issuer, self.provider.client_id, data["nonce"])
            claims = await checked_claims(
                tokens.get("id_token"), self._key_cache(metadata), expected, self._now()
            )
            about = await self._userinfo(metadata, claims, tokens.get("access_token"))
        except SignInFailed as failure:
            raise self._logged(failure) from None
        return SignedIn(identity_of(self.provider.issuer, claims, about), local_path(data["next_path"]))

    def _logged(self, error: SignInFailed) -> SignInFailed:
        if isinstance(error, (ProviderUnreachable, SignInInvalid)):
            _log.warning("Sign-in with %s: %s %s", self.provider.name, error.code, error.reason)
        return error

    async def _taken(self, state: str) -> dict[str, Any]:
        if not state or len(state) > _MOST_PARAMETER:
            raise SignInExpired("there is no state")
        try:
            data: dict[str, Any] = await self._store.call(self._store.take_login, hash_of(state))
        except NotFound:
            raise SignInExpired("the state is unknown") from None
        if (data.get("provider"), data.get("client_id")) != (self.provider.issuer, self.provider.client_id):
            raise SignInExpired("the state belongs to another provider")
        return data

    def _check_answer(self, metadata: Metadata, iss: str | None, error: str | None) -> None:
        """What came to the redirect address. The issuer (RFC 9207) counts for errors, too."""
        if iss != self.provider.issuer and (iss is not None or metadata.sends_issuer):
            raise SignInInvalid("the answer is from another issuer")
        if error == "access_denied":
            raise SignInRefused
        if error in ("temporarily_unavailable", "server_error"):
            raise ProviderUnreachable(f"the provider answered {error}")
        if error is not None:
            raise SignInInvalid(f"the provider answered {_named(error)}")

    async def _metadata(self) -> Metadata:
        async with self._lock:
            if self._described is not None and self._clock() - self._described[1] < KEPT_SECONDS:
                return self._described[0]
            if self._clock() - self._failed_at < FAILED_SECONDS:
                raise ProviderUnreachable("the description could not be read a moment ago")
            try:
                found = metadata_of(await self._requests.get(self.provider.discovery), self.provider)
            except ProviderUnreachable:
                self._failed_at = self._clock()
                raise
            self._described = found, self._clock()
            return found

    def _key_cache(self, metadata: Metadata) -> KeyCache:
        if self._keys is None or self._keys_at != metadata.jwks_uri:
            self._keys = KeyCache(metadata.jwks_uri, self._requests, clock=self._clock)
            self._keys_at = metadata.jwks_uri
        return self._keys

    async def _exchange(self, metadata: Metadata, code: str, data: Mapping[str, Any]) -> dict[str, Any]:
        """The tokens for a code."""
        provider, authorization = self.provider, None
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": data["redirect_uri"],
            "code_verifier": data["verifier"],
        }
        secret = "" if provider.client_secret is None else provider.client_secret.get_secret_value()
        if metadata.client_auth == "client_secret_basic":
            authorization = _basic(provider.client_id, secret)
        else:
            form["client_id"] = provider.client_id
            if metadata.client_auth == "client_secret_post":
                form["client_secret"] = secret
        status, answer = await self._requests.post(metadata.token_endpoint, form, authorization=authorization)
        if status != 200:
            raise SignInInvalid(f"the token endpoint answered {status} {_named(answer.get('error'))}")
        return answer

    async def _userinfo(
        self, metadata: Metadata, claims: Mapping[str, object], access_token: object
    ) -> dict[str, Any]:
        """What the provider adds to an ID token that lacks something; empty if there is nothing to ask."""
        lacking = (
            not name_of(*_names(claims)) or not {"email", "email_verified", *self._wanted} <= claims.keys()
        )
        if not lacking or metadata.userinfo_endpoint is None or not isinstance(access_token, str):
            return {}
        if not (access_token.isascii() and access_token.isprintable()):
            raise SignInInvalid("the access token contains invalid characters")
        about = await self._requests.get(metadata.userinfo_endpoint, token=access_token)
        if about.get("sub") != claims["sub"]:
            raise SignInInvalid("the userinfo endpoint answered for another subject")
        return about


def identity_of(issuer: str, claims: Mapping[str, Any], about: Mapping[str, Any]) -> Identity:
    """A person, from the claims of a checked token and what the issuer says `about` them. An address counts
    only where the same document says that it is verified."""
    email = _verified_email(claims) or _verified_email(about)
    name = name_of(*_names(claims), *_names(about), email, claims["sub"])
    return Identity(issuer, claims["sub"], name, email, {**about, **claims})


def challenge_of(verifier: str) -> str:
    """The `S256` challenge of PKCE (RFC 7636, section 4.2)."""
    return urlsafe_b64encode(sha256(verifier.encode("ascii")).digest()).decode("ascii").rstrip("=")


def _names(claims: Mapping[str, object]) -> list[Any]:
    return [claims.get(key) for key in ("name", "preferred_username", "nickname")]


def _verified_email(claims: Mapping[str, object]) -> str | None:
    return email_of(claims.get("email")) if claims.get("email_verified") is True else None


def _basic(client_id: str, secret: str) -> str:
    """RFC 6749, section 2.3.1: both are form-encoded first."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return f"Basic {b64encode(pair.encode('ascii')).decode('ascii')}"


def _named(error: object) -> str:
    """A provider's error code for the log; anything else could hold what it was sent."""
    return error if isinstance(error, str) and _ERROR.fullmatch(error) else "an error"
