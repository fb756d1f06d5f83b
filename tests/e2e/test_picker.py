"""Several models in this process, on the page: which is loaded, which takes time, which does not fit."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.app_process import AppProcess
from tests.e2e.chat import Chat, NewVisitor
from tests.e2e.conftest import kept_port

pytest.importorskip("xllamacpp")

# Of one file, whose 0.27 GB count once; each has its own memory for conversations.
CONFIG = """
memory_budget = 0.8
temperature = 0
max_tokens = 24
[[models]]
name = "short"
model = "{path}"
context_length = 1024
[[models]]
name = "long"
model = "{path}"
slots = 1
[[models]]
name = "wide"
model = "{path}"
slots = 8
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def app(demo_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AppProcess]:
    folder = tmp_path_factory.mktemp("several")
    config = folder / "webchat.toml"
    config.write_text(CONFIG.format(path=demo_gguf))
    app = AppProcess(
        folder / "data", "--no-titles", env={"WEBCHAT_CONFIG": str(config)}, port=kept_port(), preloaded=True
    )
    async with app:
        yield app


async def choose(page: Page, name: str) -> None:
    await page.click("#wc-picker button")
    await page.get_by_role("option", name=name).first.click()


async def test_the_picker_says_what_is_loaded_what_is_not_and_what_cannot_be(chat: Chat) -> None:
    await expect(chat.page.locator("#wc-picker button")).to_have_text("short")
    await chat.page.click("#wc-picker button")
    options = chat.page.get_by_role("option")
    await expect(options.nth(0)).to_contain_text("short")
    await expect(options.nth(0)).to_contain_text("1k context · on this server · loaded")
    await expect(options.nth(1)).to_contain_text(re.compile(r"on this server · loads in about \d+\ss"))
    await expect(options.nth(2)).to_contain_text(re.compile(r"too large: needs [\d.]+ GB, 0.8 GB reserved"))


async def test_what_cannot_be_loaded_says_why_when_it_is_chosen_and_asked(chat: Chat) -> None:
    await choose(chat.page, "wide")
    why = "wide needs about 2 GB, but only 0.8 GB are reserved for models."
    await expect(chat.page.locator(".wc-toast")).to_have_count(1)
    await expect(chat.page.locator(".wc-toast")).to_contain_text(why)
    await chat.ask("Hello")
    await chat.state("failed")
    await expect(chat.reply).to_contain_text(why)


async def test_a_model_chosen_takes_the_room_of_the_one_nobody_uses(
    chat: Chat, visitor: NewVisitor, app: AppProcess
) -> None:
    await choose(chat.page, "long")
    await chat.ask("What is the capital of France?")
    await chat.state("complete")
    assert "Paris" in await chat.text()
    other = await Chat(await (await visitor(locale="zh-CN")).new_page(), app.url).open()
    await other.page.locator("#wc-picker button").click()
    options = other.page.get_by_role("option")
    await expect(options.nth(0)).to_contain_text(re.compile(r"本服务器 · 加载约需 \d+\s秒"))
    await expect(options.nth(1)).to_contain_text("本服务器 · 已加载")
