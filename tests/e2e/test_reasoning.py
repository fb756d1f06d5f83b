"""Reasoning whose beginning no mark told: shown as the answer until its end comes, then as reasoning."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect

from tests.app_process import AppProcess
from tests.e2e.chat import Chat, eventually
from tests.e2e.conftest import running
from tests.scripted_endpoint import ScriptedEndpoint

THOUGHTS = "\n\n".join(f"Thought {n} is about Norway, its towns and its king." for n in range(40))
ANSWER = "\n\n".join(f"Part {n} of the answer says that the capital is Oslo." for n in range(3))


SCRIPT = f"rate=0 text={quote(THOUGHTS + chr(10) + '</think>' + chr(10) * 2 + ANSWER)}"
HELD = f"hold={len(THOUGHTS) // 3} {SCRIPT}"  # before the end of the thoughts


@pytest_asyncio.fixture(loop_scope="session")
async def app(endpoint: ScriptedEndpoint, tmp_path: Path) -> AsyncIterator[AppProcess]:
    """A server for each test: it remembers that the model begins inside reasoning."""
    endpoint.go_on.clear()
    async with running(tmp_path, endpoint) as app:
        yield app


@pytest.fixture
def reasoning(chat: Chat) -> Locator:
    return chat.reply.locator(".wc-reasoning")


async def is_in_its_place(chat: Chat) -> None:
    reply = chat.reply
    await expect(reply.locator(".wc-body")).not_to_contain_text("Thought")
    await chat.shows("Part 2 of the answer")
    details = reply.locator(".wc-reasoning")
    if not await details.evaluate("(element) => element.open"):
        await details.locator("summary").click()
    await expect(details.locator(".wc-reasoning-body p")).to_have_count(40)
    await expect(reply).not_to_contain_text("think>")


async def test_it_moves_and_stays_after_a_reload_and_is_not_sent_back(
    chat: Chat, endpoint: ScriptedEndpoint, reasoning: Locator
) -> None:
    endpoint.answers["Where does the king live?"] = SCRIPT
    await chat.ask("Where does the king live?")
    await chat.state("complete")
    assert await reasoning.evaluate("(element) => element.open") is False
    await is_in_its_place(chat)
    await chat.page.reload()
    await chat.ready()
    await is_in_its_place(chat)
    question, reply = await chat.thread()
    assert (reply["text"], reply["reasoning"]) == (ANSWER, THOUGHTS)
    conversations = await chat.page.context.request.get(f"{chat.url}/api/conversations")
    assert "Thought" not in await conversations.text()
    endpoint.answers["Is that so?"] = HELD
    await chat.send("Is that so?")
    await expect(chat.replies).to_have_count(2)
    await expect(reasoning).to_be_visible()
    assert await chat.text() == "", "now it is known from the first word"
    sent = [message["content"] for message in endpoint.calls[-1].body["messages"]]
    assert sent == [question["text"], ANSWER, "Is that so?"]


async def test_a_time_too_short_to_be_told_is_left_out_before_and_after_a_reload(
    chat: Chat, endpoint: ScriptedEndpoint, reasoning: Locator
) -> None:
    endpoint.answers["And the dog?"] = f"rate=0 text={quote('Hm.' + chr(10) + '</think>Oslo.')}"
    await chat.ask("And the dog?")
    await chat.state("complete")
    await expect(reasoning.locator("summary")).not_to_contain_text(" 0 s")
    label = await reasoning.locator("summary").inner_text()
    await chat.page.reload()
    await chat.ready()
    await expect(reasoning.locator("summary")).to_have_text(label)


async def test_whoever_reads_in_it_goes_on_reading_there(
    chat: Chat, endpoint: ScriptedEndpoint, reasoning: Locator
) -> None:
    """Scrolled up into the text, the reader finds it open, and the same line at the top of the screen."""
    endpoint.answers["And the queen?"] = HELD
    await chat.ask("And the queen?")
    await chat.shows("Thought 30 is")
    await chat.page.mouse.move(600, 400)

    async def scrolled() -> bool:
        """What is drawn between the wheel and the page's notice of it leads back to the end."""
        await chat.page.mouse.wheel(0, -300)
        return await chat.page.locator(".wc-jump").is_visible()

    await eventually(scrolled, bool)
    at_top = """() => {
      const box = document.querySelector(".wc-scroller").getBoundingClientRect();
      const lines = [...document.querySelectorAll("article.wc-reply:last-of-type p")];
      return lines.find((line) => line.getBoundingClientRect().bottom > box.top + 40)?.textContent ?? "";
    }"""
    await chat.until(
        """() => {
          const before = window.stood;
          window.stood = document.querySelector(".wc-scroller").scrollTop;
          return before === window.stood;
        }"""
    )
    read = await chat.page.evaluate(at_top)
    assert read.startswith("Thought")
    endpoint.go_on.set()
    await expect(reasoning).to_be_visible()
    assert await reasoning.evaluate("(element) => element.open") is True
    number = int(read.split()[1])
    assert abs(int((await chat.page.evaluate(at_top)).split()[1]) - number) <= 1
    await chat.state("complete")
    await is_in_its_place(chat)


async def test_whoever_follows_the_end_sees_the_answer_begin(
    chat: Chat, endpoint: ScriptedEndpoint, reasoning: Locator
) -> None:
    endpoint.answers["And the prince?"] = HELD
    await chat.ask("And the prince?")
    await chat.shows("Thought 30 is")
    endpoint.go_on.set()
    await expect(reasoning).to_be_visible()
    assert await reasoning.evaluate("(element) => element.open") is False
    await chat.state("complete")
    await expect(chat.reply.locator(".wc-body")).to_be_in_viewport()
