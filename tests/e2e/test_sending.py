"""One send makes one reply, whatever the hand, the keyboard, the network and other tabs do."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Route, expect

from tests.app_process import AppProcess
from tests.e2e.chat import BOX, Chat, NewVisitor, Server, words
from tests.scripted_endpoint import ScriptedEndpoint


async def test_a_double_click_makes_one_reply(chat: Chat, endpoint: ScriptedEndpoint) -> None:
    before = len(endpoint.calls)
    await chat.box.fill("words=30 rate=40")
    await chat.page.dblclick("#wc-send", force=True)
    await chat.whole(words(30))
    assert len(endpoint.calls) == before + 1


async def test_two_enters_make_one_reply(chat: Chat, endpoint: ScriptedEndpoint) -> None:
    before = len(endpoint.calls)
    await chat.box.fill("words=30 rate=40")
    await chat.box.press("Enter")
    await chat.box.press("Enter")
    await chat.whole(words(30))
    assert len(endpoint.calls) == before + 1


@pytest.mark.parametrize("edited", [False, True])
async def test_enter_before_the_models_are_known_counts_for_the_same_words(
    app: AppProcess, visitor: NewVisitor, endpoint: ScriptedEndpoint, edited: bool
) -> None:
    before = len(endpoint.calls)
    known = asyncio.Event()

    async def hold(route: Route) -> None:
        await known.wait()
        await route.continue_()

    page = await (await visitor()).new_page()
    await page.route("**/api/models**", hold)
    chat = await Chat(page, app.url).open()
    await chat.box.fill("words=3")
    await chat.box.press("Enter")
    await expect(page.locator("#wc-composer-note")).to_have_text("No model is available yet.")
    if edited:
        await chat.box.press_sequentially("0")
    known.set()
    if edited:
        await expect(page.locator("#wc-send")).to_be_enabled()
        await expect(chat.box).to_have_value("words=30")
    else:
        await chat.whole(words(3))
    assert len(endpoint.calls) == before + (not edited)


async def test_a_retried_request_makes_one_reply(server: Server, endpoint: ScriptedEndpoint) -> None:
    before = len(endpoint.calls)
    answers = await asyncio.gather(*(server.ask("words=3", key="the-same") for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 201]
    (reply,) = {answer.json()["reply"]["id"] for answer in answers}
    assert (await server.ended(reply))["text"].strip() == words(3)
    assert len(endpoint.calls) == before + 1


async def test_two_tabs_that_send_at_once_each_get_their_reply(chat: Chat, server: Server) -> None:
    conversation = await chat.ask("words=2")
    await chat.state("complete")
    other = await Chat(await chat.page.context.new_page(), chat.url).open(f"?c={conversation}")
    await other.shows("w1")
    # Neither request goes on before both are made: no tab can have heard of the other's turn.
    both = asyncio.Barrier(2)

    async def hold(route: Route) -> None:
        await both.wait()
        await route.continue_()

    for tab in (chat, other):
        await tab.page.route("**/api/turns", hold)
    await asyncio.gather(chat.send("words=20 rate=40"), other.send("words=25 rate=40"))
    for tab in (chat, other):
        await expect(tab.replies).to_have_count(2)
        await tab.state("complete")
    exported = await server.get(f"/api/conversations/{conversation}/export?format=json")
    said = {m["text"].strip(): m for m in exported["conversations"][0]["messages"]}
    assert {words(2), words(20), words(25)} <= said.keys()
    assert len(said) == 6  # each question and each reply once


async def test_enter_sends_and_shift_enter_is_a_new_line(chat: Chat) -> None:
    await chat.box.press_sequentially("words=3")
    await chat.box.press("Shift+Enter")
    await chat.box.press_sequentially("rate=0")
    assert await chat.box.input_value() == "words=3\nrate=0"
    await chat.box.press("Enter")
    await chat.whole(words(3))
    assert await chat.box.input_value() == ""


async def test_an_input_method_never_sends(chat: Chat) -> None:
    """Both ways browsers tell of composition: `isComposing`, and key code 229 of those that end it first."""
    await chat.box.fill("你好")
    for event in ("{isComposing: true}", "{keyCode: 229, which: 229}"):
        await chat.page.evaluate(
            f"""() => {{
              const box = document.querySelector({BOX!r});
              box.dispatchEvent(new CompositionEvent("compositionstart"));
              box.dispatchEvent(new KeyboardEvent("keydown", {{key: "Enter", bubbles: true, ...{event}}}));
              box.dispatchEvent(new CompositionEvent("compositionend", {{data: "好"}}));
            }}"""
        )
    await chat.page.wait_for_timeout(300)
    assert await chat.replies.count() == 0
    assert await chat.box.input_value() == "你好"


async def test_a_draft_is_kept_for_each_conversation_over_reloads(chat: Chat) -> None:
    conversation = await chat.ask("words=2")
    await chat.state("complete")
    await chat.box.fill("half a thought")
    await chat.new_chat()
    await expect(chat.box).to_have_value("")
    await chat.box.fill("another one")
    await chat.page.reload(wait_until="commit")
    await chat.ready()
    await expect(chat.box).to_have_value("another one")
    await chat.open(f"?c={conversation}")
    await expect(chat.box).to_have_value("half a thought")


async def test_a_link_fills_the_box_and_sends_nothing(chat: Chat) -> None:
    await chat.open("?q=words%3D3%20please&model=scripted")
    await expect(chat.box).to_have_value("words=3 please")
    await expect(chat.page.locator("#wc-picker input")).to_have_value("scripted")
    assert await chat.replies.count() == 0


async def test_back_and_forward_go_through_conversations(chat: Chat) -> None:
    first = await chat.ask("words=2 first")
    await chat.state("complete")
    await chat.new_chat()
    second = await chat.ask("words=3 second")
    await chat.state("complete")
    assert "second" in await chat.page.title()
    await chat.page.go_back()
    await chat.page.go_back()
    await expect(chat.page).to_have_title(re.compile("first"))
    await expect(chat.reply.locator(".wc-body")).to_have_text(words(2))
    assert chat.conversation == first
    await chat.page.go_forward()
    await chat.page.go_forward()
    await chat.shows("w2")
    assert chat.conversation == second


async def test_an_error_stands_in_place_of_the_reply_and_retry_mends_it(
    chat: Chat, endpoint: ScriptedEndpoint
) -> None:
    endpoint.answers["a precious question"] = "status=401"
    await chat.ask("a precious question")
    error = chat.reply.locator(".wc-error")
    await expect(error).to_be_visible()
    assert len((await error.inner_text()).splitlines()) >= 2  # what happened, and what to do
    await expect(chat.page.locator(".wc-user").last).to_contain_text("a precious question")
    endpoint.answers["a precious question"] = "words=4"
    await error.locator("[data-act=retry]").click()
    await chat.state("complete")
    assert await chat.text() == words(4)


@pytest.mark.parametrize(("locale", "said"), [("en-GB", "seconds"), ("zh-CN", "秒")])
async def test_a_busy_endpoint_is_told_with_the_time_to_come_back(
    app: AppProcess, visitor: NewVisitor, locale: str, said: str
) -> None:
    chat = await Chat(await (await visitor(locale=locale)).new_page(), app.url).open()
    await chat.ask("status=429 retry_after=37")
    error = chat.reply.locator(".wc-error")
    await expect(error).to_contain_text("37")
    await expect(error).to_contain_text(said)
    await expect(chat.page.locator(".wc-user").last).to_contain_text("status=429 retry_after=37")
