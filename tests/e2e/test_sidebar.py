"""The list of conversations: what is at its foot, one Tab stop, and a length that costs nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.app_process import AppProcess
from tests.e2e.chat import Chat, NewVisitor, crossed, until
from tests.e2e.conftest import running
from tests.scripted_endpoint import ScriptedEndpoint
from webchat.sentences import locale
from webchat.store import Store
from webchat.store.records import NewTurn

MANY = 200
EN = locale("en")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def full(
    endpoint: ScriptedEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AppProcess]:
    """An app with many conversations of the one owner, a minute apart."""
    folder = tmp_path_factory.mktemp("full")
    file = folder / "webchat.db"
    with closing(Store.open(f"sqlite:///{file}")) as store:
        owner = store.local_owner().id
        for number in range(MANY):
            store.begin_turn(owner, NewTurn(None, None, f"Chat {number}", f"key-{number}", "scripted"))
    with closing(sqlite3.connect(file)) as database:
        for back, (id,) in enumerate(
            database.execute("SELECT id FROM conversations ORDER BY id DESC").fetchall()
        ):
            at = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=1 + back)
            database.execute(
                "UPDATE conversations SET updated_at = ? WHERE id = ?",
                (at.isoformat(" ", "microseconds"), id),
            )
        database.commit()
    async with running(folder, endpoint) as app:
        yield app


async def _opened(app: AppProcess, visitor: NewVisitor, query: str = "", **look: Any) -> Page:
    page = await (await visitor(**look)).new_page()
    await Chat(page, app.url).open(query)
    await page.wait_for_selector(".wc-row")
    return page


@pytest.mark.parametrize(("language", "phone"), crossed(["en", "zh-CN"], [False, True]))
async def test_archived_and_deleted_are_at_the_foot_with_no_chat_and_with_many(
    app: AppProcess, full: AppProcess, visitor: NewVisitor, language: str, phone: bool
) -> None:
    words = locale(language)
    look: dict[str, Any] = {"locale": language}
    if phone:
        look |= {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    for site in (app, full):
        page = await (await visitor(**look)).new_page()
        await Chat(page, site.url).open()
        if phone:
            await page.click("#wc-sidebar-toggle")
        foot = page.locator(".wc-sidebar-foot button")
        await expect(foot).to_have_text(
            [words["sidebar.archived"], words["trash.title"], words["sidebar.menu"]]
        )
        for index in range(3):
            await expect(foot.nth(index)).to_be_in_viewport()


async def test_the_archive_opens_from_the_foot_and_leads_back(full: AppProcess, visitor: NewVisitor) -> None:
    page = await _opened(full, visitor)
    row = page.locator(".wc-row", has_text=f"Chat {MANY - 1}")
    await row.hover()
    await row.get_by_role("button").click()
    await page.get_by_role("menuitem", name="Archive").click()
    await expect(row).to_have_count(0)
    archived = page.get_by_role("button", name="Archived", exact=True)
    await archived.click()
    await expect(page.locator(".wc-row")).to_have_text([f"Chat {MANY - 1}"])
    await expect(archived).to_have_attribute("aria-pressed", "true")
    await page.get_by_role("button", name="Back to chats").click()
    await expect(page.locator(".wc-row")).to_have_count(40)
    await expect(archived).to_have_attribute("aria-pressed", "false")


async def test_the_list_is_one_tab_stop(full: AppProcess, visitor: NewVisitor) -> None:
    page = await _opened(full, visitor)
    tabbable = "(root) => [...root.querySelectorAll('a, button')].filter((one) => one.tabIndex >= 0).length"
    assert await page.eval_on_selector(".wc-list", tabbable) == 1
    focused = "document.activeElement.closest('.wc-row')?.textContent"
    await page.get_by_role("button", name="Search chats").focus()
    await page.keyboard.press("Tab")
    first = await page.evaluate(focused)
    assert first == await page.locator(".wc-row").first.text_content()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    third = await page.evaluate(focused)
    assert third == await page.locator(".wc-row").nth(2).text_content()
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "Archived"
    await page.keyboard.press("Shift+Tab")
    assert await page.evaluate(focused) == third, "Tab comes back to where it was"
    last = await page.locator(".wc-row").last.text_content()
    await page.keyboard.press("End")  # at the end more chats are loaded
    assert await page.evaluate(focused) == last
    await page.keyboard.press("Home")
    assert await page.evaluate(focused) == first


async def test_the_menu_of_a_row_opens_by_the_keyboard(full: AppProcess, visitor: NewVisitor) -> None:
    page = await _opened(full, visitor)
    await page.locator(".wc-row-link").first.focus()
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("menuitem", name="Rename")).to_be_focused()
    await page.keyboard.press("Escape")
    await page.keyboard.press("ArrowLeft")
    await expect(page.locator(".wc-row-link").first).to_be_focused()
    await page.keyboard.press("Shift+F10")
    await expect(page.get_by_role("menuitem", name="Rename")).to_be_focused()


async def test_the_focus_moves_on_from_a_chat_deleted_by_the_keyboard(
    full: AppProcess, visitor: NewVisitor
) -> None:
    page = await _opened(full, visitor)
    second = await page.locator(".wc-row").nth(1).text_content()
    await page.locator(".wc-row-link").first.focus()
    await page.keyboard.press("Delete")
    await expect(page.locator(".wc-row").first).to_have_text(second or "")
    await expect(page.locator(".wc-row-link").first).to_be_focused()


async def test_several_chats_are_selected_exported_deleted_and_taken_back(
    full: AppProcess, visitor: NewVisitor
) -> None:
    page = await _opened(full, visitor)
    rows, bar = page.locator(".wc-row-link"), page.get_by_role("toolbar", name=EN["select.label"])
    titles = [title.strip() for title in (await rows.all_text_contents())[:4]]
    await rows.first.focus()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Space")
    await expect(bar).to_contain_text("1 selected")
    await rows.nth(3).click(modifiers=["Shift"])
    await rows.nth(2).click()
    checked = page.get_by_role("checkbox", checked=True)
    assert [one.strip() for one in await checked.all_text_contents()] == [titles[1], titles[3]]
    assert "?c=" not in page.url, "a press selects and opens nothing"
    await bar.get_by_role("button", name=EN["select.export"]).click()
    async with page.expect_download() as download:
        await page.get_by_role("menuitem", name="JSON", exact=False).first.click()
    saved = json.loads((await (await download.value).path()).read_text(encoding="utf-8"))
    assert [one["title"] for one in saved["conversations"]] == [titles[1], titles[3]]
    await bar.get_by_role("button", name=EN["select.delete"]).click()
    await expect(bar).to_have_count(0)
    await expect(page.locator(".wc-list").get_by_text(titles[1], exact=True)).to_have_count(0)
    await expect(page.locator(".wc-list").get_by_text(titles[3], exact=True)).to_have_count(0)
    await page.get_by_role("button", name=EN["app.undo"]).click()
    await expect(rows.nth(3)).to_have_text(titles[3])
    await expect(rows.nth(1)).to_have_text(titles[1])
    await rows.nth(1).focus()
    await page.keyboard.press("Space")
    await bar.get_by_role("button", name=EN["select.all"]).click()
    await expect(bar).to_contain_text(f"{min(await rows.count(), 100)} selected")
    await page.keyboard.press("Escape")
    await expect(bar).to_have_count(0)
    await expect(rows.nth(1)).to_be_focused()
    await expect(page.get_by_role("checkbox")).to_have_count(0)


async def test_the_whole_list_loads_for_somebody_who_stays_at_its_end(
    full: AppProcess, visitor: NewVisitor
) -> None:
    """Scrolled to the end again before the browser has drawn the new rows: the end never leaves the view."""
    page = await _opened(full, visitor)
    await page.evaluate(
        """() => {
            const scroller = document.querySelector(".wc-scroll");
            const toEnd = () => (scroller.scrollTop = scroller.scrollHeight);
            new MutationObserver(toEnd).observe(scroller, { subtree: true, childList: true });
            toEnd();
        }"""
    )
    await until(page, f"document.querySelectorAll('.wc-row').length >= {MANY - 3}")


async def test_a_look_at_the_server_writes_nothing_where_nothing_changed(
    full: AppProcess, visitor: NewVisitor
) -> None:
    """However long the list is: the next looks at the server leave its elements as they are."""
    page = await _opened(full, visitor)
    while (shown := await page.locator(".wc-row").count()) < MANY - 3:
        await page.locator(".wc-list-foot").scroll_into_view_if_needed()
        await until(page, f"document.querySelectorAll('.wc-row').length > {shown}")
    await page.evaluate(
        """() => {
            window.written = 0;
            const watch = new MutationObserver((changes) => (window.written += changes.length));
            watch.observe(document.querySelector(".wc-list"),
                { subtree: true, childList: true, attributes: true, characterData: true });
        }"""
    )
    for _ in range(2):
        async with page.expect_response("**/api/conversations?limit=40**"):
            pass
    assert await page.evaluate("new Promise((done) => setTimeout(() => done(window.written)))") == 0
