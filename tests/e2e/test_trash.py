"""What was deleted can be restored from *Recently deleted*, or goes for good once that is confirmed."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect

from tests.app_process import AppProcess
from tests.e2e.chat import LOOKS, Chat, NewVisitor, Server, first
from webchat.sentences import locale


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def empty(server: Server) -> None:
    """Nothing of the tests before."""
    for archived in (0, 1):
        for item in (await server.get(f"/api/conversations?limit=200&archived={archived}"))["items"]:
            await server.http.delete(f"/api/conversations/{item['id']}")
    await server.http.delete("/api/trash")


async def said(server: Server, text: str) -> dict[str, Any]:
    begun: dict[str, Any] = (await server.ask(text)).json()
    await server.ended(begun["reply"]["id"])
    return begun


class Trash:
    """The list of what was deleted, on an open page."""

    def __init__(self, chat: Chat, language: str) -> None:
        self.page = chat.page
        self.words = locale(language)
        self.rows = self.page.locator(".wc-trash-row")

    async def open(self) -> Trash:
        if await self.page.locator("html.wc-sidebar-closed").count():
            await self.page.click("#wc-sidebar-toggle")
        await self.page.get_by_role("button", name=self.words["trash.title"]).click()
        await self.page.wait_for_selector(".wc-trash-row, .wc-trash-none")
        return self

    def row(self, name: str) -> Locator:
        return self.rows.filter(has_text=name)

    async def restore(self, name: str) -> None:
        await self.row(name).get_by_text(self.words["trash.restore"], exact=True).click()

    async def end(self, name: str) -> None:
        await self.row(name).locator(".wc-icon-button").click()

    async def close(self) -> None:
        await self.page.keyboard.press("Escape")
        await expect(self.page.locator(".wc-trash")).to_have_count(0)


@pytest.mark.parametrize(("look", "language"), first(LOOKS))
async def test_a_deleted_chat_comes_back(
    app: AppProcess, visitor: NewVisitor, server: Server, look: dict[str, Any], language: str
) -> None:
    begun = await said(server, "Gone by mistake")
    await server.http.delete(f"/api/conversations/{begun['conversation']['id']}")
    chat = await Chat(await (await visitor(**look)).new_page(), app.url).open()
    trash = await Trash(chat, language).open()
    await expect(trash.row("Gone by mistake")).to_contain_text("30")
    await trash.restore("Gone by mistake")
    await expect(chat.page.locator(".wc-trash-none")).to_contain_text(trash.words["trash.none"])
    await chat.page.get_by_role("button", name=trash.words["trash.open"], exact=True).click()
    await chat.page.wait_for_url("**/?c=*")
    await expect(chat.page.locator("article").first).to_contain_text("Gone by mistake")
    await expect(chat.page.locator(".wc-row", has_text="Gone by mistake")).to_have_count(1)


@pytest.mark.parametrize(("look", "language"), first(LOOKS[::-1]))
async def test_deleted_messages_come_back(
    app: AppProcess, visitor: NewVisitor, server: Server, look: dict[str, Any], language: str
) -> None:
    begun = await said(server, "A chat that stays")
    await server.http.delete(f"/api/messages/{begun['reply']['id']}")
    chat = await Chat(await (await visitor(**look)).new_page(), app.url).open(
        f"?c={begun['conversation']['id']}"
    )
    await expect(chat.replies).to_have_count(0)
    trash = await Trash(chat, language).open()
    await trash.restore("A chat that stays")
    await expect(trash.rows).to_have_count(0)
    await trash.close()
    await expect(chat.replies).to_have_count(1)


@pytest.mark.parametrize(("look", "language"), first(LOOKS))
async def test_nothing_goes_for_good_unasked(
    app: AppProcess, visitor: NewVisitor, server: Server, look: dict[str, Any], language: str
) -> None:
    ids = {}
    for name in ("First of three", "Second of three", "Third of three"):
        ids[name] = (await said(server, name))["conversation"]["id"]
        await server.http.delete(f"/api/conversations/{ids[name]}")
    chat = await Chat(await (await visitor(**look)).new_page(), app.url).open()
    trash = await Trash(chat, language).open()
    await trash.end("First of three")
    await chat.page.get_by_role("button", name=trash.words["app.cancel"]).click()
    await trash.end("Second of three")
    await chat.page.keyboard.press("Escape")
    await expect(trash.rows).to_have_count(3)
    assert len((await server.get("/api/trash"))["items"]) == 3
    await trash.end("Third of three")
    await chat.page.locator(".wc-ask").get_by_role("button", name=trash.words["trash.end"]).click()
    await expect(trash.rows).to_have_count(2)
    await expect(trash.row("Third of three")).to_have_count(0)
    restored = await server.http.post(f"/api/conversations/{ids['Third of three']}/restore")
    assert restored.status_code == 404
    await chat.page.get_by_role("button", name=trash.words["trash.empty_all"]).click()
    await chat.page.locator(".wc-ask").get_by_role("button", name=trash.words["trash.empty_all"]).click()
    await expect(chat.page.locator(".wc-trash-none")).to_contain_text(trash.words["trash.none"])
    assert (await server.get("/api/trash"))["items"] == []


async def test_a_full_trash_is_read_in_pages(server: Server, chat: Chat) -> None:
    begun = await said(server, "One of many")
    for number in range(55):
        made = (await server.ask(f"Branch {number}", conversation_id=begun["conversation"]["id"])).json()
        await server.http.delete(f"/api/messages/{made['user']['id']}")
    trash = await Trash(chat, "en").open()
    await expect(trash.rows).to_have_count(50)
    await chat.page.get_by_role("button", name="Show more").click()
    await expect(trash.rows).to_have_count(55)
