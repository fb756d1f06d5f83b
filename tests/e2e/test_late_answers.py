"""An answer that comes late is not drawn over what is newer, and does nothing to another chat."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Error, Page, Request, Route, expect

from tests.browser import PATIENCE
from tests.e2e.chat import Chat, Json, Server, eventually
from tests.e2e.test_templates import make, open_library, pick

PROMPT = "#wc-system-prompt textarea"
TEMPERATURE = "#wc-sampling-temperature input >> nth=0"


class Held:
    """The first request that matches; its answer is read, and held back until `let`."""

    def __init__(self, page: Page, pattern: str, method: str, *, unsent: bool, status: int | None) -> None:
        self._page, self._pattern, self._method = page, pattern, method
        self._unsent, self._status = unsent, status
        self._request: Request | None = None
        self._held = asyncio.get_running_loop().create_future()
        self._free = asyncio.Event()

    async def handle(self, route: Route) -> None:
        if self._request is not None or route.request.method != self._method:
            return await route.fallback()
        self._request = route.request
        try:
            answer = None if self._unsent or self._status else await route.fetch()
        except Error as error:
            return self._held.set_exception(error)
        self._held.set_result(None)
        await self._free.wait()
        if answer:
            await route.fulfill(response=answer)
        elif self._status:
            await route.fulfill(status=self._status, body="{}", content_type="application/json")
        else:
            await route.continue_()

    @property
    def came(self) -> bool:
        return self._request is not None

    async def asked(self) -> None:
        """Wait until it is held."""
        await asyncio.wait([self._held], timeout=PATIENCE / 1000)
        assert self.came, f"no {self._method} {self._pattern} was sent"
        await self._held

    async def let(self) -> None:
        """Let it through; the page has had time to draw it when this returns."""
        async with self._page.expect_response(lambda one: one.request is self._request) as coming:
            self._free.set()
        await (await coming.value).finished()
        await self._page.evaluate("new Promise((done) => setTimeout(() => requestAnimationFrame(done), 100))")


@asynccontextmanager
async def held(
    page: Page, pattern: str, method: str = "GET", *, unsent: bool = False, status: int | None = None
) -> AsyncIterator[Held]:
    """unsent: the request itself waits. status: of the refusal that is answered instead."""
    one = Held(page, pattern, method, unsent=unsent, status=status)
    await page.route(pattern, one.handle)
    yield one
    await page.unroute(pattern, one.handle)


async def choose(page: Page, conversation: str) -> None:
    await page.locator(f'.wc-row[data-id="{conversation}"] .wc-row-link').click()
    await page.wait_for_url(f"**/?c={conversation}")


async def two_chats(
    chat: Chat, first: str = "words=3 first", second: str = "words=4 second"
) -> tuple[str, str]:
    """Their ids; the second is on the screen."""
    one = await chat.ask(first)
    await chat.state("complete")
    await chat.new_chat()
    await chat.page.wait_for_url(lambda url: "?c=" not in url)
    other = await chat.ask("words=4 second")
    await chat.state("complete")
    await expect(chat.page.locator(f'.wc-row[data-id="{one}"]')).to_be_visible()
    await expect(chat.page.locator(f'.wc-row[data-id="{other}"]')).to_be_visible()
    return one, other


async def settings_of(server: Server, conversation: str) -> Json:
    found: Json = (await server.get(f"/api/conversations/{conversation}"))["conversation"]["settings"]
    return found


# --- the conversation -------------------------------------------------------------------------------------


async def test_nothing_is_said_to_be_loading_in_a_chat_that_is_there(chat: Chat) -> None:
    one, other = await two_chats(chat)
    await chat.new_chat()
    async with held(chat.page, f"**/api/conversations/{one}?*") as answer:
        both = "(ids) => ids.forEach((id) => document.querySelector(`.wc-row[data-id='${id}'] a`).click())"
        await chat.page.evaluate(both, [one, other])
        await answer.asked()
        await chat.shows("w3")
        await chat.page.evaluate("new Promise((done) => setTimeout(done, 400))")  # a slow one is told by now
        await expect(chat.page.locator(".wc-placeholder")).to_be_hidden()
        await answer.let()


async def test_what_was_read_before_is_not_shown_over_what_was_read_after(chat: Chat, server: Server) -> None:
    await chat.ask("words=3 one")
    await chat.state("complete")
    here = chat.conversation
    leaf = (await chat.thread())[-1]["id"]
    async with held(chat.page, f"**/api/conversations/{here}?*limit=30*") as answer:
        await server.http.patch(f"/api/conversations/{here}", json={"title": "Told to the page"})
        await answer.asked()
        await server.begin("words=3 two", conversation_id=here, parent_id=leaf)
        await expect(chat.replies).to_have_count(2)
        await chat.state("complete")
        await answer.let()
        await expect(chat.replies).to_have_count(2)


async def test_another_version_does_not_come_over_another_chat(chat: Chat) -> None:
    one, other = await two_chats(chat)
    await choose(chat.page, one)
    await chat.reply.hover()
    await chat.reply.locator('[data-act="regenerate"]').click()
    await expect(chat.reply.locator('[data-act="older-version"]')).to_be_enabled()
    await chat.state("complete")
    async with held(chat.page, "**/activate", "POST") as answer:
        await chat.reply.locator('[data-act="older-version"]').click()
        await answer.asked()
        await choose(chat.page, other)
        await chat.shows("w3")
        await answer.let()
        await chat.shows("w3")
        assert chat.conversation == other


async def test_a_found_message_is_not_shown_over_another_chat(chat: Chat) -> None:
    one, other = await two_chats(chat, "words=3 quokka")
    await choose(chat.page, one)
    await chat.shows("w2")
    user = chat.page.locator("article.wc-user").first
    await user.hover()
    await user.locator("[data-act=edit]").click()
    await chat.page.locator(".wc-editor-text").fill("words=5 numbat")
    await chat.page.locator(".wc-editor .wc-primary").click()
    await chat.shows("w4")
    await chat.state("complete")
    await choose(chat.page, other)
    async with held(chat.page, "**/activate", "POST") as answer:
        await chat.page.keyboard.press("Control+K")
        await chat.page.keyboard.type("quokka")
        await chat.page.locator(".wc-hit-snippet", has_text="quokka").click()
        await answer.asked()
        await choose(chat.page, other)
        await chat.shows("w3")
        await answer.let()
        await expect(user).to_contain_text("second")
        assert chat.conversation == other


async def test_a_refused_rating_takes_no_newer_one_back(chat: Chat) -> None:
    await chat.ask("words=3 rated")
    await chat.state("complete")
    up, down = (chat.reply.locator(f'[data-act="rate-{way}"]') for way in ("up", "down"))
    await chat.reply.hover()
    async with held(chat.page, "**/judgement", "PUT", status=500) as refusal:
        await up.click()
        await refusal.asked()
        async with chat.page.expect_response("**/judgement"):
            await down.click()
        await expect(down).to_have_attribute("aria-pressed", "true")
        await refusal.let()
        await expect(down).to_have_attribute("aria-pressed", "true")


# --- the list and the search ------------------------------------------------------------------------------


COMES_BACK = """(row) => {
  const look = () => (window.back ||= document.querySelector(row) !== null);
  new MutationObserver(look).observe(document.querySelector(".wc-list"), { subtree: true, childList: true });
}"""


async def test_a_deleted_chat_does_not_come_back_with_a_list_that_was_read_before(chat: Chat) -> None:
    one, _ = await two_chats(chat)
    row = chat.page.locator(f'.wc-row[data-id="{one}"]')
    async with held(chat.page, "**/api/conversations?limit=40*") as answer:
        await answer.asked()
        await row.locator(".wc-row-link").focus()
        async with chat.page.expect_response(f"**/api/conversations/{one}"):
            await chat.page.keyboard.press("Delete")
        await expect(row).to_have_count(0)
        await chat.page.evaluate(COMES_BACK, f".wc-row[data-id='{one}']")
        await answer.let()
        assert not await chat.page.evaluate("window.back")


async def test_enter_in_the_search_is_for_what_was_typed(chat: Chat) -> None:
    one, other = await two_chats(chat, "words=3 okapi")
    assert chat.conversation == other
    async with held(chat.page, "**/api/search?q=okapi*") as answer:
        await chat.page.keyboard.press("Control+K")
        await expect(chat.page.locator(".wc-search [role=option]").first).to_be_visible()
        await chat.page.keyboard.type("okapi")
        await chat.page.keyboard.press("Enter")
        await answer.asked()
        await answer.let()
    await chat.page.wait_for_url(f"**/?c={one}**")


async def test_enter_in_the_search_is_not_for_the_beginning_of_what_was_typed(chat: Chat) -> None:
    one, _ = await two_chats(chat, "words=3 okapi")
    page = chat.page
    await page.keyboard.press("Control+K")
    await expect(page.locator(".wc-search [role=option]").first).to_be_visible()
    # The search waits 150 ms for more to be typed: here until it is let.
    await page.evaluate(
        "window.after = setTimeout;"
        "window.setTimeout = (run, ms) => (ms === 150 ? ((window.search = run), 0) : after(run, ms))"
    )
    async with held(page, "**/api/search?q=words") as answer:
        await page.keyboard.type("words")
        await page.evaluate("void search()")
        await answer.asked()
        await page.keyboard.type("=3 okapi")
        await page.keyboard.press("Enter")
        await answer.let()
    await expect(page.locator(".wc-search")).to_be_visible()
    await page.evaluate("void search()")
    await page.wait_for_url(f"**/?c={one}**")


# --- settings ---------------------------------------------------------------------------------------------


async def test_settings_that_are_saved_keep_no_other_chats_settings_away(chat: Chat, server: Server) -> None:
    one, other = await two_chats(chat)
    changed = {"settings": {"system_prompt": "Speak like a pirate."}}
    (await server.http.patch(f"/api/conversations/{one}", json=changed)).raise_for_status()
    await chat.page.click("#wc-drawer-toggle")
    async with held(chat.page, f"**/api/conversations/{other}", "PATCH") as answer:
        await chat.page.locator(TEMPERATURE).fill("0.5")
        await answer.asked()
        await choose(chat.page, one)
        await expect(chat.page.locator(PROMPT)).to_have_value("Speak like a pirate.")
        await answer.let()


async def test_settings_that_were_read_before_a_change_do_not_undo_it(chat: Chat, server: Server) -> None:
    here = await chat.ask("words=3 settings")
    await chat.state("complete")
    await chat.page.click("#wc-drawer-toggle")
    box = chat.page.locator(TEMPERATURE)
    async with held(chat.page, f"**/api/conversations/{here}?*limit=30*") as answer:
        await server.http.patch(f"/api/conversations/{here}", json={"title": "Told to the page"})
        await answer.asked()
        async with chat.page.expect_response(f"**/api/conversations/{here}"):
            await box.fill("0.5")
        await box.blur()
        await answer.let()
        await expect(box).to_have_value("0.5")
        await expect(chat.page).to_have_title(re.compile("^Told"))
    await chat.send("words=3 again")
    await expect(chat.replies).to_have_count(2)
    assert (await settings_of(server, here))["sampling"] == {"temperature": 0.5}


async def test_of_two_changes_of_the_settings_the_last_is_stored(chat: Chat, server: Server) -> None:
    here = await chat.ask("words=3 settings")
    await chat.state("complete")
    await chat.page.click("#wc-drawer-toggle")
    box = chat.page.locator(TEMPERATURE)
    async with held(chat.page, f"**/api/conversations/{here}", "PATCH", unsent=True) as first:
        await box.fill("0.5")
        await first.asked()
        await box.fill("0.7")
        await chat.page.evaluate(
            "new Promise((done) => setTimeout(done, 1000))"
        )  # it is saved by itself by now
        await first.let()
        await expect(box).to_have_value("0.7")
    stored = await eventually(
        lambda: settings_of(server, here), lambda found: found["sampling"]["temperature"] != 0.5
    )
    assert stored["sampling"]["temperature"] == 0.7


# --- templates --------------------------------------------------------------------------------------------


async def test_of_two_templates_the_last_that_was_chosen_is_open(chat: Chat) -> None:
    slow = await make(chat.page, chat.url, "Late slow", user="One")
    await make(chat.page, chat.url, "Late quick", user="Two")
    async with held(chat.page, f"**/api/templates/{slow['id']}") as answer:
        await open_library(chat, "Late slow")
        await answer.asked()
        await chat.page.locator(".wc-library-search").fill("Late quick")
        await chat.page.locator(".wc-library-row", has_text="Late quick").click()
        title = chat.page.locator(".wc-template-name")
        await expect(title).to_have_text("Late quick")
        await answer.let()
        await expect(title).to_have_text("Late quick")


async def test_an_operator_shares_a_new_template_however_slow_the_server_is(chat: Chat) -> None:
    async with held(chat.page, "**/api/me") as answer:
        await chat.page.keyboard.press("Control+Shift+L")
        await chat.page.locator(".wc-library .wc-button.wc-primary").click()
        await expect(chat.page.locator(".wc-template-name")).to_be_visible()
        assert not answer.came
        await expect(chat.page.locator(".wc-scope")).to_be_visible()


async def test_a_template_that_was_chosen_for_one_chat_is_not_put_into_another(chat: Chat) -> None:
    made = await make(chat.page, chat.url, "Late words", user="For the other chat")
    one, _ = await two_chats(chat)
    async with held(chat.page, f"**/api/templates/{made['id']}") as answer:
        await pick(chat, "Late words")
        await answer.asked()
        await choose(chat.page, one)
        await chat.shows("w2")
        await answer.let()
        await expect(chat.box).to_have_value("")


async def test_a_persona_is_taken_back_in_its_own_chat(chat: Chat, server: Server) -> None:
    await make(chat.page, chat.url, "Late pirate", system="Speak like a pirate.")
    one, other = await two_chats(chat)
    changed = {"settings": {"system_prompt": "Be short."}}
    (await server.http.patch(f"/api/conversations/{one}", json=changed)).raise_for_status()
    async with chat.page.expect_response(f"**/api/conversations/{other}"):
        await pick(chat, "Late pirate")
    await expect(chat.page.locator(".wc-persona-name")).to_have_text("Late pirate")
    await choose(chat.page, one)
    await expect(chat.page.locator(PROMPT)).to_have_value("Be short.")
    await chat.page.locator(".wc-toast-action").click()
    async with chat.page.expect_response(f"**/api/conversations/{other}"):
        await choose(chat.page, other)
    undone = await eventually(lambda: settings_of(server, other), lambda found: found["persona"] is None)
    assert undone["system_prompt"] is None
    assert (await settings_of(server, one))["system_prompt"] == "Be short."


async def test_a_persona_is_not_removed_from_another_chat(chat: Chat, server: Server) -> None:
    made = await make(chat.page, chat.url, "Late actor", system="Play a part.")
    one, _ = await two_chats(chat)
    changed = {"settings": {"system_prompt": "Be short."}}
    (await server.http.patch(f"/api/conversations/{one}", json=changed)).raise_for_status()
    await pick(chat, "Late actor")
    await chat.page.locator(".wc-persona-chip").click()
    await expect(chat.page.locator(".wc-persona-box")).to_be_visible()
    async with held(chat.page, f"**/api/templates/{made['id']}") as answer:
        await chat.page.locator(".wc-persona-foot button").first.click()
        await answer.asked()
        await choose(chat.page, one)
        await expect(chat.page.locator(PROMPT)).to_have_value("Be short.")
        await answer.let()
        await expect(chat.page.locator(PROMPT)).to_have_value("Be short.")
    assert (await settings_of(server, one))["system_prompt"] == "Be short."
