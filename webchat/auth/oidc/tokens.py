"""Checking signed tokens (OpenID Connect Core 1.0, section 3.1.3.7)."""

from __future__ import annotations

import hmac
import json
import math
from dataclasses import dataclass, field
from typing import Any

from joserfc.errors import JoseError
from joserfc.jws import CompactSignature, JWSRegistry, extract_compact, validate_compact

from webchat.auth.oidc.keys import ALGORITHMS, KeyCache
from webchat.auth.sign_in_errors import SignInInvalid

LEEWAY_SECONDS = 60
MOST_TOKEN = 64 << 10
MOST_SUBJECT = 255


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say. nonce: `None` for one that nobody asked for."""

    issuer: str
    audience: str
    nonce: str | None = field(repr=False)


class _Registry(JWSRegistry):
    """Any header parameter, and only `ALGORITHMS`; joserfc itself warns of `EdDSA`, which providers use."""

    max_header_length = 8 << 10

    def get_alg(self, name: str) -> Any:
        if name not in ALGORITHMS:
            raise SignInInvalid("the token's algorithm is not allowed")
        return self.algorithms[name]


_REGISTRY = _Registry(strict_check_header=False)


async def checked_claims(token: object, keys: KeyCache, expected: Expected, now: float) -> dict[str, Any]:
    """The claims of a token, if it is signed by one of the keys and valid `now` (seconds since 1970).

    Raises `SignInInvalid`, and `ProviderUnreachable` if the keys cannot be read.
    """
    if not isinstance(token, str) or not token.isascii() or len(token) > MOST_TOKEN:
        raise SignInInvalid("there is no token, or it is too long")
    try:
        parsed = extract_compact(token.encode(), registry=_REGISTRY)
    except (JoseError, ValueError, RecursionError):
        raise SignInInvalid("the token cannot be read") from None
    claims = await _verified(parsed, keys)
    _check_parties(claims, expected)
    _check_times(claims, now)
    if expected.nonce is not None:
        nonce = claims.get("nonce")
        if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
            raise SignInInvalid("the token has another nonce")
    return claims


async def _verified(parsed: CompactSignature, keys: KeyCache) -> dict[str, Any]:
    headers = parsed.headers()
    algorithm, kid = headers.get("alg"), headers.get("kid")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise SignInInvalid("the token's algorithm is not allowed")
    if kid is not None and not isinstance(kid, str):
        raise SignInInvalid("the token's key ID is not a text")
    key = await keys.key(kid, algorithm)
    try:
        valid = validate_compact(parsed, key, registry=_REGISTRY)
        claims = json.loads(parsed.payload) if valid else None
    except (JoseError, ValueError, TypeError, RecursionError):
        raise SignInInvalid("the token or its signature is malformed") from None
    if not valid:
        raise SignInInvalid("the token's signature is wrong")
    if not isinstance(claims, dict):
        raise SignInInvalid("the token's claims are not an object")
    return claims


def _check_parties(claims: dict[str, Any], expected: Expected) -> None:
    if claims.get("iss") != expected.issuer:
        raise SignInInvalid("the token is from another issuer")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if expected.audience not in audiences:
        raise SignInInvalid("the token is for another audience")
    azp = claims.get("azp")
    if azp != expected.audience and (azp is not None or len(audiences) > 1):
        raise SignInInvalid("the token is for another party of its audiences")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MOST_SUBJECT or not subject.isprintable():
        raise SignInInvalid("the token has no usable subject")


def _check_times(claims: dict[str, Any], now: float) -> None:
    if now >= _time(claims, "exp") + LEEWAY_SECONDS:
        raise SignInInvalid("the token has expired; check the clocks of this server and of the issuer")
    starts = [_time(claims, "iat"), *([_time(claims, "nbf")] if "nbf" in claims else [])]
    if now < max(starts) - LEEWAY_SECONDS:
        raise SignInInvalid("the token is from the future; check the clocks of this server and of the issuer")


def _time(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise SignInInvalid(f"the token has no usable {name}")
    return value
