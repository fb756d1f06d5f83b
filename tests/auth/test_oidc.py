"""The OpenID Connect client: a sign-in from beginning to end, and what may go wrong on the way back."""

from __future__ import annotations

import json
import logging
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from tests.auth.oidc_provider import (
    NOW,
    REDIRECT,
    SECRET,
    Clock,
    Logins,
    Misbehaving,
    basic,
    running,
    signed_in,
)
from webchat.auth.oidc import OpenIdClient, Provider
from webchat.auth.oidc.client import challenge_of
from webchat.auth.sign_in_errors import (
    ProviderUnreachable,
    SignInExpired,
    SignInFailed,
    SignInInvalid,
    SignInRefused,
)


def test_the_challenge_is_that_of_the_specification() -> None:
    """RFC 7636, appendix B."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge_of(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


async def test_the_address_asks_for_a_code_and_binds_it(client: OpenIdClient, provider: Misbehaving) -> None:
    begun = await client.begin(REDIRECT)
    parts = urlsplit(begun.url)
    query = parse_qs(parts.query)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{provider.issuer}/authorize"
    assert query.pop("tenant") == ["a"]
    assert query.pop("redirect_uri") == [REDIRECT]
    assert query.pop("scope") == ["openid profile email"]
    assert query.pop("state") == [begun.state]
    assert all(len(query[name][0]) >= 43 for name in ("nonce", "code_challenge"))
    assert query.keys() == {"response_type", "client_id", "nonce", "code_challenge", "code_challenge_method"}


async def test_the_state_itself_is_not_stored(client: OpenIdClient) -> None:
    store = Logins()
    client = OpenIdClient(client.provider, store, requests=client._requests)
    begun = await client.begin(REDIRECT)
    assert begun.state not in repr(store.rows)


async def test_a_person_signs_in(client: OpenIdClient, provider: Misbehaving) -> None:
    done = await signed_in(client, provider, "/?c=1")
    person = done.identity
    assert (person.issuer, person.subject) == (provider.issuer, "ada-1")
    assert (person.name, person.email, done.next_path) == ("Ada", "ada@example.org", "/?c=1")
    assert provider.asked["/about"] == 0


async def test_where_to_go_next_never_leads_elsewhere(client: OpenIdClient, provider: Misbehaving) -> None:
    assert (await signed_in(client, provider, "//evil.example")).next_path == "/"


async def test_description_and_keys_are_kept_an_hour(
    client: OpenIdClient, provider: Misbehaving, clock: Clock
) -> None:
    for minutes, asked in ((0, 1), (59, 1), (61, 2)):
        clock.now = provider.now = NOW + minutes * 60
        await signed_in(client, provider)
        assert (provider.asked["/.well-known/openid-configuration"], provider.asked["/keys"]) == (
            asked,
            asked,
        )


@pytest.mark.parametrize(
    ("methods", "secret", "sent"),
    [
        (None, SECRET, basic("webchat", "s3cret%3A%2B%C3%A4")),
        (["client_secret_post", "client_secret_basic"], SECRET, basic("webchat", "s3cret%3A%2B%C3%A4")),
        (["client_secret_post"], SECRET, None),
        (None, None, None),
    ],
)
async def test_the_secret_goes_where_the_provider_wants_it(
    provider: Misbehaving, clock: Clock, methods: list[str] | None, secret: str | None, sent: str | None
) -> None:
    provider.description["token_endpoint_auth_methods_supported"] = methods
    given = None if secret is None else SecretStr(secret)
    client = OpenIdClient(Provider(provider.issuer, "webchat", given), Logins(), now=clock)
    await signed_in(client, provider)
    await client.aclose()
    assert provider.authorizations == [sent]
    form = provider.forms[0]
    assert form.get("client_id") == (None if sent else "webchat")
    assert form.get("client_secret") == (None if sent else secret)


async def test_a_token_endpoint_without_secrets_is_not_sent_one(
    client: OpenIdClient, provider: Misbehaving
) -> None:
    provider.description["token_endpoint_auth_methods_supported"] = ["private_key_jwt"]
    with pytest.raises(ProviderUnreachable):
        await client.begin(REDIRECT)


async def test_states_work_once(client: OpenIdClient, provider: Misbehaving) -> None:
    begun = await client.begin(REDIRECT)
    back = provider.authorize(begun.url)
    await client.finish(**back)
    for state in (begun.state, "", "unknown", "a" * 5000, "\ud800"):
        with pytest.raises(SignInExpired):
            await client.finish(state, back["code"])


async def test_a_failed_sign_in_uses_the_state_up(client: OpenIdClient, provider: Misbehaving) -> None:
    begun = await client.begin(REDIRECT)
    with pytest.raises(SignInInvalid):
        await client.finish(begun.state, "wrong")
    with pytest.raises(SignInExpired):
        await client.finish(**provider.authorize(begun.url))


async def test_a_state_works_at_its_own_provider_only(client: OpenIdClient, provider: Misbehaving) -> None:
    store = Logins()
    with running() as second:
        one = OpenIdClient(client.provider, store)
        other = OpenIdClient(Provider(second.issuer, "webchat", None), store)
        begun = await one.begin(REDIRECT)
        with pytest.raises(SignInExpired):
            await other.finish(**provider.authorize(begun.url))
        await one.aclose()
        await other.aclose()


async def test_a_swapped_code_is_refused_by_its_verifier(client: OpenIdClient, provider: Misbehaving) -> None:
    mine, theirs = await client.begin(REDIRECT), await client.begin(REDIRECT)
    with pytest.raises(SignInInvalid):
        await client.finish(mine.state, provider.authorize(theirs.url)["code"])
    assert provider.asked["/token"] == 1


@pytest.mark.parametrize(
    ("sends", "iss", "fine"),
    [
        (None, None, True),
        (None, "own", True),
        (None, "https://evil.example", False),
        (True, "own", True),
        (True, None, False),
        (True, "https://evil.example", False),
    ],
)
async def test_the_issuer_in_the_answer_counts(
    client: OpenIdClient, provider: Misbehaving, sends: bool | None, iss: str | None, fine: bool
) -> None:
    """RFC 9207: without it, a code of one provider can be sent to another."""
    provider.description["authorization_response_iss_parameter_supported"] = sends
    begun = await client.begin(REDIRECT)
    back = provider.authorize(begun.url)
    given = provider.issuer if iss == "own" else iss
    if fine:
        assert (await client.finish(**back, iss=given)).identity.subject == "ada-1"
    else:
        with pytest.raises(SignInInvalid):
            await client.finish(**back, iss=given)
        assert provider.asked["/token"] == 0


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("access_denied", SignInRefused),
        ("server_error", ProviderUnreachable),
        ("temporarily_unavailable", ProviderUnreachable),
        ("invalid_scope", SignInInvalid),
        ("<script>" * 99, SignInInvalid),
    ],
)
async def test_errors_of_the_provider(
    client: OpenIdClient, provider: Misbehaving, error: str, kind: type[SignInFailed]
) -> None:
    begun = await client.begin(REDIRECT)
    with pytest.raises(kind):
        await client.finish(begun.state, "code", error=error)
    assert provider.asked["/token"] == 0


async def test_without_a_code_nothing_is_asked(client: OpenIdClient, provider: Misbehaving) -> None:
    for code in (None, "", "a" * 5000):
        begun = await client.begin(REDIRECT)
        with pytest.raises(SignInInvalid):
            await client.finish(begun.state, code)
    assert provider.asked["/token"] == 0


async def test_nothing_secret_is_shown_or_logged(
    client: OpenIdClient, provider: Misbehaving, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    begun = await client.begin(REDIRECT)
    query = {name: values[0] for name, values in parse_qs(urlsplit(begun.url).query).items()}
    done = await client.finish(**provider.authorize(begun.url))
    provider.claims = {"iss": "https://evil.example"}
    failed = await client.begin(REDIRECT)
    with pytest.raises(SignInInvalid) as caught:
        await client.finish(**provider.authorize(failed.url))
    refused = await client.begin(REDIRECT)
    provider.answers["/token"] = (400, json.dumps({"error": f"no {SECRET}"}).encode(), {})
    with pytest.raises(SignInInvalid) as second:
        await client.finish(**provider.authorize(refused.url))
    errors = [f"{caught.value!r} {caught.value} {second.value!r} {second.value} {second.value.reason}"]
    shown = " ".join([repr(begun), repr(done), repr(client.provider), repr(client), *errors, caplog.text])
    assert "token is from another issuer" in caplog.text
    assert "issuer" not in str(caught.value)
    secrets = [SECRET, begun.state, failed.state, refused.state, query["nonce"], "ada@example.org"]
    secrets += [form[name] for form in provider.forms for name in ("code", "code_verifier")]
    assert [secret for secret in secrets if secret in shown] == []
