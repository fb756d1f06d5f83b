"""What is done about a reply that is late, refused, broken off, or not there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.app_process import AppProcess
from tests.e2e.chat import Chat, NewVisitor, Server, first, words
from tests.e2e.conftest import running
from tests.scripted_endpoint import ScriptedEndpoint
from webchat.sentences import Language, locale


async def test_a_late_first_word_is_waited_for_with_a_clock(chat: Chat) -> None:
    await chat.ask("words=3 delay=90")
    line = chat.reply.locator(".wc-typing")
    await expect(line).to_contain_text("Waiting for the model…")
    await expect(line).to_contain_text("so far")
    counted = await line.inner_text()
    await chat.until("(before) => document.querySelector('.wc-typing')?.innerText !== before", counted)
    await chat.page.click("#wc-stop")
    await chat.state("stopped")
    await expect(line).to_have_count(0)


@pytest.mark.parametrize("language", first(["en", "zh-CN"]))
async def test_a_refusal_that_is_tried_again_says_why_and_when(
    app: AppProcess, visitor: NewVisitor, endpoint: ScriptedEndpoint, language: Language
) -> None:
    """The endpoint refuses, then answers: the page has counted down meanwhile, and said it once."""
    said = locale(language)
    chat = await Chat(await (await visitor(locale=language)).new_page(), app.url).open()
    key = f"please be patient in {language}"
    endpoint.answers[key] = "status=429 retry_after=3"
    await chat.page.evaluate(
        """() => {
          window.spoken = [];
          const status = document.querySelector(".wc-transcript > [role=status]");
          const heard = () => status.textContent && window.spoken.push(status.textContent);
          const all = { childList: true, characterData: true, subtree: true };
          new MutationObserver(heard).observe(status, all);
        }"""
    )
    await chat.send(key)
    line = chat.reply.locator(".wc-typing")
    cause = said["transcript.wait.rate_limited"].partition("{")[0]
    await expect(line).to_contain_text(cause)
    endpoint.answers[key] = "words=4"
    await chat.state("complete")
    assert await chat.text() == words(4)
    spoken: list[str] = await chat.page.evaluate("window.spoken")
    assert len([words for words in spoken if cause in words]) == 1


async def test_a_message_whose_reply_was_deleted_gets_another(
    chat: Chat, server: Server, endpoint: ScriptedEndpoint
) -> None:
    get_reply = chat.page.get_by_role("button", name="Get a reply")
    await chat.ask("words=3")
    await chat.state("complete")
    await expect(get_reply).to_have_count(0)
    other = await Chat(await chat.page.context.new_page(), chat.url).open(f"?c={chat.conversation}")
    (question, reply) = await chat.thread()
    await chat.reply.hover()
    await chat.reply.locator("[data-act=more]").click()
    await chat.page.get_by_role("menuitem", name="Delete from here").click()
    await expect(get_reply).to_be_visible()
    await expect(other.page.get_by_role("button", name="Get a reply")).to_be_visible()
    await chat.page.reload()
    await chat.ready()
    calls = len(endpoint.calls)
    await get_reply.click()
    await chat.state("complete")
    await expect(get_reply).to_have_count(0)
    assert len(endpoint.calls) == calls + 1
    (stayed, another) = await chat.thread()
    assert stayed["id"] == question["id"]
    assert another["id"] != reply["id"]
    await expect(other.page.get_by_role("button", name="Get a reply")).to_have_count(0)


async def test_a_message_without_a_reply_is_found_after_a_crash(
    endpoint: ScriptedEndpoint, tmp_path: Path, visitor: NewVisitor
) -> None:
    async with running(tmp_path, endpoint) as app:
        chat = await Chat(await (await visitor()).new_page(), app.url).open()
        await chat.ask("words=3")
        await chat.state("complete")
        reply = (await chat.thread())[-1]["id"]
        await chat.page.context.request.delete(f"{app.url}/api/messages/{reply}", headers={"origin": app.url})
        await asyncio.to_thread(app.kill)
        await asyncio.to_thread(app.start)
        await chat.page.goto(f"{app.url}/?c={chat.conversation}")
        await chat.ready()
        await chat.page.get_by_role("button", name="Get a reply").click()
        await chat.state("complete")
        assert await chat.text() == words(3)


async def test_a_reply_that_an_endpoint_broke_off_is_continued(
    app: AppProcess, visitor: NewVisitor, endpoint: ScriptedEndpoint
) -> None:
    chat = await Chat(await (await visitor()).new_page(), app.url).open()
    await chat.ask("words=9 breaks=4")
    await chat.state("failed")
    begun = await chat.text()
    assert begun == words(4)
    note = chat.reply.locator(".wc-error")
    await expect(note.get_by_role("button", name="Try again")).to_be_enabled()
    await note.get_by_role("button", name="Continue this reply").click()
    await chat.state("complete")
    assert (await chat.text()).startswith(begun)
    assert len(await chat.text()) > len(begun)
