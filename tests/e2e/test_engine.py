"""A transformers model in the server's own process, and several people at once on the page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.app_process import AppProcess
from tests.e2e.chat import Chat, NewVisitor
from tests.e2e.conftest import kept_port

pytest.importorskip("transformers")

STORY = "Write a very long story about {}."


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def local(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AppProcess]:
    """One model that writes two replies at once; every visitor is a person of their own."""
    app = AppProcess(
        tmp_path_factory.mktemp("local"),
        *("--model", str(demo_folder), "--slots", "2", "--max-tokens", "600"),
        # In bfloat16 what stands beside a reply in its batch may change its rounding.
        *("--access", "open", "--no-titles", "--temperature", "0", "--dtype", "float32"),
        port=kept_port(),
        preloaded=True,
    )
    async with app:
        yield app


async def people(visitor: NewVisitor, app: AppProcess, count: int) -> list[Chat]:
    pages = [await (await visitor()).new_page() for _ in range(count)]
    return [await Chat(page, app.url).open() for page in pages]


async def grown(chat: Chat) -> None:
    """Wait until the last reply has become longer."""
    length = len(await chat.text())
    await chat.until(
        "length => document.querySelector('article.wc-reply:last-of-type .wc-body')"
        "?.textContent.trim().length > length",
        length,
    )


@pytest.mark.timeout(900)  # a hang: so many steps are slow on a busy machine
async def test_three_people_stream_stop_regenerate_and_wait_in_line(
    local: AppProcess, visitor: NewVisitor
) -> None:
    first, second, third = await people(visitor, local, 3)
    await first.ask(STORY.format("the sea"))
    await grown(first)
    await second.ask(STORY.format("a mountain"))
    await asyncio.gather(grown(first), grown(second))

    await third.ask(STORY.format("a desert"))
    place = third.reply.locator(".wc-place")
    await expect(place).to_contain_text("You are next")
    assert await third.text() == ""
    await third.page.reload()
    await third.ready()
    await expect(place).to_contain_text("You are next")

    await first.page.click("#wc-stop")
    await first.state("stopped")
    await asyncio.gather(grown(second), grown(third))
    await expect(place).to_have_count(0)

    kept = await second.text()
    await third.page.click("#wc-stop")
    await third.state("stopped")
    await first.reply.hover()
    await first.reply.locator("[data-act=regenerate]").click()
    await asyncio.gather(grown(first), grown(second))
    assert (await second.text()).startswith(kept)
    await first.page.click("#wc-stop")
    await first.state("stopped")
    await second.page.click("#wc-stop")
    await second.state("stopped")
    assert len((await first.thread())[-1]["siblings"]) == 2


async def test_the_same_question_has_the_same_answer_alone_and_in_a_crowd(
    local: AppProcess, visitor: NewVisitor
) -> None:
    chat, other = await people(visitor, local, 2)
    await chat.ask("What is the capital of France?")
    await chat.state("complete")
    alone = await chat.text()
    assert "Paris" in alone
    await other.ask(STORY.format("a river"))
    await grown(other)
    await chat.new_chat()
    await chat.ask("What is the capital of France?")
    await chat.state("complete")
    assert await chat.text() == alone
    await other.state("streaming")  # beside it all the time
    await other.page.click("#wc-stop")
    await other.state("stopped")


async def test_a_reply_tells_what_wrote_it(local: AppProcess, visitor: NewVisitor) -> None:
    context = await visitor()
    chat = await Chat(await context.new_page(), local.url).open()
    await chat.ask("Hello")
    await chat.state("complete")
    message = (await chat.thread())[-1]
    answer = await context.request.get(f"{local.url}/api/messages/{message['id']}")
    provenance = (await answer.json())["provenance"]
    assert provenance["backend"] == "local"
    assert provenance["adapter"] is None
    assert provenance["details"]["batched"] is True
    assert provenance["details"]["dtype_reason"]
    assert provenance["prompt_tokens"] > 0
