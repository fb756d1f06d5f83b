"""A model that does not take a setting: the reply comes, and the page says that it is not used."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.app_process import AppProcess
from tests.backends.hostile_server import HostileServer
from tests.backends.refusing import Refuses, Server, has, openai, says_so
from tests.e2e.chat import Chat, NewVisitor
from tests.e2e.conftest import kept_port

REFUSES = Server("", [Refuses(has("top_k"), says_so(400, openai("不支持参数 top_k")))], frozenset())


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AppProcess]:
    async with HostileServer(REFUSES) as endpoint:
        folder = tmp_path_factory.mktemp("refusing")
        async with AppProcess(
            folder,
            *("--endpoint", endpoint.url, "--model", "m", "--no-titles"),
            port=kept_port(),
            preloaded=True,
        ) as app:
            yield app


async def test_a_setting_that_is_not_taken_is_told_with_the_reply_and_beside_it(
    app: AppProcess, visitor: NewVisitor
) -> None:
    chat = await Chat(await (await visitor()).new_page(), app.url).open()
    page = chat.page
    await page.click("#wc-drawer-toggle")
    top_k = page.locator("#wc-sampling-top_k")
    await top_k.locator("input").fill("40")
    await expect(page.locator(".wc-drawer-state")).to_have_text("Saved")
    await page.locator("#wc-drawer button[aria-label=Close]").click()
    for count in (1, 2):
        await chat.send("Hello")
        await expect(chat.replies).to_have_count(count)
        await chat.state("complete")
        await expect(chat.replies.last).to_contain_text("OK then.")
        await chat.replies.last.get_by_role("button", name="Details").click()
        await expect(page.locator(".wc-info")).to_contain_text("Sent withoutTop k")
        await page.keyboard.press("Escape")
    await page.reload()
    await page.click("#wc-drawer-toggle")
    await expect(top_k.locator("input")).to_have_value("40")
    await expect(top_k).to_have_attribute(
        "data-note", "This model does not accept this setting; it is not sent."
    )
    await top_k.locator("input").fill("")
    await expect(top_k).to_be_hidden()
