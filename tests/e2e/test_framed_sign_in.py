"""Signing in where the page is in another site's frame, as on a Space: with a password in the frame, at a
provider in a tab of its own; where cookies are kept away, the gate says so and offers such a tab."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.app_process import AppProcess
from tests.auth.mock_provider import OLDER_AUTHLIB, User, mock_provider
from tests.e2e.chat import Chat, words
from tests.e2e.conftest import running
from tests.e2e.test_blocked import SITE_DATA_BLOCKED, NewProfile, framed, profile
from tests.e2e.test_people import PASSWORD, add
from tests.scripted_endpoint import ScriptedEndpoint
from webchat.auth.passwords.checking import hash_password

__all__ = ["profile"]

pytestmark = OLDER_AUTHLIB

ADA = User(sub="ada", claims={"name": "Ada", "email": "ada@example.org"})
OTHERS_BLOCKED = {"profile": {"block_third_party_cookies": True, "cookie_controls_mode": 1}}
PREFERENCES: dict[str, dict[str, Any]] = {"allowed": {}, "blocked": OTHERS_BLOCKED}
"""What the browser does with cookies of a site that another one shows."""


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with mock_provider(user_claims=[ADA], require_nonce=True) as issuer:
        yield issuer


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def space(
    issuer: str, endpoint: ScriptedEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AppProcess]:
    """An app in which people sign in, which other sites may show."""
    env = {
        "WEBCHAT_SIGN_IN": "password,oidc",
        "WEBCHAT_OIDC_ISSUER": issuer,
        "WEBCHAT_OIDC_CLIENT_ID": "webchat",
        "WEBCHAT_OIDC_CLIENT_SECRET": "s3cret",
        "WEBCHAT_OIDC_NAME": "Example",
        "WEBCHAT_ALLOWED_PEOPLE": "*",
    }
    async with running(tmp_path_factory.mktemp("space"), endpoint, "--embed", **env) as app:
        add(app, "bob", hash_password(PASSWORD))
        yield app


def gate(page: Page) -> Any:
    return page.frame_locator("iframe")


async def enter(page: Page) -> None:
    """Sign in with a password in the frame."""
    await gate(page).locator("#name").fill("bob")
    await gate(page).locator("#password").fill(PASSWORD)
    await gate(page).locator("#sign-in button").click()


@pytest.mark.parametrize("others", PREFERENCES)
async def test_a_password_signs_in_in_the_frame(space: AppProcess, profile: NewProfile, others: str) -> None:
    page = await profile(PREFERENCES[others])
    await framed(page, space)
    await enter(page)
    await gate(page).locator("#wc-composer-text textarea").fill("words=2")
    await gate(page).locator("#wc-send").click()
    await expect(gate(page).locator("article.wc-reply")).to_have_attribute("data-state", "complete")
    # The sign-in stays in that site's frame: it is not the browser's in a tab of its own.
    tab = await page.context.new_page()
    await tab.goto(space.url)
    await expect(tab.locator("#password")).to_be_visible()


@pytest.mark.parametrize("others", PREFERENCES)
async def test_a_provider_signs_in_in_a_tab_of_its_own_and_the_chat_goes_on_there(
    space: AppProcess, profile: NewProfile, others: str
) -> None:
    page = await profile(PREFERENCES[others])
    await framed(page, space)
    await expect(gate(page).locator("#alone")).to_contain_text("and the chat continues there")
    async with page.context.expect_page() as opening:
        await gate(page).get_by_role("link", name="Sign in with Example").click()
    tab = await opening.value
    await tab.locator("input[name=sub]").first.fill("ada")
    await tab.get_by_role("button", name="Authorize").first.click()
    chat = Chat(tab, space.url)
    await chat.ready()
    await expect(tab.locator(".wc-side-who")).to_have_text("Ada")
    await chat.ask("words=3")
    await chat.whole(words(3))
    assert await tab.evaluate("window.opener") is None
    assert await tab.evaluate("top === window")
    await expect(gate(page).locator("#password")).to_be_visible()


async def test_where_cookies_are_blocked_the_gate_says_so_and_offers_a_tab(
    space: AppProcess, profile: NewProfile
) -> None:
    page = await profile(SITE_DATA_BLOCKED, "zh-CN")
    await framed(page, space)
    await enter(page)
    await expect(gate(page).get_by_role("status")).to_contain_text("请在单独的标签页中打开")
    alone = gate(page).get_by_role("link", name="在新标签页中打开")
    await expect(alone).to_have_attribute("href", f"{space.url}/")
    async with page.context.expect_page() as opening:
        await alone.click()
    tab = await opening.value
    await expect(tab.locator("#password")).to_be_visible()
    await expect(tab.locator("#alone")).to_be_hidden()
