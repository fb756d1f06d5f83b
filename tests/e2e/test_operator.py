"""The console's tab of moderation: for operators and nobody else; what rules would do, and did."""

from __future__ import annotations

import asyncio
import csv
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.app_process import AppProcess
from tests.e2e.chat import Chat, NewVisitor, eventually
from tests.e2e.conftest import running
from tests.e2e.test_testers import HOSTILE
from tests.scripted_endpoint import ScriptedEndpoint
from webchat.sentences import locale
from webchat.sharing.links import OPERATOR_PREFIX, START_PREFIX

RULES = """
[[moderators]]
kind = "phrases"
name = "house rules"
phrases = ["secret project"]
sentence = "We do not talk about this here."

[[moderators]]
kind = "patterns"
name = "phones"
action = "replace"
patterns = ['1[3-9]\\d{9}']
instead = "<phone>"
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def moderated(
    endpoint: ScriptedEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AppProcess]:
    folder = tmp_path_factory.mktemp("operated")
    (folder / "rules.toml").write_text(RULES, encoding="utf-8")
    flags = ("--moderation", str(folder / "rules.toml"), "--access", "link")
    async with running(folder / "data", endpoint, *flags) as app:
        yield app


async def come_by(app: AppProcess, visitor: NewVisitor, kind: str, **options: Any) -> Chat:
    """Somebody who opens a link the last start printed. kind: what its token begins with."""

    async def printed() -> str | None:
        found = re.findall(rf"\S+/t#{kind}\S+", app.log.read_text(encoding="utf-8"))
        return found[-1] if found else None

    chat = Chat(await (await visitor(**options)).new_page(), app.url)
    await chat.page.goto(await eventually(printed, bool))
    await chat.ready()
    return chat


def rules_in(path: Path) -> list[str]:
    """The rules an exported log speaks of."""
    return [line["rule"] for line in csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())]


async def menu(page: Page) -> None:
    async with page.expect_response("**/api/me"):
        await page.reload()
    await page.wait_for_selector("html.wc-ready")
    await page.get_by_role("button", name="Settings and help").click()


async def choose(page: Page, tab: str) -> None:
    """A tab of moderation. Gradio keeps a copy of each to measure, which comes first."""
    await page.locator("#wc-moderation .tab-wrapper button:visible", has_text=tab).last.click()


async def test_only_the_operator_has_it(moderated: AppProcess, visitor: NewVisitor) -> None:
    page = (await come_by(moderated, visitor, OPERATOR_PREFIX)).page
    await menu(page)
    await page.get_by_role("menuitem", name="Moderation").click()
    await page.wait_for_url("**/operator/?tab=moderation")
    await expect(page.locator("#wc-moderation-rules").get_by_text("house rules").last).to_be_visible()
    await choose(page, "Try")
    await page.get_by_text("Try different rules").click()
    await page.get_by_label("Rules (rules.toml format)").fill(
        '[[moderators]]\nkind = "phrases"\naction = "x"'
    )
    await page.locator("#wc-moderation-text textarea").fill("anything")
    await page.locator("#wc-moderation-run").click()
    await expect(page.get_by_text("moderators.0.phrases.action")).to_be_visible()

    other = await come_by(moderated, visitor, START_PREFIX)
    await menu(other.page)
    await expect(other.page.get_by_role("menuitem", name="Keyboard shortcuts")).to_be_visible()
    await expect(other.page.get_by_role("menuitem", name="Moderation")).to_have_count(0)
    for path in ("/operator/?tab=moderation", "/api/moderation/decisions"):
        answer = await other.page.context.request.get(f"{moderated.url}{path}")
        assert answer.status == 404


async def test_a_page_that_lost_its_server_comes_back_by_itself(
    moderated: AppProcess, visitor: NewVisitor
) -> None:
    page = (await come_by(moderated, visitor, OPERATOR_PREFIX, locale="zh-CN")).page
    await page.goto(f"{moderated.url}/operator/?tab=health")
    shown = page.locator("#wc-health-now")
    await expect(shown).not_to_be_empty()
    await expect(shown).not_to_have_text(await shown.inner_text())  # the timer of a tab that was named runs
    await page.locator("html").evaluate("page => (page.dataset.old = '')")
    await asyncio.to_thread(moderated.kill)
    await expect(page.get_by_text(locale("zh-CN")["console.lost"])).to_be_visible()
    await asyncio.to_thread(moderated.start)
    await expect(page.locator("html[data-old]")).to_have_count(0)
    await expect(shown).not_to_be_empty()


async def test_rules_are_tried_and_decisions_found_on_a_phone_in_chinese(
    moderated: AppProcess, visitor: NewVisitor
) -> None:
    """Without the page's policy, so that words of people are text by themselves."""
    words = locale("zh-CN")
    phone: dict[str, Any] = {"viewport": {"width": 320, "height": 640}, "has_touch": True, "is_mobile": True}
    chat = await come_by(moderated, visitor, OPERATOR_PREFIX, locale="zh-CN", bypass_csp=True, **phone)
    page = chat.page
    mine = await chat.ask("words=2")
    await chat.state("complete")
    await chat.send("call 13800138000")
    await expect(chat.replies).to_have_count(2)
    await chat.state("complete")
    await chat.send("about the secret project")
    await expect(page.locator("#wc-composer-note")).to_contain_text("We do not talk about this here.")

    async def fits() -> None:
        assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0

    await page.goto(f"{moderated.url}/operator/?tab=moderation")
    await expect(page.locator("#wc-moderation-rules").get_by_text("house rules").last).to_be_visible()
    await fits()

    await choose(page, words["moderation.tab.try"])
    await page.locator("#wc-moderation-text textarea").fill(f"🎉 13800138000 {HOSTILE} secret project")
    await page.locator("#wc-moderation-run").click()
    marks = page.locator("#wc-moderation-found .highlighted > .text")
    await expect(marks).to_have_text(["13800138000", "secret project"])
    await expect(page.locator("#wc-moderation-found").get_by_text(HOSTILE)).to_be_visible()
    await fits()

    await choose(page, words["moderation.tab.counts"])
    await page.locator("#wc-moderation-counts").get_by_text("phones").first.click()
    log = page.locator("#wc-moderation-log")
    await expect(log.get_by_text("phones").last).to_be_visible()
    await expect(log.get_by_role("row")).to_have_count(2)
    await fits()
    async with page.expect_download() as download:
        await page.locator("#wc-moderation-csv").click()
    assert rules_in(await (await download.value).path()) == ["phones"]

    await log.get_by_text("phones").last.click()
    link = page.get_by_role("link", name=words["moderation.open"])
    await expect(link).to_have_attribute("href", f"../?c={mine}")
    assert await page.evaluate("window.__pwn") is None
