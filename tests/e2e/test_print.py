"""On paper is the whole conversation with its title and date, and nothing of the page around it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, expect

from tests.app_process import AppProcess
from tests.e2e.chat import Chat, NewVisitor, crossed, first, until
from tests.e2e.conftest import running
from tests.scripted_endpoint import ScriptedEndpoint
from tests.store.talk import Talk
from webchat.sentences import locale
from webchat.store import Store

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
LOOKS = [
    pytest.param({"locale": "en-GB"}, "en", id="desktop-en"),
    pytest.param({"locale": "zh-CN", "color_scheme": "dark", **PHONE}, "zh-CN", id="phone-zh"),
]
MESSAGES = 230
CODE = f"```python\nlong = '{'a very long line of code ' * 30}'\n```"
STUB = """() => {
    window.print = () => {
        window.dispatchEvent(new Event("beforeprint"));
        window.paper = document.querySelector(".wc-print").cloneNode(true);
        window.dispatchEvent(new Event("afterprint"));
    };
}"""


@dataclass
class Long:
    app: AppProcess
    id: str


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def long(endpoint: ScriptedEndpoint, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Long]:
    """A conversation of many messages, with code and a formula."""
    folder = tmp_path_factory.mktemp("long")
    with closing(Store.open(f"sqlite:///{folder / 'webchat.db'}")) as store:
        talk = Talk(store, store.local_owner().id, "scripted")
        first = last = talk.say("question 0", f"answer 0\n\n{CODE}")
        for number in range(1, MESSAGES // 2):
            text = "$$E = mc^2$$" if number == 1 else f"answer {number}"
            last = talk.say(f"question {number}", text, after=last.reply)
        store.update_conversation(talk.owner, first.conversation.id, title="A <long> talk")
    async with running(folder, endpoint) as app:
        yield Long(app, first.conversation.id)


async def opened(long: Long, visitor: NewVisitor, look: dict[str, Any]) -> Page:
    page = await (await visitor(**look)).new_page()
    await Chat(page, long.app.url).open(f"?c={long.id}")
    await page.wait_for_selector("article.wc-reply")
    return page


def pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


@pytest.mark.parametrize(("look", "language", "by"), crossed(LOOKS, ["keys", "menu"]))
async def test_all_messages_are_printed(
    long: Long, visitor: NewVisitor, look: dict[str, Any], language: str, by: str
) -> None:
    page = await opened(long, visitor, look)
    assert await page.locator("article").count() < MESSAGES
    await page.evaluate(STUB)
    if by == "keys":
        await page.keyboard.press("ControlOrMeta+p")
    else:
        await page.locator("#wc-topbar-end-part .wc-icon-button").first.click()
        await page.get_by_role("menuitem", name=locale(language)["print.menu"]).click()
    await until(page, "window.paper")
    said = await page.evaluate(
        "[...paper.querySelectorAll('article')]"
        ".map((one) => one.querySelector('.wc-words, .wc-md').textContent)"
    )
    assert len(said) == MESSAGES
    assert [words for words in said if words.startswith("question")] == [
        f"question {number}" for number in range(MESSAGES // 2)
    ]
    assert said[-1].strip() == f"answer {MESSAGES // 2 - 1}"
    assert await page.evaluate("paper.querySelector('h1').textContent") == "A <long> talk"
    assert await page.evaluate("paper.querySelector('time').textContent.length") > 6
    assert await page.evaluate("paper.querySelectorAll('.wc-print-note').length") == 0
    assert await page.evaluate("paper.querySelectorAll('.katex').length") > 0, "formulas are typeset by then"
    assert await page.evaluate("paper.querySelectorAll('code .hljs-string').length") > 0
    await expect(page.locator(".wc-print")).to_have_count(0)


@pytest.mark.parametrize(("look", "language"), LOOKS)
async def test_the_paper_has_nothing_of_the_page(
    long: Long, visitor: NewVisitor, look: dict[str, Any], language: str
) -> None:
    page = await opened(long, visitor, look)
    await page.evaluate(
        "window.print = () => (window.paper = document.querySelector('.wc-print'))"
    )  # stays, to be looked at
    await page.keyboard.press("ControlOrMeta+p")
    await until(page, "window.paper")
    await page.emulate_media(media="print")
    seen = await page.evaluate(
        "[...document.body.children].filter((one) => one.getClientRects().length).map((one) => one.className)"
    )
    assert seen == ["wc-print"]
    for part in ("button:visible", "[role=toolbar]:visible", "textarea:visible"):
        assert await page.locator(part).count() == 0
    cut = await page.evaluate(
        """[...document.querySelectorAll(".wc-print :is(pre, code, td, .wc-bubble)")]
            .filter((one) => getComputedStyle(one).display !== "inline")
            .filter((one) => one.scrollWidth > one.clientWidth + 1).length"""
    )
    assert cut == 0, "long lines are wrapped"
    assert (
        await page.evaluate("getComputedStyle(document.querySelector('.wc-print')).color")
        == "rgb(33, 32, 28)"
    )
    assert await page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
    whole = await page.pdf()
    await page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert pages(whole) > 5


@pytest.mark.parametrize(("look", "language"), first(LOOKS[::-1]))
async def test_what_could_not_be_loaded_is_said(
    long: Long, visitor: NewVisitor, look: dict[str, Any], language: str
) -> None:
    page = await opened(long, visitor, look)
    await page.evaluate(STUB)

    async def broken(route: Route) -> None:
        if "before=" in route.request.url:
            await route.abort()
        else:
            await route.continue_()

    await page.route("**/api/conversations/*?*limit=200*", broken)
    await page.keyboard.press("ControlOrMeta+p")
    await until(page, "window.paper")
    assert await page.evaluate("paper.querySelectorAll('article').length") == 200
    said = await page.evaluate("paper.querySelector('.wc-print-note').textContent")
    assert said == locale(language)["print.part"]


async def test_the_browsers_own_printing_says_what_is_missing(long: Long, visitor: NewVisitor) -> None:
    """It does not wait for the server."""
    page = await opened(long, visitor, {})
    await page.evaluate(
        """window.addEventListener("beforeprint", () =>
            (window.note = document.querySelector(".wc-print .wc-print-note")?.textContent))"""
    )
    part = await page.pdf()
    assert await page.evaluate("window.note") == locale("en")["print.part"]
    assert pages(part) >= 1
    await expect(page.locator(".wc-print")).to_have_count(0)


async def test_a_short_chat_is_whole_however_it_is_printed(chat: Chat) -> None:
    await chat.ask("words=5")
    await chat.state("complete")
    await chat.page.evaluate(
        """window.addEventListener("beforeprint", () =>
            (window.printed = [document.querySelectorAll(".wc-print article").length,
                document.querySelectorAll(".wc-print-note").length]))"""
    )
    await chat.page.pdf()
    assert await chat.page.evaluate("window.printed") == [2, 0]
