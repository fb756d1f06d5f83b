"""What a provider says about itself and about people, and answers that cannot be used."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from tests.auth.oidc_provider import (
    NOW,
    REDIRECT,
    Clock,
    Logins,
    Misbehaving,
    signed_in,
)
from webchat.auth.oidc import OpenIdClient, Provider, huggingface_provider
from webchat.auth.oidc.provider import metadata_of
from webchat.auth.sign_in_errors import (
    ProviderUnreachable,
    SignInFailed,
    SignInInvalid,
)
from webchat.sentences import LANGUAGES, locale


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"authorization_endpoint": "http://evil.example/a"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "https://a\r\nset-cookie: b"},
        {"token_endpoint": None},
        {"token_endpoint": "http://evil.example/token"},
        {"token_endpoint": "https://user@evil.example/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": ["https://a.example"]},
        {"userinfo_endpoint": "http://10.0.0.1/about"},
    ],
    ids=str,
)
async def test_a_wrong_description_is_not_used(
    client: OpenIdClient, provider: Misbehaving, wrong: dict[str, Any]
) -> None:
    provider.description = wrong
    with pytest.raises(ProviderUnreachable):
        await client.begin(REDIRECT)


async def test_an_issuer_differs_by_a_slash(provider: Misbehaving) -> None:
    client = OpenIdClient(Provider(f"{provider.issuer}/", "webchat", None), Logins())
    with pytest.raises(ProviderUnreachable):
        await client.begin(REDIRECT)
    assert provider.asked["/.well-known/openid-configuration"] == 1
    await client.aclose()


def test_only_https_and_this_machine_are_issuers() -> None:
    for issuer in (
        "http://sso.example.org",
        "ftp://a.example",
        "https://a.example?b",
        "https://a@b.example",
        "a",
    ):
        with pytest.raises(ValueError, match="issuer"):
            Provider(issuer, "webchat", None)


async def test_a_provider_elsewhere_cannot_name_addresses_on_this_machine() -> None:
    there = Provider("https://sso.example.org", "webchat", None)
    description = dict.fromkeys(("authorization_endpoint", "jwks_uri"), "https://sso.example.org/a")
    with pytest.raises(ProviderUnreachable):
        metadata_of(
            {**description, "issuer": there.issuer, "token_endpoint": "http://127.0.0.1:8080/"}, there
        )


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys", "/token"])
@pytest.mark.parametrize(
    "answer",
    [
        (302, b"", {"Location": "/elsewhere"}),
        (200, b"[]", {}),
        (200, b"<html>", {}),
        (200, b"[" * 15_000, {}),
        (200, b" " * 200_001 + b"{}", {}),
        (200, gzip.compress(b"{}", mtime=0), {"Content-Encoding": "gzip"}),
        (500, b"{}", {}),
        (404, b"{}", {}),
        (200, b"{}", {"Content-Length": "100"}),
    ],
    ids=lambda answer: f"{answer[0]} {answer[1][:9]!r} {answer[2]}",
)
async def test_other_answers_sign_nobody_in(
    client: OpenIdClient, provider: Misbehaving, path: str, answer: tuple[int, bytes, dict[str, str]]
) -> None:
    provider.answers[path] = answer
    with pytest.raises((ProviderUnreachable, SignInInvalid)):
        await signed_in(client, provider)
    assert provider.asked["/elsewhere"] == 0


async def test_a_provider_that_is_down_is_asked_once_in_five_seconds(
    provider: Misbehaving, clock: Clock
) -> None:
    client = OpenIdClient(Provider(provider.issuer, "webchat", None), Logins(), now=clock, clock=clock)
    provider.answers["/.well-known/openid-configuration"] = (503, b"", {})
    for seconds, asked in ((0, 1), (4, 1), (5, 2)):
        clock.now = NOW + seconds
        with pytest.raises(ProviderUnreachable):
            await client.begin(REDIRECT)
        assert provider.asked["/.well-known/openid-configuration"] == asked
    await client.aclose()


async def test_nobody_listens() -> None:
    client = OpenIdClient(Provider("http://127.0.0.1:1", "webchat", None), Logins())
    with pytest.raises(ProviderUnreachable):
        await client.begin(REDIRECT)
    await client.aclose()


@pytest.mark.parametrize("verified", [None, False, "true", 1])
async def test_an_unverified_address_does_not_count(
    client: OpenIdClient, provider: Misbehaving, verified: object
) -> None:
    provider.claims = provider.about = {"email_verified": verified}
    assert (await signed_in(client, provider)).identity.email is None


@pytest.mark.parametrize(
    "email", ["", "ada", "a@b@c.example", "ada@example.org\r\nbcc: b@c.example", 5, "a b@c.d"]
)
async def test_what_is_no_address_does_not_count(
    client: OpenIdClient, provider: Misbehaving, email: object
) -> None:
    provider.claims = {"email": email}
    provider.about = {"email": None}
    assert (await signed_in(client, provider)).identity.email is None


async def test_the_provider_is_asked_for_what_the_token_lacks(
    client: OpenIdClient, provider: Misbehaving
) -> None:
    provider.claims = dict.fromkeys(("name", "email", "email_verified"))
    provider.about = {"orgs": [{"preferred_username": "acme"}]}
    person = (await signed_in(client, provider)).identity
    assert (person.name, person.email) == ("Ada Lovelace", "ada@example.org")
    assert person.claims["orgs"] == [{"preferred_username": "acme"}]


async def test_one_document_does_not_verify_the_address_of_another(
    client: OpenIdClient, provider: Misbehaving
) -> None:
    provider.claims = {"email": "boss@example.org", "email_verified": None}
    assert (await signed_in(client, provider)).identity.email == "ada@example.org"
    provider.about = {"email": None}
    assert (await signed_in(client, provider)).identity.email is None


async def test_rules_may_need_more_than_the_token_says(provider: Misbehaving, clock: Clock) -> None:
    provider.about = {"groups": ["staff"]}
    client = OpenIdClient(Provider(provider.issuer, "webchat", None), Logins(), wanted=("groups",), now=clock)
    assert (await signed_in(client, provider)).identity.claims["groups"] == ["staff"]
    await client.aclose()


@pytest.mark.parametrize("subject", ["grace", None, ["ada-1"]])
async def test_userinfo_of_another_subject_signs_nobody_in(
    client: OpenIdClient, provider: Misbehaving, subject: object
) -> None:
    provider.claims = {"email": None}
    provider.about = {"sub": subject}
    with pytest.raises(SignInInvalid):
        await signed_in(client, provider)


async def test_no_userinfo_endpoint_is_fine(client: OpenIdClient, provider: Misbehaving) -> None:
    provider.claims = dict.fromkeys(("name", "email"))
    provider.description = {"userinfo_endpoint": None}
    person = (await signed_in(client, provider)).identity
    assert (person.name, person.email) == ("ada-1", None)


async def test_names_are_one_short_line(client: OpenIdClient, provider: Misbehaving) -> None:
    provider.claims = {"name": "Ada\u202e\n\x00 Lovelace " + "x" * 200}
    name = (await signed_in(client, provider)).identity.name
    assert name.startswith("Ada Lovelace xxx")
    assert len(name) == 100


SPACE = {
    "OAUTH_CLIENT_ID": "space-1",
    "OAUTH_CLIENT_SECRET": "s3cret",
    "OAUTH_SCOPES": "profile openid email",
}


def test_a_space_with_oauth_has_a_provider() -> None:
    made = huggingface_provider(SPACE)
    assert (made.issuer, made.client_id, made.name) == ("https://huggingface.co", "space-1", "Hugging Face")
    assert made.client_secret is not None
    assert made.client_secret.get_secret_value() == "s3cret"
    assert made.scopes == ("openid", "profile", "email")
    assert "s3cret" not in repr(made)


def test_a_space_may_name_another_provider() -> None:
    made = huggingface_provider(
        {
            **SPACE,
            "OPENID_PROVIDER_URL": "https://hub.example.org/",
            "OAUTH_SCOPES": "",
            "OAUTH_CLIENT_SECRET": "",
        }
    )
    assert (made.issuer, made.scopes) == ("https://hub.example.org", ("openid", "profile"))
    assert made.client_secret is None


def test_elsewhere_there_is_none() -> None:
    with pytest.raises(ValueError, match="hf_oauth"):
        huggingface_provider({})


def test_every_failure_has_a_text_in_each_language() -> None:
    def kinds(tree: type[SignInFailed]) -> list[type[SignInFailed]]:
        return [tree, *(below for child in tree.__subclasses__() for below in kinds(child))]

    for kind in kinds(SignInFailed):
        assert locale("en")[f"error.{kind.code}"] == kind.message
        assert locale("en")[f"error.{kind.code}.cure"] == kind.cure
        assert all(locale(language)[f"error.{kind.code}.cure"] for language in LANGUAGES)
