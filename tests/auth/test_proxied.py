"""Sign-in by a header of a trusted proxy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.auth.oidc_provider import NOW, RSA, SECOND, Clock, Misbehaving, signed
from webchat.auth.admitting import Identity
from webchat.auth.proxied import ProxySetting, ProxySignIn, Signed, plain_identity
from webchat.auth.sign_in_errors import ProviderUnreachable, SignInInvalid

EMAIL = ProxySetting("X-Forwarded-Email", email_header="X-Forwarded-Email", name_header="X-Forwarded-User")
USER = ProxySetting("Remote-User")
TOKEN = "Cf-Access-Jwt-Assertion"


def pairs(*headers: tuple[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers as a server hands them over: names in lower case."""
    return [(name.lower().encode(), value.encode()) for name, value in headers]


def read(setting: ProxySetting, *headers: tuple[str, str]) -> Identity | None:
    return plain_identity(pairs(*headers), setting)


def test_a_header_names_the_person() -> None:
    who = read(EMAIL, ("X-Forwarded-Email", " Ada@Example.org"), ("X-Forwarded-User", "Ada Lovelace"))
    assert who == Identity(
        "proxy", "ada@example.org", "Ada Lovelace", "Ada@Example.org", {"sub": "ada@example.org"}
    )


def test_a_user_name_is_no_address_even_if_it_looks_like_one() -> None:
    """People may choose it themselves."""
    who = read(USER, ("Remote-User", "boss@example.org"))
    assert who is not None
    assert (who.subject, who.name, who.email) == ("boss@example.org", "boss@example.org", None)


def test_names_may_be_chinese() -> None:
    who = read(USER, ("Remote-User", "李雷"))
    assert who is not None
    assert who.subject == "李雷"


@pytest.mark.parametrize("headers", [[], [("Remote-User", "")], [("Remote-User", "  ")], [("Other", "ada")]])
def test_without_the_header_nobody_is_named(headers: list[tuple[str, str]]) -> None:
    assert read(USER, *headers) is None


@pytest.mark.parametrize(
    "headers",
    [
        [("Remote-User", "ada"), ("Remote-User", "grace")],
        [("Remote-User", "ada"), ("Remote-User", "ada")],
        [("Remote-User", "ada"), ("Remote-User", "")],
        [("Remote-User", "ada, grace")],
        [("Remote-User", "ada\x00")],
        [("Remote-User", "ada\tb")],
        [("Remote-User", "ada\x7f")],
        [("Remote-User", "ada\u202e")],
        [("Remote-User", "ada\u2028")],
        [("Remote-User", "a" * 256)],
    ],
    ids=str,
)
def test_a_doubtful_header_is_refused(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(SignInInvalid):
        read(USER, *headers)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(SignInInvalid):
        plain_identity([(b"remote-user", b"\xff\xfe")], USER)


@pytest.mark.parametrize("value", ["ada", "a@b@c", "a b@c", "@c"])
def test_the_header_for_addresses_holds_one(value: str) -> None:
    with pytest.raises(SignInInvalid):
        read(EMAIL, ("X-Forwarded-Email", value))


@given(st.binary(max_size=300))
def test_whatever_the_header_holds_a_person_is_one_printable_line(value: bytes) -> None:
    try:
        who = plain_identity([(b"Remote-User", value)], USER)
    except SignInInvalid:
        return
    if who is not None:
        assert who.subject
        assert who.subject.isprintable()
        assert "," not in who.subject


@pytest.mark.parametrize("name", ["", "Remote User", "remote_user", "a:b", "é"])
def test_settings_name_headers(name: str) -> None:
    with pytest.raises(ValueError, match="header"):
        ProxySetting(name)


def test_keys_come_by_https() -> None:
    for url in ("http://team.example/certs", "certs", "file:///certs"):
        with pytest.raises(ValueError, match="https"):
            Signed(url, "https://team.example", "app")
    with pytest.raises(ValueError, match="audience"):
        Signed("https://team.example/certs", "https://team.example", "")


# Signed headers


@pytest.fixture
async def proxy(provider: Misbehaving, clock: Clock) -> AsyncIterator[ProxySignIn]:
    setting = ProxySetting(TOKEN, signed=Signed(f"{provider.issuer}/keys", "https://team.example", "app"))
    made = ProxySignIn(setting, now=clock, clock=clock)
    yield made
    await made.aclose()


def assertion(
    key: Any = RSA, header: dict[str, Any] | None = None, **claims: Any
) -> list[tuple[bytes, bytes]]:
    """A header like Cloudflare's."""
    right = {
        "iss": "https://team.example", "aud": ["app"], "sub": "u-1", "email": "ada@example.org",
        "iat": int(NOW), "exp": int(NOW) + 60,
    }  # fmt: skip
    kept = {name: value for name, value in (right | claims).items() if value is not None}
    return pairs((TOKEN, signed(header or {"alg": "RS256", "kid": "first"}, kept, key)))


async def test_a_signed_header_names_the_person(proxy: ProxySignIn, provider: Misbehaving) -> None:
    for _ in range(3):
        who = await proxy.identity_from(assertion(), True)
    assert who is not None
    assert (who.issuer, who.subject, who.name, who.email) == (
        "proxy",
        "u-1",
        "ada@example.org",
        "ada@example.org",
    )
    assert provider.asked["/keys"] == 1


@pytest.mark.parametrize("made", [pairs(("Remote-User", "ada")), assertion()], ids=["plain", "signed"])
async def test_others_than_the_proxy_name_nobody(proxy: ProxySignIn, made: list[tuple[bytes, bytes]]) -> None:
    assert await proxy.identity_from(made, False) is None
    assert await ProxySignIn(USER).identity_from(made, False) is None


async def test_without_the_token_nobody_is_named(proxy: ProxySignIn, provider: Misbehaving) -> None:
    assert (
        await proxy.identity_from(pairs(("Cf-Access-Authenticated-User-Email", "ada@example.org")), True)
        is None
    )
    assert provider.asked["/keys"] == 0


@pytest.mark.parametrize(
    "made",
    [
        assertion(iss="https://evil.example"),
        assertion(aud=["another"]),
        assertion(aud=None),
        assertion(exp=int(NOW) - 61),
        assertion(exp=None),
        assertion(iat=int(NOW) + 120),
        assertion(nbf=int(NOW) + 120),
        assertion(sub=""),
        assertion(sub="a\nb"),
        assertion(SECOND),
        assertion(header={"alg": "RS256", "kid": "unknown"}),
        [*assertion(), *assertion()],
        pairs((TOKEN, "ada@example.org")),
        pairs((TOKEN, "a.b.c")),
        pairs((TOKEN, "a" * 20_000)),
        pairs((TOKEN, "eyJhbGciOiJub25lIn0.e30.")),
    ],
    ids=map(str, range(16)),
)
async def test_a_wrong_token_is_refused(proxy: ProxySignIn, made: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(SignInInvalid):
        await proxy.identity_from(made, True)


async def test_unknown_keys_make_one_request_a_minute(
    proxy: ProxySignIn, provider: Misbehaving, clock: Clock
) -> None:
    """Anyone can write any key's ID."""
    for seconds, asked in ((0, 1), (59, 1), (61, 2)):
        clock.now = NOW + seconds
        with pytest.raises(SignInInvalid):
            await proxy.identity_from(assertion(header={"alg": "RS256", "kid": f"k{seconds}"}), True)
        assert provider.asked["/keys"] == asked


async def test_without_keys_nobody_is_believed(proxy: ProxySignIn, provider: Misbehaving) -> None:
    provider.answers["/keys"] = (503, b"", {})
    with pytest.raises(ProviderUnreachable):
        await proxy.identity_from(assertion(), True)


async def test_an_address_the_proxy_calls_unverified_does_not_count(proxy: ProxySignIn) -> None:
    who = await proxy.identity_from(assertion(email_verified=False), True)
    assert who is not None
    assert who.email is None


async def test_other_claims_may_name_the_person(provider: Misbehaving, clock: Clock) -> None:
    signed_by = Signed(f"{provider.issuer}/keys", "https://team.example", "app", subject="email", name="nick")
    proxy = ProxySignIn(ProxySetting(TOKEN, signed=signed_by), now=clock, clock=clock)
    who = await proxy.identity_from(assertion(nick="Ada"), True)
    with pytest.raises(SignInInvalid):
        await proxy.identity_from(assertion(email=None), True)
    await proxy.aclose()
    assert who is not None
    assert (who.subject, who.name) == ("ada@example.org", "Ada")
