"""Which tokens of a provider, signed by which keys, sign a person in."""

from __future__ import annotations

import hmac
import json
import re
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from tests.auth.oidc_provider import (
    EC,
    NOW,
    RSA,
    SECOND,
    Clock,
    Misbehaving,
    signed,
    signed_in,
)
from webchat.auth.oidc import OpenIdClient
from webchat.auth.sign_in_errors import (
    ProviderUnreachable,
    SignInInvalid,
)


def unsigned(claims: dict[str, Any]) -> str:
    return ".".join((part({"alg": "none"}), part(claims), ""))


def part(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def by_public_key(claims: dict[str, Any]) -> str:
    """The classic: the public key as the secret of a symmetric algorithm."""
    text = f"{part({'alg': 'HS256', 'kid': 'first'})}.{part(claims)}"
    digest = hmac.digest(RSA.as_pem(private=False), text.encode(), "sha256")
    return f"{text}.{urlsafe_b64encode(digest).decode().rstrip('=')}"


def tampered(claims: dict[str, Any]) -> str:
    head, _, signature = signed({"alg": "RS256", "kid": "first"}, claims, RSA).split(".")
    return ".".join((head, part(claims | {"sub": "grace"}), signature))


def no_token(claims: dict[str, Any]) -> str:
    return "a.b.c"


def nothing(claims: dict[str, Any]) -> None:
    return None


def far_too_long(claims: dict[str, Any]) -> str:
    return "a" * 100_000


def named(change: dict[str, Any]) -> str:
    """Keys and functions without their addresses in memory."""
    return re.sub(r" (?:object )?at 0x[0-9a-f]+", "", str(change))


def unended(claims: dict[str, Any]) -> str:
    """JSON that only Python reads."""
    return signed({"alg": "RS256", "kid": "first"}, claims | {"exp": float("nan")}, RSA)


@pytest.mark.parametrize(
    "wrong",
    [
        {"claims": {"iss": "https://evil.example"}},
        {"claims": {"iss": None}},
        {"claims": {"aud": "another"}},
        {"claims": {"aud": ["another"]}},
        {"claims": {"aud": None}},
        {"claims": {"aud": ["webchat", "another"]}},
        {"claims": {"aud": ["webchat", "another"], "azp": "another"}},
        {"claims": {"azp": "another"}},
        {"claims": {"nonce": "another"}},
        {"claims": {"nonce": None}},
        {"claims": {"nonce": 5}},
        {"claims": {"sub": None}},
        {"claims": {"sub": ""}},
        {"claims": {"sub": 7}},
        {"claims": {"sub": "a" * 256}},
        {"claims": {"sub": "ada\n"}},
        {"claims": {"exp": None}},
        {"claims": {"exp": "tomorrow"}},
        {"claims": {"exp": True}},
        {"claims": {"iat": None}},
        {"claims": {"nbf": int(NOW) + 120}},
        {"make_token": unsigned},
        {"make_token": by_public_key},
        {"make_token": tampered},
        {"make_token": unended},
        {"make_token": no_token},
        {"make_token": nothing},
        {"make_token": far_too_long},
        {"sign_with": SECOND},
        {"header": {"alg": "RS256", "kid": "second"}},
        {"header": {"alg": "RS256", "kid": "first", "crit": ["exp"], "exp": 1}},
        {"keys": []},
        {"keys": [RSAKey.import_key(RSA.as_dict(private=False, use="enc"))]},
        {"keys": [RSAKey.import_key(RSA.as_dict(private=False, alg="PS256"))]},
        {"header": {"alg": "RS256"}, "keys": [RSA, SECOND]},
    ],
    ids=named,
)
async def test_a_wrong_token_signs_nobody_in(
    client: OpenIdClient, provider: Misbehaving, wrong: dict[str, Any]
) -> None:
    for name, value in wrong.items():
        setattr(provider, name, value)
    with pytest.raises(SignInInvalid):
        await signed_in(client, provider)


@pytest.mark.parametrize(
    "right",
    [
        {"claims": {"aud": ["webchat"]}},
        {"claims": {"aud": ["webchat", "another"], "azp": "webchat"}},
        {"claims": {"azp": "webchat"}},
        {"header": {"alg": "RS256"}},
        {"header": {"alg": "RS256", "kid": "first", "x5t": "a", "own": "b"}},
        {"header": {"alg": "PS512", "kid": "first"}},
        {"keys": [RSA, SECOND, EC], "header": {"alg": "ES256", "kid": "curve"}, "sign_with": EC},
        {"keys": [RSA, SECOND, EC], "header": {"alg": "ES256"}, "sign_with": EC},
    ],
    ids=named,
)
async def test_a_right_token_does(client: OpenIdClient, provider: Misbehaving, right: dict[str, Any]) -> None:
    for name, value in right.items():
        setattr(provider, name, value)
    assert (await signed_in(client, provider)).identity.subject == "ada-1"


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("RS384", RSA),
        ("PS256", RSA),
        ("ES384", ECKey.generate_key("P-384", {"kid": "first"})),
        ("ES512", ECKey.generate_key("P-521", {"kid": "first"})),
        ("Ed25519", OKPKey.generate_key("Ed25519", {"kid": "first"})),
        ("Ed448", OKPKey.generate_key("Ed448", {"kid": "first"})),
    ],
)
async def test_every_allowed_algorithm_is_understood(
    client: OpenIdClient, provider: Misbehaving, algorithm: str, key: Key
) -> None:
    provider.keys, provider.sign_with = [key], key
    provider.header = {"alg": algorithm, "kid": "first"}
    assert (await signed_in(client, provider)).identity.subject == "ada-1"


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # only signing, by the provider, warns
async def test_the_older_name_of_edwards_curves_is_understood_without_a_warning(
    client: OpenIdClient, provider: Misbehaving
) -> None:
    key = OKPKey.generate_key("Ed25519", {"kid": "first"})
    provider.keys, provider.sign_with, provider.header = [key], key, {"alg": "EdDSA", "kid": "first"}
    assert (await signed_in(client, provider)).identity.subject == "ada-1"


@pytest.mark.parametrize("seconds", [-120, -30, 30, 120])
async def test_clocks_may_differ_by_a_minute(
    client: OpenIdClient, provider: Misbehaving, clock: Clock, seconds: int
) -> None:
    """Tokens live a second here, so that either end counts."""
    provider.claims = {"exp": int(NOW) + 1}
    clock.now = NOW + seconds
    if abs(seconds) == 30:
        assert (await signed_in(client, provider)).identity.subject == "ada-1"
    else:
        with pytest.raises(SignInInvalid):
            await signed_in(client, provider)


async def test_a_new_key_is_fetched_once_it_signs(
    client: OpenIdClient, provider: Misbehaving, clock: Clock
) -> None:
    await signed_in(client, provider)
    provider.keys, provider.sign_with = [SECOND], SECOND
    provider.header = {"alg": "RS256", "kid": "second"}
    clock.now = provider.now = NOW + 61
    assert (await signed_in(client, provider)).identity.subject == "ada-1"
    assert provider.asked["/keys"] == 2


async def test_a_key_that_is_gone_counts_no_longer(
    client: OpenIdClient, provider: Misbehaving, clock: Clock
) -> None:
    await signed_in(client, provider)
    provider.keys = [SECOND]
    clock.now = provider.now = NOW + 3601
    with pytest.raises(SignInInvalid):
        await signed_in(client, provider)


async def test_unknown_keys_make_one_request_a_minute(
    client: OpenIdClient, provider: Misbehaving, clock: Clock
) -> None:
    provider.header = {"alg": "RS256", "kid": "unknown"}
    for seconds, asked in ((0, 1), (30, 1), (59, 1), (60, 2), (61, 2)):
        clock.now = NOW + seconds
        with pytest.raises(SignInInvalid):
            await signed_in(client, provider)
        assert provider.asked["/keys"] == asked


async def test_after_a_failure_keys_are_asked_for_again_soon(
    client: OpenIdClient, provider: Misbehaving, clock: Clock
) -> None:
    provider.answers["/keys"] = (503, b"", {})
    for seconds, asked in ((0, 1), (4, 1), (5, 2)):
        clock.now = NOW + seconds
        with pytest.raises(ProviderUnreachable):
            await signed_in(client, provider)
        assert provider.asked["/keys"] == asked
    del provider.answers["/keys"]
    clock.now = NOW + 10
    assert (await signed_in(client, provider)).identity.subject == "ada-1"


@pytest.mark.parametrize(
    "odd",
    [
        "key",
        {},
        {"kty": "RSA"},
        {"kty": "RSA", "n": 5, "e": "AQAB"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "RSA", "n": "A" * 5000, "e": "AQAB"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "unknown", "x": "AA", "y": "AA"},
        {"kty": "oct", "k": "AAAA", "kid": "first"},
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"},
    ],
    ids=str,
)
async def test_a_key_that_cannot_be_used_does_not_spoil_the_others(
    client: OpenIdClient, provider: Misbehaving, odd: object
) -> None:
    body = json.dumps({"keys": [odd, RSA.as_dict(private=False)]}).encode()
    provider.answers["/keys"] = (200, body, {})
    assert (await signed_in(client, provider)).identity.subject == "ada-1"
