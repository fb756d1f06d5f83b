"""Bringing one's history: drop an export, see what is in it, import it, find it by search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.app_process import AppProcess
from tests.e2e.chat import LOOKS, NewVisitor, first
from tests.e2e.test_files import drop, opened
from tests.imports.samples import chatgpt, zipped
from webchat.sentences import locale


@pytest.mark.parametrize(("look", "language"), first(LOOKS))
async def test_a_dropped_export_is_looked_through_imported_and_found(
    app: AppProcess, visitor: NewVisitor, tmp_path: Path, look: dict[str, Any], language: str
) -> None:
    words = locale(language)
    chats = [chatgpt(f"{language}-{number}", title=f"Tower {language} {number}") for number in range(4)]
    file = zipped(tmp_path / "export.zip", {"conversations-000.json": [*chats, {"id": "odd"}]})
    chat = await opened(app, visitor, look)
    page = chat.page
    if await page.locator("html.wc-sidebar-closed").count():
        await page.locator("#wc-sidebar-toggle").click()
    await drop(page, file, on="#wc-sidebar")
    sheet = page.locator(".wc-import")
    await expect(sheet).to_contain_text(words["import.found"].format(name="export.zip"))
    await expect(sheet.locator("dd").first).to_have_text("4")
    await expect(sheet).to_contain_text("conversations-000.json, entry 5")
    await expect(sheet).to_contain_text(words["import.problem.unknown"])
    await expect(page.locator("#wc-sidebar")).not_to_contain_text(f"Tower {language}")
    await sheet.get_by_role("button", name=words["import.start"], exact=True).click()
    await expect(sheet).to_contain_text(words["import.done"].format(name="export.zip"))
    await sheet.get_by_role("button", name=words["import.open_first"]).click()
    await expect(page.locator(".wc-transcript")).to_contain_text("By the sea.")
    if await page.locator("html.wc-sidebar-closed").count():
        await page.locator("#wc-sidebar-toggle").click()
    await expect(page.locator("#wc-sidebar")).to_contain_text(f"Tower {language} 3")
    await page.keyboard.press("ControlOrMeta+k")
    await page.keyboard.type(f"tower {language} 3")
    await expect(page.locator(".wc-search")).to_contain_text(f"Tower {language} 3")
