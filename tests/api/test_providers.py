"""Signing in at a provider through our own addresses: there, back, and in no other browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette

from tests.api.conftest import SECRET, MakeSite, Site
from tests.auth.mock_provider import OLDER_AUTHLIB, mock_provider
from webchat.api import routes
from webchat.auth import Door, DoorSettings
from webchat.auth.admitting import Rules, rules_of
from webchat.auth.oidc import OpenIdClient, Provider
from webchat.auth.providers import Providers, Way
from webchat.auth.settings import Ways

pytestmark = OLDER_AUTHLIB

WAYS = Ways(link=True, providers=(("oidc", "Example"),))
EVERYONE = rules_of(["*"])


@asynccontextmanager
async def provided(
    make_site: MakeSite, allowed: Rules = EVERYONE, operators: Rules | None = None
) -> AsyncIterator[tuple[Site, str]]:
    """A site, and the address of a real provider that knows it."""
    with mock_provider() as issuer:
        async with make_site(ways=WAYS) as site:
            client = OpenIdClient(Provider(issuer, "webchat", SecretStr("s")), site.store)
            providers = Providers({"oidc": Way(client, allowed, operators)}, site.store, SECRET)
            services = replace(site.services, providers=providers)
            site.door = Door(
                Starlette(routes=routes(services)),
                identities=services.identities,
                settings=DoorSettings(access="link", secret=SECRET, ways=WAYS),
            )
            yield site, issuer
            await client.aclose()


async def back_from(
    site: Site, browser: httpx.AsyncClient, subject: str = "ada", page: str = "/"
) -> httpx.URL:
    """The address that the provider sends the browser to, once the person has signed in there."""
    start = await browser.get("/sign-in/start/oidc", params={"next": page})
    assert start.status_code == 303, start.text
    async with httpx.AsyncClient() as outside:
        asked = await outside.post(start.headers["location"], data={"sub": subject})
    assert asked.status_code == 302, asked.text
    return httpx.URL(asked.headers["location"])


async def test_whoever_signs_in_there_is_the_same_person_here_each_time(make_site: MakeSite) -> None:
    async with provided(make_site) as (site, _):
        owners = set()
        for _ in range(2):
            browser = site.client(None)
            came = await browser.get(await back_from(site, browser, page="/?c=abc"))
            assert (came.status_code, came.headers["location"]) == (303, "/?c=abc")
            me = (await browser.get("/api/me")).json()
            assert me["owner"]["kind"] == "member"
            assert me["person"]["password"] is False
            owners.add(me["owner"]["id"])
        assert len(owners) == 1


async def test_an_answer_is_of_use_once_and_in_the_browser_that_asked(make_site: MakeSite) -> None:
    async with provided(make_site) as (site, _):
        browser, other = site.client(None), site.client(None)
        address = await back_from(site, browser)
        await back_from(site, other)
        stolen = await other.get(address)
        assert stolen.headers["location"] == "/sign-in?error=sign_in_expired"
        assert (await other.get("/api/me")).status_code == 401
        assert (await browser.get(address)).headers["location"] == "/"
        assert (await browser.get(address)).headers["location"] == "/sign-in?error=sign_in_expired"


@pytest.mark.parametrize("page", ["//evil.example", "https://evil.example", "/\\evil.example", "/%2f/evil"])
async def test_nobody_is_sent_to_another_server(page: str, make_site: MakeSite) -> None:
    async with provided(make_site) as (site, _):
        browser = site.client(None)
        came = await browser.get(await back_from(site, browser, page=page))
        assert came.headers["location"] == "/"


async def test_who_is_not_allowed_stays_out_and_is_told(make_site: MakeSite) -> None:
    async with provided(make_site, allowed=rules_of(["@example.org"])) as (site, _):
        browser = site.client(None)
        came = await browser.get(await back_from(site, browser))
        assert came.headers["location"] == "/sign-in?error=sign_in_not_allowed"
        assert (await browser.get("/api/me")).status_code == 401
        assert await site.store.call(site.store.people) == []


async def test_the_role_follows_the_provider_at_every_sign_in(make_site: MakeSite) -> None:
    async with provided(make_site, operators=rules_of(["sub=ada"])) as (site, issuer):
        for subject, operates in (("ada", True), ("bob", False)):
            browser = site.client(None)
            await browser.get(await back_from(site, browser, subject))
            assert (await browser.get("/api/me")).json()["operates"] is operates
        ada = await site.store.call(site.store.find_person, issuer, "ada")
        await site.store.call(site.store.set_operates, ada.owner_id, False)
        browser = site.client(None)
        await browser.get(await back_from(site, browser))
        assert (await browser.get("/api/me")).json()["operates"]


async def test_nothing_of_the_sign_in_stands_in_its_addresses(make_site: MakeSite) -> None:
    async with provided(make_site) as (site, _):
        browser = site.client(None)
        start = await browser.get("/sign-in/start/oidc")
        asked = parse_qs(urlsplit(start.headers["location"]).query)
        assert asked["redirect_uri"] == ["http://chat.test/sign-in/callback"]
        assert asked["code_challenge_method"] == ["S256"]
        assert "code_verifier" not in asked
        assert "no-store" in start.headers["cache-control"]
        assert (await browser.get("/sign-in/start/other")).status_code == 404


async def test_over_https_only_this_host_s_cookie_counts(make_site: MakeSite) -> None:
    """A page of another subdomain can plant any other."""
    async with provided(make_site) as (site, _):
        browser = site.client(None, base_url="https://chat.test")
        address = await back_from(site, browser)
        name, value = next((name, value) for name, value in browser.cookies.items() if "login" in name)
        assert name.startswith("__Host-")
        planted = site.client(None, base_url="https://chat.test")
        planted.cookies.set(name.removeprefix("__Host-"), value)
        assert (await planted.get(address)).headers["location"] == "/sign-in?error=sign_in_expired"
        assert (await browser.get(address)).headers["location"] == "/"


@pytest.mark.parametrize("site_of", ["cross-site", "same-site"])
async def test_no_other_page_begins_a_sign_in(site_of: str, make_site: MakeSite) -> None:
    async with provided(make_site) as (site, _):
        start = await site.client(None).get("/sign-in/start/oidc", headers={"sec-fetch-site": site_of})
        assert start.headers["location"] == "/sign-in"
        assert "set-cookie" not in start.headers
