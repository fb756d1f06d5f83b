"""Whatever happens to the page while a reply is written, the reply is whole, and there once."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.app_process import AppProcess
from tests.e2e.chat import Chat, NewVisitor, Server, Wire, words
from tests.scripted_endpoint import ScriptedEndpoint

SOME = "words=120 rate=40"
WHOLE = words(120)


async def test_a_reply_is_shown_whole(chat: Chat) -> None:
    await chat.ask(SOME)
    await chat.whole(WHOLE)


async def test_refreshing_in_mid_reply_loses_nothing(chat: Chat) -> None:
    await chat.ask(SOME)
    for mark in ("w10 ", "w40 "):
        await chat.shows(mark)
        await chat.page.reload(wait_until="commit")
        await chat.ready()
    await chat.whole(WHOLE)


async def test_refreshing_before_the_first_word_loses_nothing(chat: Chat) -> None:
    await chat.ask("words=30 delay=2")
    await chat.page.reload(wait_until="commit")
    await chat.ready()
    await chat.whole(words(30))


async def test_another_conversation_and_back_loses_nothing(chat: Chat) -> None:
    first = await chat.ask(SOME)
    await chat.shows("w10 ")
    await chat.new_chat()
    await expect(chat.replies).to_have_count(0)
    second = await chat.ask("words=20 rate=40")
    assert first != second
    await chat.shows("w3 ")
    await chat.page.click(f'#wc-sidebar a[href="?c={first}"]')
    await chat.shows("w30 ")
    await chat.page.click(f'#wc-sidebar a[href="?c={second}"]')
    await chat.whole(words(20))
    await chat.page.go_back()
    await chat.whole(WHOLE)


async def test_a_closed_tab_loses_nothing(chat: Chat, server: Server) -> None:
    conversation = await chat.ask(SOME)
    await chat.shows("w10 ")
    reply = (await chat.thread())[-1]["id"]
    page = await chat.page.context.new_page()
    await chat.page.close()
    # The tab stays closed until the reply has ended without it.
    await server.ended(reply)
    again = await Chat(page, chat.url).open(f"?c={conversation}")
    await again.whole(WHOLE)


async def test_a_tab_opened_again_in_mid_reply_goes_on(chat: Chat, endpoint: ScriptedEndpoint) -> None:
    endpoint.go_on.clear()
    conversation = await chat.ask("words=300 hold=100")
    await chat.shows("w10 ")
    page = await chat.page.context.new_page()
    await chat.page.close()
    again = await Chat(page, chat.url).open(f"?c={conversation}")
    await again.state("streaming")
    endpoint.go_on.set()
    await again.whole(words(300))


async def test_two_tabs_both_follow(chat: Chat, endpoint: ScriptedEndpoint) -> None:
    endpoint.go_on.clear()
    conversation = await chat.ask(f"{SOME} hold=20")
    other = await Chat(await chat.page.context.new_page(), chat.url).open(f"?c={conversation}")
    await other.state("streaming")
    endpoint.go_on.set()
    await other.whole(WHOLE)
    await chat.whole(WHOLE)
    # And a turn begun in one appears in the other by itself.
    await other.send("words=60 rate=40")
    await chat.whole(WHOLE, words(60))
    await other.whole(WHOLE, words(60))


async def test_a_phone_shows_the_same(app: AppProcess, visitor: NewVisitor) -> None:
    context = await visitor(
        viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True, device_scale_factor=3
    )
    chat = await Chat(await context.new_page(), app.url).open()
    conversation = await chat.ask(SOME)
    await chat.shows("w10 ")
    await chat.open(f"?c={conversation}")
    await chat.whole(WHOLE)
    assert await chat.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await expect(chat.box).to_be_in_viewport()


async def test_being_offline_loses_nothing(chat: Chat, server: Server) -> None:
    await chat.ask(SOME)
    await chat.shows("w10 ")
    reply = (await chat.thread())[-1]["id"]
    await chat.page.context.set_offline(True)
    await expect(chat.page.locator(".wc-connection.wc-open")).to_be_visible()
    await server.ended(reply)
    await chat.page.context.set_offline(False)
    await chat.whole(WHOLE)
    await expect(chat.page.locator(".wc-connection.wc-open")).to_have_count(0)


async def test_a_cut_connection_is_taken_up_again(app: AppProcess, visitor: NewVisitor) -> None:
    async with Wire(app.port).laid() as wire:
        chat = await Chat(await (await visitor()).new_page(), wire.url).open()
        await chat.ask("words=400 rate=50")
        for mark in ("w10 ", "w60 "):
            await chat.shows(mark)
            wire.cut()
            wire.mend()
        await chat.shows("w90 ")
        wire.cut()
        await expect(chat.page.locator(".wc-connection.wc-open")).to_be_visible()
        wire.mend()
        await expect(chat.page.locator(".wc-connection.wc-open")).to_have_count(0)
        await chat.whole(words(400))


@pytest.mark.slow  # it takes the page the best part of a minute to be sure
async def test_a_connection_that_dies_without_a_word_is_noticed(app: AppProcess, visitor: NewVisitor) -> None:
    """As behind a router that forgets: the page is never told that nothing more will come."""
    async with Wire(app.port).laid() as wire:
        chat = await Chat(await (await visitor()).new_page(), wire.url).open()
        await chat.ask("words=200 rate=50")
        await chat.shows("w10 ")
        wire.silence()
        await chat.state("complete")
        await chat.whole(words(200))
