"""The OpenID Connect client with the real store against another implementation of the protocol, over real
HTTP."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from tests.auth.mock_provider import OLDER_AUTHLIB, User, mock_provider
from tests.auth.oidc_provider import REDIRECT, Clock, consented
from webchat.auth.oidc import OpenIdClient, Provider
from webchat.auth.sign_in_errors import SignInExpired, SignInInvalid, SignInRefused
from webchat.store import Store

pytestmark = OLDER_AUTHLIB

ADA = User(
    sub="ada", claims={"name": "Ada", "email": "ada@example.org", "email_verified": True, "groups": ["staff"]}
)


@pytest.fixture
def issuer() -> Iterator[str]:
    with mock_provider(user_claims=[ADA], require_nonce=True) as issuer:
        yield issuer


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'chat.db'}")
    yield opened
    opened.close()


@pytest.fixture
async def client(issuer: str, store: Store) -> AsyncIterator[OpenIdClient]:
    made = OpenIdClient(Provider(issuer, "webchat", SecretStr("s3cret")), store)
    yield made
    await made.aclose()


async def test_a_person_signs_in(client: OpenIdClient, issuer: str) -> None:
    begun = await client.begin(REDIRECT, "/?c=7")
    done = await client.finish(**await consented(begun.url, "ada"))
    person = done.identity
    assert (person.issuer, person.subject, person.name, person.email) == (
        issuer,
        "ada",
        "Ada",
        "ada@example.org",
    )
    assert person.claims["groups"] == ["staff"]
    assert done.next_path == "/?c=7"


async def test_a_person_without_claims_goes_by_their_subject(client: OpenIdClient) -> None:
    begun = await client.begin(REDIRECT)
    person = (await client.finish(**await consented(begun.url, "grace"))).identity
    assert (person.subject, person.name, person.email) == ("grace", "grace", None)


async def test_who_denies_is_reported_as_such(client: OpenIdClient) -> None:
    begun = await client.begin(REDIRECT)
    back = await consented(begun.url, None)
    with pytest.raises(SignInRefused):
        await client.finish(begun.state, back.get("code"), back.get("iss"), back["error"])


async def test_a_code_works_once(client: OpenIdClient) -> None:
    """The state is used up, and with a state of their own the provider does not take the code again."""
    begun = await client.begin(REDIRECT)
    back = await consented(begun.url, "ada")
    await client.finish(**back)
    with pytest.raises(SignInExpired):
        await client.finish(**back)
    again = await client.begin(REDIRECT)
    with pytest.raises(SignInInvalid):
        await client.finish(again.state, back["code"])


async def test_a_code_does_not_work_with_the_state_of_another_sign_in(client: OpenIdClient) -> None:
    """The mock does not check the verifier, so the nonce alone tells the two apart."""
    mine, theirs = await client.begin(REDIRECT), await client.begin(REDIRECT)
    back = await consented(theirs.url, "ada")
    with pytest.raises(SignInInvalid):
        await client.finish(mine.state, back["code"])


async def test_who_comes_back_after_ten_minutes_begins_again(client: OpenIdClient, store: Store) -> None:
    for minutes, late in ((9, False), (10, True)):
        clock = Clock()
        clock.now = time.time() - minutes * 60
        slow = OpenIdClient(client.provider, store, now=clock)
        back = await consented((await slow.begin(REDIRECT)).url, "ada")
        await slow.aclose()
        if late:
            with pytest.raises(SignInExpired):
                await client.finish(**back)
        else:
            assert (await client.finish(**back)).identity.subject == "ada"


async def test_a_registered_client_proves_itself_as_registered(store: Store) -> None:
    with mock_provider(require_client_registration=True) as issuer:
        async with httpx.AsyncClient(trust_env=False) as http:
            body = {"redirect_uris": [REDIRECT]}
            made: dict[str, Any] = (await http.post(f"{issuer}/oauth2/clients", json=body)).json()
        for secret, error in ((made["client_secret"], None), ("wrong", SignInInvalid)):
            client = OpenIdClient(Provider(issuer, made["client_id"], SecretStr(secret)), store)
            begun = await client.begin(REDIRECT)
            back = await consented(begun.url, "ada")
            if error is None:
                assert (await client.finish(**back)).identity.subject == "ada"
            else:
                with pytest.raises(error):
                    await client.finish(**back)
            await client.aclose()
