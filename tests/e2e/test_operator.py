"""The operator's page: there by the operator's link and for nobody else; what rules would do, and did."""

from __future__ import annotations

import csv
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.app_process import AppProcess
from tests.e2e.chat import Chat, NewVisitor, eventually
from tests.e2e.conftest import running
from tests.scripted_endpoint import ScriptedEndpoint
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


async def come_by(app: AppProcess, visitor: NewVisitor, kind: str) -> Chat:
    """Somebody who opens a link the start printed. kind: what its token begins with."""

    async def printed() -> str | None:
        found = re.search(rf"\S+/t#{kind}\S+", app.log.read_text(encoding="utf-8"))
        return found and found.group()

    chat = Chat(await (await visitor()).new_page(), app.url)
    await chat.page.goto(await eventually(printed, bool))
    await chat.ready()
    return chat


@pytest_asyncio.fixture(loop_scope="session")
async def operator(moderated: AppProcess, visitor: NewVisitor) -> Chat:
    return await come_by(moderated, visitor, OPERATOR_PREFIX)


def rules_in(path: Path) -> list[str]:
    """The rules an exported log speaks of."""
    return [line["rule"] for line in csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())]


async def menu(page: Page) -> None:
    async with page.expect_response("**/api/me"):
        await page.reload()
    await page.wait_for_selector("html.wc-ready")
    await page.get_by_role("button", name="Settings and help").click()


async def opened(chat: Chat, tab: str) -> Page:
    """The operator's page at a tab."""
    await menu(chat.page)
    await chat.page.get_by_role("menuitem", name="Moderation").click()
    await chat.page.get_by_role("tab", name=tab).click()
    return chat.page


async def test_only_the_operator_has_it(operator: Chat, moderated: AppProcess, visitor: NewVisitor) -> None:
    page = await opened(operator, "Rules")
    await expect(page.get_by_role("heading", name="house rules")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)

    other = await come_by(moderated, visitor, START_PREFIX)
    await menu(other.page)
    await expect(other.page.get_by_role("menuitem", name="Keyboard shortcuts")).to_be_visible()
    await expect(other.page.get_by_role("menuitem", name="Moderation")).to_have_count(0)
    answer = await other.page.context.request.get(f"{moderated.url}/api/moderation/decisions")
    assert answer.status == 404


async def test_a_dry_run_marks_what_is_found_and_leaves_no_trace(operator: Chat) -> None:
    page = await opened(operator, "Try")
    await page.get_by_label("Text", exact=True).fill("🎉 call 13800138000, the secret project")
    await page.get_by_label("Treat it as").select_option("output")
    await page.get_by_role("button", name="Try", exact=True).click()
    found = page.locator(".wc-mod-result")
    await expect(found.locator("mark.wc-mod-is-replace")).to_contain_text("13800138000")
    await expect(found.locator("mark.wc-mod-is-block")).to_contain_text("secret project")
    await expect(found).to_contain_text("🎉 call <phone>, the")
    await page.get_by_role("tab", name="Log").click()
    await expect(page.get_by_text("No decisions yet.")).to_be_visible()


async def test_rules_with_a_mistake_say_where(operator: Chat) -> None:
    page = await opened(operator, "Try")
    await page.get_by_label("Text", exact=True).fill("anything")
    await page.get_by_text("Try different rules").click()
    box = page.get_by_label("Rules (rules.toml format)")
    await box.fill('[[moderators]]\nkind = "phrases"\naction = "shout"')
    await page.get_by_role("button", name="Try", exact=True).click()
    await expect(page.get_by_text("moderators.0.phrases.action")).to_be_visible()
    await expect(box).to_be_focused()


async def test_what_was_decided_stands_in_the_log_and_in_the_file(
    operator: Chat, moderated: AppProcess, visitor: NewVisitor
) -> None:
    other = await come_by(moderated, visitor, START_PREFIX)
    await other.send("about the secret project")
    await expect(other.page.get_by_text("We do not talk about this here.")).to_be_visible()
    mine = await operator.ask("words=2")
    await operator.state("complete")
    await operator.send("call 13800138000")
    await expect(operator.replies).to_have_count(2)

    page = await opened(operator, "Log")
    rows = page.locator(".wc-mod-table tbody tr")
    await expect(rows).to_have_count(2)
    await expect(rows.first).to_contain_text("phones")
    await expect(rows.last).to_contain_text("house rules")
    assert "secret project" not in await page.locator(".wc-mod-log").inner_text()
    await page.get_by_label("Action", exact=True).select_option("block")
    await expect(rows).to_have_count(1)
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Save as CSV").click()
    assert rules_in(await (await download.value).path()) == ["house rules"]

    await page.get_by_role("tab", name="Counts").click()
    await page.get_by_role("button", name="phones, Replaced: 1").click()
    await expect(rows).to_have_count(1)
    await page.get_by_role("link", name="Open").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await operator.until("(id) => location.search.includes(id)", mine)
    await expect(operator.replies).to_have_count(2)
