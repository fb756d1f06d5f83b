"""The public keys of an issuer, by ID, kept for an hour."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key, RSAKey
from joserfc.jws import JWSRegistry

from webchat.auth.oidc.requests import Requests
from webchat.auth.sign_in_errors import ProviderUnreachable, SignInInvalid

KEPT_SECONDS = 3600.0
AGAIN_SECONDS = 60.0
"""Between two requests for the sake of a key that is not there."""

FAILED_SECONDS = 5.0
"""After a request that failed, during which everyone gets the same error: they do not wait in turn."""

ALGORITHMS = frozenset(
    {
        *(f"{kind}{bits}" for kind in ("RS", "PS", "ES") for bits in (256, 384, 512)),
        *("EdDSA", "Ed25519", "Ed448"),
    }
)
"""Those with a public key. With `HS256` and its kin, whoever knows the key they verify with can sign."""

_LEAST_RSA_BITS = 2048
_RSA_DIGITS = range(_LEAST_RSA_BITS // 6, 8192 // 6 + 4)
"""Base64 digits of a modulus: weaker keys are not accepted, longer ones take too long to verify with."""
_MOST_KEYS = 100


class KeyCache:
    """The keys at an address. Keys that are unusable or not for signatures are left out."""

    def __init__(self, url: str, requests: Requests, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._requests = requests
        self._clock = clock
        self._keys: list[Key] = []
        self._read_at: float | None = None
        self._next_at = -math.inf
        self._lock = asyncio.Lock()

    async def key(self, kid: str | None, algorithm: str) -> Key:
        """The key with this ID, or the only one for the algorithm where a token names none.

        Raises `SignInInvalid` if there is none, `ProviderUnreachable` if the keys cannot be read.
        """
        found = self._found(kid, algorithm)
        if found is None:
            async with self._lock:
                found = self._found(kid, algorithm)
                if found is None and self._clock() >= self._next_at:
                    await self._read()
                    found = self._found(kid, algorithm)
        if found is not None:
            return found
        if not self._fresh():
            raise ProviderUnreachable("the keys could not be read a moment ago")
        raise SignInInvalid("the issuer has no such key")

    def _fresh(self) -> bool:
        return self._read_at is not None and self._clock() - self._read_at < KEPT_SECONDS

    def _found(self, kid: str | None, algorithm: str) -> Key | None:
        if not self._fresh():
            return None
        fitting = [key for key in self._keys if _fits(key, algorithm)]
        if kid is None:
            return fitting[0] if len(fitting) == 1 else None
        return next((key for key in fitting if key.kid == kid), None)

    async def _read(self) -> None:
        try:
            found = (await self._requests.get(self._url)).get("keys")
        finally:
            self._next_at = self._clock() + FAILED_SECONDS
        keys = [_public_key(one) for one in (found if isinstance(found, list) else [])[:_MOST_KEYS]]
        self._keys = [key for key in keys if key is not None]
        self._read_at = self._clock()
        self._next_at = self._read_at + AGAIN_SECONDS


def _fits(key: Key, algorithm: str) -> bool:
    try:
        JWSRegistry.algorithms[algorithm].check_key(key)
    except JoseError:
        return False
    return True


def _public_key(found: object) -> Key | None:
    if not isinstance(found, dict) or found.get("kty") not in ("RSA", "EC", "OKP"):
        return None
    modulus = found.get("n", "")
    if found["kty"] == "RSA" and not (isinstance(modulus, str) and len(modulus) in _RSA_DIGITS):
        return None
    try:
        key = JWKRegistry.import_key(found)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    padded = isinstance(key, RSAKey) and key.public_key.key_size < _LEAST_RSA_BITS
    return None if padded else key
