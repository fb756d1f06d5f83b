"""Every word is in the box, the outbox or the store: on a dead line, in a closed tab, beside other tabs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Dialog, Page, Route, expect

from tests.app_process import AppProcess
from tests.e2e.chat import BOX, Chat, NewVisitor, Server, Wire, first, words
from tests.scripted_endpoint import ScriptedEndpoint

LONG = "words=3 and more thought than fits in one sitting"


async def picked(chat: Chat) -> Chat:
    """Once the page knows its models."""
    await chat.until("() => document.querySelector('#wc-picker input')?.value")
    return chat


async def begun(context: BrowserContext, url: str, query: str = "") -> Chat:
    return await picked(await Chat(await context.new_page(), url).open(query))


async def outbox(page: Page) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = await page.evaluate(
        """() => Object.keys(localStorage).filter((name) => name.startsWith("webchat.outbox."))
          .map((name) => JSON.parse(localStorage.getItem(name)))"""
    )
    return entries


async def conversations(chat: Chat, app: AppProcess) -> list[dict[str, Any]]:
    answer = await chat.page.context.request.get(f"{app.url}/api/conversations")
    items: list[dict[str, Any]] = (await answer.json())["items"]
    return items


def key_of(route: Route) -> str:
    assert route.request.post_data_json is not None
    key: str = route.request.post_data_json["client_key"]
    return key


def unsent(chat: Chat) -> Any:
    return chat.page.locator(".wc-user .wc-outgoing")


@pytest.mark.parametrize(
    ("locale", "said"),
    first([pytest.param("zh-CN", "尚未发送", id="zh"), pytest.param("en-GB", "Not sent yet", id="en")]),
)
async def test_what_could_not_be_sent_says_so_and_goes_by_itself(
    app: AppProcess, visitor: NewVisitor, locale: str, said: str
) -> None:
    async with Wire(app.port).laid() as wire:
        chat = await begun(await visitor(locale=locale), wire.url)
        wire.cut()
        await chat.send(LONG)
        await expect(unsent(chat)).to_contain_text(said)
        await expect(chat.page.locator(".wc-user")).to_contain_text(LONG)
        await expect(chat.page.locator(".wc-welcome")).to_have_count(0)
        await expect(chat.box).to_have_value("")
        wire.mend()
        await chat.whole(words(3))
        assert await outbox(chat.page) == []


async def test_a_message_on_a_dead_line_survives_the_tab(app: AppProcess, visitor: NewVisitor) -> None:
    """No answer and no error; the tab is closed, and later the chat is opened again."""
    async with Wire(app.port).laid() as wire:
        context = await visitor()
        chat = await begun(context, wire.url)
        before = {one["id"] for one in await conversations(chat, app)}
        wire.swallow()
        await chat.send(LONG)
        await expect(chat.box).to_have_value("")
        (entry,) = await outbox(chat.page)
        assert (entry["ask"]["text"], entry["state"]) == (LONG, "sending")
        await chat.page.close()
        wire.cut()
        wire.mend()
        chat = await begun(context, wire.url)
        await chat.whole(words(3))
        made = [one for one in await conversations(chat, app) if one["id"] not in before]
        assert [one["id"] for one in made] == [chat.conversation]


async def test_lost_answers_make_no_second_message(
    chat: Chat, app: AppProcess, endpoint: ScriptedEndpoint
) -> None:
    before, calls = len(await conversations(chat, app)), len(endpoint.calls)
    keys: list[str] = []

    async def no_answer(route: Route) -> None:
        keys.append(key_of(route))
        await route.fetch()
        await route.abort("connectionreset")

    await chat.page.route("**/api/turns", no_answer)
    await chat.send("words=4 and only once")
    again = chat.page.locator("[data-act=send-again]")
    await expect(again).to_be_visible()
    await chat.page.unroute("**/api/turns", no_answer)
    await again.click()
    await chat.page.wait_for_url("**/?c=*")
    await chat.whole(words(4))
    assert len(keys) >= 3
    assert len(set(keys)) == 1
    assert len(await conversations(chat, app)) == before + 1
    assert len(endpoint.calls) == calls + 1


async def test_unsent_words_are_edited_in_the_box_under_the_same_key_only_when_unchanged(chat: Chat) -> None:
    keys: list[str] = []

    async def refuse(route: Route) -> None:
        keys.append(key_of(route))
        await route.abort("connectionreset")

    await chat.page.route("**/api/turns", refuse)
    for text in ("words=3", "words=3", "words=2"):
        await chat.send(text)
        await chat.page.locator("[data-act=send-edit]").click()
        await expect(chat.box).to_have_value(text)
        assert await outbox(chat.page) == []
        keys.append("edited")
    first, same, changed = " ".join(keys).split(" edited")[:3]
    assert set(first.split()) == set(same.split())
    assert not set(first.split()) & set(changed.split())


async def test_stop_before_the_answer_stops_the_reply(chat: Chat) -> None:
    gate = asyncio.Event()

    async def slow(route: Route) -> None:
        answer = await route.fetch()
        await gate.wait()
        await route.fulfill(response=answer)

    await picked(chat)
    await chat.page.route("**/api/turns", slow)
    await chat.send("words=1000 rate=20")
    await chat.page.click("#wc-stop")
    await expect(chat.page.locator("#wc-composer-note")).to_contain_text("will be stopped")
    gate.set()
    await chat.page.wait_for_url("**/?c=*")
    await chat.state("stopped")
    assert (await chat.thread())[-1]["state"] == "stopped"


async def test_stop_on_a_cut_line_stops_once_it_is_mended(
    app: AppProcess, visitor: NewVisitor, server: Server
) -> None:
    async with Wire(app.port).laid() as wire:
        chat = await begun(await visitor(), wire.url)
        await chat.ask("words=3000 rate=20")
        await chat.shows("w3 ")
        wire.cut()
        await chat.page.click("#wc-stop")
        await expect(chat.page.locator("#wc-composer-note")).to_contain_text("will be stopped")
        wire.mend()
        await chat.state("stopped")


async def test_the_settings_on_the_screen_are_those_of_the_reply(
    chat: Chat, endpoint: ScriptedEndpoint
) -> None:
    """Typed and sent at once, before the drawer saves by itself: in a new chat, an old one, and again."""
    await picked(chat)
    await chat.page.click("#wc-drawer-toggle")
    control = chat.page.locator("#wc-sampling-temperature input").first
    for count, value in enumerate(("1", "0"), 1):
        await chat.box.fill("words=3")
        await control.fill(value)
        await chat.page.click("#wc-send")
        await chat.page.wait_for_url("**/?c=*")
        await expect(chat.replies).to_have_count(count)
        await chat.state("complete")
        assert endpoint.calls[-1].body["temperature"] == float(value)
        await expect(control).to_have_value(value)
    await control.fill("0.5")
    await chat.reply.hover()
    await chat.reply.locator("[data-act=regenerate]").click()
    await expect(chat.reply.locator(".wc-version")).to_contain_text("2")
    await chat.state("complete")
    assert endpoint.calls[-1].body["temperature"] == 0.5
    answer = await chat.page.context.request.get(f"{chat.url}/api/conversations/{chat.conversation}")
    assert (await answer.json())["conversation"]["settings"]["sampling"] == {"temperature": 0.5}


async def test_nothing_is_sent_with_a_setting_that_is_none(chat: Chat) -> None:
    await picked(chat)
    await chat.page.click("#wc-drawer-toggle")
    await chat.page.locator("#wc-sampling-temperature input").first.fill("7")
    for _ in range(2):
        await chat.box.fill("words=3")
        await chat.box.press("Enter")
        await expect(chat.page.locator("#wc-composer-note")).to_contain_text("out of range")
        await expect(chat.box).to_have_value("words=3")
    assert await chat.replies.count() == 0


async def edit(chat: Chat, text: str) -> None:
    user = chat.page.locator("article.wc-user").first
    await user.hover()
    await user.locator("[data-act=edit]").click()
    await chat.page.locator(".wc-editor-text").fill(text)


async def test_an_edit_that_is_being_written_is_there_when_one_comes_back(chat: Chat) -> None:
    conversation = await chat.ask("words=3 short")
    await chat.state("complete")
    await edit(chat, LONG)
    await chat.new_chat()
    await chat.page.click(f'a[href="?c={conversation}"]')
    await expect(chat.page.locator(".wc-editor-text")).to_have_value(LONG)
    await chat.page.reload(wait_until="commit")
    await expect(chat.page.locator(".wc-editor-text")).to_have_value(LONG)
    await chat.page.locator(".wc-editor .wc-button").first.click()  # given up by its writer
    await chat.page.reload(wait_until="commit")
    await chat.shows(words(3))
    await expect(chat.page.locator(".wc-editor-text")).to_have_count(0)


async def test_an_edit_that_could_not_be_sent_waits_in_its_conversation(chat: Chat) -> None:
    conversation = await chat.ask("words=3 short")
    await chat.state("complete")
    await edit(chat, "words=5 at length")

    async def refuse(route: Route) -> None:
        await route.abort("connectionreset")

    await chat.page.route("**/api/turns", refuse)
    await chat.page.locator(".wc-editor .wc-primary").click()
    await chat.new_chat()
    await chat.page.click(f'a[href="?c={conversation}"]')
    await expect(chat.page.locator(".wc-user")).to_contain_text("words=5 at length")
    await chat.page.locator("[data-act=send-edit]").click()
    await expect(chat.page.locator(".wc-editor-text")).to_have_value("words=5 at length")
    await chat.page.unroute("**/api/turns", refuse)
    await chat.page.locator(".wc-editor .wc-primary").click()
    await chat.shows(words(5))
    await chat.state("complete")
    assert [m["text"] for m in await chat.thread() if m["role"] == "user"] == ["words=5 at length"]


async def test_a_send_in_one_tab_leaves_the_draft_of_another(chat: Chat) -> None:
    earlier = await chat.ask("words=2 earlier")
    await chat.state("complete")
    await chat.new_chat()
    other = await begun(chat.page.context, chat.url)
    await other.box.press_sequentially(LONG)
    await chat.ask("words=2 hello")
    await chat.state("complete")
    await other.page.click(f'a[href="?c={earlier}"]')
    await expect(other.box).to_have_value("")
    await other.new_chat()
    await expect(other.box).to_have_value(LONG)


async def test_two_tabs_do_not_share_what_is_unsent_and_a_third_takes_over(
    app: AppProcess, visitor: NewVisitor
) -> None:
    async with Wire(app.port).laid() as wire:
        context = await visitor()
        first = await begun(context, wire.url)
        conversation = await first.ask("words=2")
        await first.page.close()  # or it takes over, should the third be slow; so may the other
        one = await begun(context, wire.url, f"?c={conversation}")
        other = await begun(context, wire.url, f"?c={conversation}")
        for tab in (one, other):
            await tab.whole(words(2))

        async def refuse(route: Route) -> None:
            await route.abort("connectionreset")

        await context.route("**/api/turns", refuse)
        await one.send(LONG)
        await expect(unsent(one)).to_contain_text("Not sent yet")
        await one.box.fill("half a thought")
        await other.page.reload(wait_until="commit")
        await other.whole(words(2))
        await expect(unsent(other)).to_have_count(0)
        await expect(other.box).to_have_value("")
        await other.page.close()
        await one.page.close()
        third = await begun(context, wire.url, f"?c={conversation}")
        await expect(unsent(third)).to_have_count(1)
        await expect(third.box).to_have_value("half a thought")
        await context.unroute("**/api/turns", refuse)
        await third.whole(words(2), words(3))


MODELS_CHANGE = """async () => {
  const modules = performance.getEntriesByType("resource").map(({ name }) => name);
  (await import(modules.find((name) => name.endsWith("/bus.js")))).bus.emit("models");
}"""


async def test_enter_during_a_reply_says_why_nothing_is_sent(chat: Chat) -> None:
    await chat.ask("words=2000 rate=50")
    await chat.shows("w2 ")
    await chat.box.fill("and then")
    await chat.box.press("Enter")
    note = chat.page.locator("#wc-composer-note")
    await expect(note).to_contain_text("A reply is being written")
    await chat.page.evaluate(MODELS_CHANGE)
    assert "A reply is being written" in await note.inner_text()
    await expect(chat.box).to_have_value("and then")
    await chat.page.click("#wc-stop")
    await chat.state("stopped")
    await expect(chat.page.locator("#wc-composer-note")).not_to_contain_text("A reply is being written")
    await expect(chat.box).to_have_value("and then")


async def test_return_makes_a_line_on_a_phone_and_sends_from_a_keyboard(
    app: AppProcess, visitor: NewVisitor
) -> None:
    phone = await visitor(
        has_touch=True, is_mobile=True, viewport={"width": 390, "height": 844}, locale="zh-CN"
    )
    chat = await begun(phone, app.url)
    await chat.box.press_sequentially("words=3")
    await chat.box.press("Enter")
    await chat.box.press_sequentially("and more")
    await expect(chat.box).to_have_value("words=3\nand more")
    await chat.box.press("ArrowLeft")  # no keyboard on a screen has it
    await chat.box.press("Enter")
    await chat.whole(words(3))


async def test_arabic_stands_at_the_right_while_it_is_typed(chat: Chat) -> None:
    for text, direction in (("مرحبا بكم", "rtl"), ("hello", "ltr")):
        await chat.box.fill(text)
        box = f"getComputedStyle(document.querySelector({BOX!r})).direction"
        assert await chat.page.evaluate(box) == direction


@pytest.mark.parametrize("locale", first(["zh-CN", "en-GB"]))
async def test_with_storage_blocked_the_page_works_and_says_so_once(
    app: AppProcess, visitor: NewVisitor, locale: str
) -> None:
    context = await visitor(locale=locale)
    await context.add_init_script(
        """for (const name of ["localStorage", "sessionStorage"]) Object.defineProperty(window, name, {
          get() { throw new DOMException("blocked", "SecurityError"); },
        });"""
    )
    chat = await begun(context, app.url)
    await chat.box.press_sequentially("words=3")
    await expect(chat.page.locator(".wc-toast")).to_have_count(1)
    await chat.box.press("Enter")
    await chat.whole(words(3))
    await chat.box.fill("half a thought")
    await chat.new_chat()
    await expect(chat.box).to_have_value("")
    await chat.page.go_back()
    await expect(chat.box).to_have_value("half a thought")
    await expect(chat.page.locator(".wc-toast")).to_have_count(1)


async def test_half_a_character_and_a_very_long_message_arrive(chat: Chat) -> None:
    write = "([box, text]) => { box.value = text; box.dispatchEvent(new Event('input', { bubbles: true })); }"
    await picked(chat)
    box = await chat.box.element_handle()
    await chat.page.evaluate(write.replace("text;", r"'words=2 half \ud83d of it';"), [box, ""])
    await chat.box.press("Enter")
    await chat.page.wait_for_url("**/?c=*")
    await chat.whole(words(2))
    me = await (await chat.page.context.request.get(f"{chat.url}/api/me")).json()
    long = "words=3 " + "x" * (me["limits"]["message_chars"] - 8)
    await chat.page.evaluate(write, [box, long])
    await chat.box.press("Enter")
    await chat.whole(words(2), words(3))
    said = [message["text"] for message in await chat.thread() if message["role"] == "user"]
    assert said == ["words=2 half \ufffd of it", long]


async def test_the_browser_asks_before_a_page_goes_whose_words_found_no_room(chat: Chat) -> None:
    asked: list[str] = []

    async def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        await dialog.dismiss()

    chat.page.on("dialog", stay)
    await chat.page.evaluate(
        """() => {
          for (let size = 2 ** 22, at = 0; size >= 1; at += 1) {
            try { localStorage.setItem(`fill${at}`, "x".repeat(size)); } catch { size /= 2; }
          }
        }"""
    )
    await chat.box.press_sequentially("half a thought")
    async with chat.page.expect_event("dialog"):
        await chat.page.close(run_before_unload=True)
    await expect(chat.box).to_have_value("half a thought")
    await chat.page.evaluate(
        "() => Object.keys(localStorage).filter((name) => name.startsWith('fill'))"
        ".forEach((name) => localStorage.removeItem(name))"
    )
    async with chat.page.expect_event("close"):
        await chat.page.close(run_before_unload=True)
    assert asked == ["beforeunload"]
    again = await begun(chat.page.context, chat.url)
    await expect(again.box).to_have_value("half a thought")
