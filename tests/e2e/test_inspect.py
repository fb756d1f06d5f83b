"""What the model was sent, on the page: how full its window is, and from where on it still reads."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.app_process import AppProcess
from tests.e2e.chat import Chat, NewVisitor

pytest.importorskip("xllamacpp")

LONG = "This is padding to make it longer, so do not mind it. " * 12


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def demo(demo_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AppProcess]:
    """The demo model, with room for few words."""
    flags = ("--model", str(demo_gguf), "--context-length", "600", "--max-tokens", "8", "--no-titles")
    app = AppProcess(tmp_path_factory.mktemp("demo"), *flags)
    await asyncio.to_thread(app.start)
    yield app
    await asyncio.to_thread(app.kill)


async def test_the_window_fills_is_cut_and_the_page_says_where(demo: AppProcess, visitor: NewVisitor) -> None:
    chat = await Chat(await (await visitor()).new_page(), demo.url).open()
    page = chat.page
    meter, mark = page.locator(".wc-meter"), page.locator(".wc-unsent")
    await expect(meter).to_have_count(0)
    for number in range(1, 7):
        await chat.send(f"{number}. {LONG}")
        await expect(chat.replies).to_have_count(number)
        await chat.state("complete", seconds=60)
        reply = (await chat.thread())[-1]
        used = reply["prompt_tokens"] + reply["completion_tokens"]
        await expect(meter).to_have_attribute("aria-label", re.compile(f"^{used} of 600 tokens"))
        if reply["first_sent"] is None:
            await expect(mark).to_have_count(0)
            continue
        ids = [message["id"] for message in await chat.thread()]
        left_out = ids.index(reply["first_sent"])
        await expect(meter).to_contain_text(f"The oldest {left_out} messages are no longer sent")
        await expect(mark).to_have_count(1)
        assert await mark.evaluate("mark => mark.closest('article').dataset.id") == reply["first_sent"]
    assert reply["first_sent"] is not None
    await chat.new_chat()
    await expect(meter).to_be_hidden()
    await page.go_back()
    await expect(mark).to_be_visible()
