"""The example of pages of another package, installed and used in a browser."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.app_process import AppProcess
from tests.clean_environment import ROOT
from tests.deploy.examples import install, own_tests
from tests.e2e.chat import LOOKS, Chat, Json, NewVisitor
from tests.e2e.conftest import browser, endpoint, visitor, visitors
from tests.scripted_endpoint import ScriptedEndpoint
from tests.store.talk import Talk
from webchat.sharing import new_link
from webchat.store import Store
from webchat.store.judgement_records import JudgementChange, Rating

__all__ = ["browser", "endpoint", "visitor", "visitors"]

WORDS = {
    "en": ("Testers' ratings", "Write a letter", "Write", "Back to chat", "Write a short"),
    "zh-CN": ("测试评分", "写信", "撰写", "返回聊天", "请给客户写一封"),
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install("pages", tmp_path_factory.mktemp("pages"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def app(
    installed: Path, endpoint: ScriptedEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AppProcess]:
    """The app beside the package, on a database in which testers have rated."""
    data = tmp_path_factory.mktemp("data")
    store = Store.open(f"sqlite:///{data / 'webchat.db'}")
    link = new_link(store, "Autumn testers", "7d", datetime.now(UTC)).link
    guest = store.create_owner("guest", "one", link.id)
    given: tuple[Rating, ...] = (1, 1, -1)
    for value in given:
        reply = Talk(store, guest.id, "scripted").say("q", "a").reply
        store.judge(guest.id, reply.id, JudgementChange(rating=value))
    store.close()
    env = {"PYTHONPATH": os.pathsep.join((str(ROOT), str(installed)))}
    flags = ("--endpoint", endpoint.url, "--model", "scripted", "--no-titles")
    async with AppProcess(data, *flags, env=env, preloaded=True) as app:
        yield app


async def opened(page: Page, entry: str) -> None:
    """Choose an entry of the menu, and wait until its page is ready."""
    if not await page.locator("#wc-menu-button").is_visible():  # on a phone the sidebar is closed
        await page.click("#wc-sidebar-toggle")
    await page.click("#wc-menu-button")
    await page.get_by_role("menuitem", name=entry).click()
    await page.wait_for_url("**/pages/*/")
    await page.wait_for_selector("html.wc-ready")


@pytest.mark.e2e
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(("look", "language"), LOOKS)
async def test_its_pages_are_in_the_menu_and_do_what_they_say(
    app: AppProcess, visitor: NewVisitor, look: Json, language: str
) -> None:
    ratings, letter, write, back, title = WORDS[language]
    page = await (await visitor(**look)).new_page()
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.on("console", lambda said: broken.append(said.text) if said.type == "error" else None)
    chat = await Chat(page, app.url).open()
    await opened(page, letter)
    await expect(page.locator("#wc-console-title")).to_have_text(letter)
    facts, written = page.locator("textarea").nth(0), page.locator("textarea").nth(1)
    await facts.fill("words=40")
    await page.get_by_role("button", name=write, exact=True).click()
    await expect(written).to_have_value(re.compile("w11"))
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.get_by_role("link", name=back).or_(page.get_by_role("button", name=back)).click()
    await chat.ready()
    await expect(page.locator("#wc-sidebar").get_by_text(title).first).to_be_attached()
    await opened(page, ratings)
    for cell in ("Autumn testers", "scripted", "67%"):
        await expect(page.get_by_role("gridcell", name=cell)).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # Leaving a page, Gradio ends its own streams and says so.
    assert [one for one in broken if "abort" not in one.lower() and "errored out" not in one] == []


def test_its_own_tests_pass_where_it_is_installed(installed: Path) -> None:
    assert "2 passed" in own_tests("pages", installed)
